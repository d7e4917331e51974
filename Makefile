# `make` lists the targets. Needs Python 3.11 or newer; everything else goes into .venv.

URLS ?=
OUT ?= crawl.jsonl
REPORT ?= compare-report
SECONDS ?=
ARGS ?=
EXTRAS ?=

VENV := .venv
BIN := $(VENV)/bin
UV := $(shell command -v uv 2>/dev/null)

# A pip that can install elsewhere (22.3 and later) spares .venv one of its own, and 5 s of CPU.
OWN_PIP = $(BIN)/python -m pip
HOST_PIP = $(PYTHON) -m pip --python $(BIN)/python
PIP = $(if $(UV),$(UV) pip install --python $(BIN)/python,$(if $(wildcard $(BIN)/pip),$(OWN_PIP),\
	$(HOST_PIP)) install --disable-pip-version-check --progress-bar off)
INSTALL = $(PIP) -c config/constraints.txt

# Processes, so many a core; slow tests wait for half of their time, so that they have two.
processes = $(shell $(BIN)/python -c 'import os; print($(1) * len(os.sched_getaffinity(0)))' 2>/dev/null || echo auto)

# What is installed, each on top of the one before: what a crawl needs, what the tests need, everything.
# A crawl needs no build of this package, a quarter of the CPU: a line in .venv says where it lies,
# and Python compiles what it imports.
BASE := $(VENV)/.base
TESTS := $(VENV)/.tests
ALL := $(VENV)/.all

# The newest Python that really runs: a shim of a version manager may be there and refuse.
# Without uv it must be able to make a virtual environment with pip.
NEEDS := $(if $(UV),sys,sys, venv, ensurepip)
PROBE := import $(NEEDS); sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for python in python3.13 python3.12 python3.11 python3; do \
	$$python -c '$(PROBE)' 2>/dev/null && echo $$python && break; done)

# The package from where it is, and then the names of what it depends on.
LIGHT := import os, pathlib, sysconfig, tomllib; \
	pathlib.Path(sysconfig.get_path("purelib"), "crawler.pth").write_text(os.getcwd()); \
	print(*tomllib.loads(pathlib.Path("pyproject.toml").read_text())["project"]["dependencies"], sep="\n")

.DEFAULT_GOAL := help
.PHONY: help install crawl compare quick test check lint wheel docs bench fuzz real soak crash debian clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile

# Everything at once where nothing is there yet: pip resolves once, and not three times.
install: ## Set up .venv with everything, once
	@test -e $(BASE) || { $(MAKE) --no-print-directory EXTRAS='[dev,docs]' $(BASE) && touch $(TESTS) && touch $(ALL); }
	@$(MAKE) --no-print-directory $(ALL)

$(BASE): pyproject.toml config/constraints.txt
	@rm -rf $(VENV)
ifneq ($(UV),)
	@$(UV) venv --quiet --python "$(or $(PYTHON),>=3.11)" $(VENV)
else
	@test -n "$(PYTHON)" || { echo "make: no Python 3.11 or newer with venv and pip here" >&2; exit 1; }
	@echo "setting up $(VENV) with $(PYTHON)" >&2
	@$(PYTHON) -m venv --without-pip $(VENV)
	@$(HOST_PIP) --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip --default-pip >&2
endif
ifneq ($(EXTRAS),)
	@$(INSTALL) -e '.$(EXTRAS)' >&2
	@$(BIN)/python -m compileall -q crawler
else
	@$(BIN)/python -c '$(LIGHT)' > $(VENV)/needs.txt
	@$(INSTALL) $(if $(UV),,--no-compile) -r $(VENV)/needs.txt >&2
endif
	@touch $@

$(TESTS): $(BASE)
	@echo "adding what the tests need to $(VENV)" >&2
	@$(INSTALL) -e '.[dev]' >&2
	@touch $@

$(ALL): $(TESTS)
	@$(INSTALL) -e '.[dev,docs]' >&2
	@touch $@

crawl: $(BASE) ## Crawl URLS=list.txt (without: a mock web) into OUT=crawl.jsonl, with ARGS="..."
	@$(BIN)/python -P -m crawler crawl \
		$(if $(URLS),-i "$(URLS)",--mock 1000 --config config/fast-local.toml \
		$(if $(findstring --client,$(ARGS)),,--client aiohttp)) \
		-o "$(OUT)" $(if $(findstring --append,$(ARGS)),,--overwrite) $(ARGS)

compare: $(TESTS) ## Compare async, threads and processes, in ten minutes, into REPORT=compare-report/
	@$(BIN)/crawler compare --quick --report "$(REPORT)" $(ARGS)

test: $(TESTS) ## Run the tests on every core; ARGS="..." goes to pytest
	@$(BIN)/python -m pytest -n $(call processes,2) --dist worksteal $(ARGS)

quick: $(TESTS) ## Run the tests that take no time, in a minute; ARGS="..." goes to pytest
	@$(BIN)/python -m pytest -n $(call processes,1) --dist worksteal -m "not slow" $(ARGS)

check: lint test ## Format, lint, types, and then the tests

lint: $(TESTS)
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy

wheel: $(TESTS) ## Build the distribution, install it where nothing else is, and use it
	@$(BIN)/python -m tests.wheel

docs: $(ALL) ## Build the documentation into docs/_build; warnings are errors
	@$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build
	@echo "docs/_build/index.html"

bench: $(TESTS) ## Measure against Scrapy and bare loops; writes the raw figures as JSON
	@$(BIN)/python -m tests.bench $(ARGS)

# Atheris has wheels for some Pythons only; where there is none, hypothesis has all the time.
fuzz: $(TESTS) ## Fuzz what reads a server's bytes for SECONDS=600 in all; ARGS="--only html"
	@$(BIN)/python -c 'import atheris' 2>/dev/null || $(INSTALL) --quiet --only-binary atheris \
		-e '.[fuzz]' || echo "atheris: no wheel for this Python" >&2
	@$(BIN)/python -m tests.fuzz --seconds $(or $(SECONDS),600) $(ARGS)

real: $(TESTS) ## Crawl real pages from a local nginx with every engine and executor
	@$(BIN)/python -m tests.real $(ARGS)

soak: $(TESTS) ## Crawl a hostile web for SECONDS=1800 and see that nothing grows or is lost
	@$(BIN)/python -m tests.soak --seconds $(or $(SECONDS),1800) $(ARGS)

crash: $(TESTS) ## Kill crawls in their writes, a thousand times, and see that nothing is lost
	@$(BIN)/python -m tests.crash $(ARGS)

debian: $(TESTS) ## Install the Debian programs that tests use, as root: curl, wrk, hey, Chromium
	@$(BIN)/python -m tests.real.debian $(ARGS)

clean: ## Remove .venv and everything that was made
	@rm -rf $(VENV) build dist *.egg-info crawl.jsonl compare-report docs/_build docs/generated .fuzz .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find crawler tests -name __pycache__ -type d -prune -exec rm -rf {} +
