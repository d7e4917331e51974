"""`crawler compare`: what it prints and leaves, its options, errors and exit codes."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from crawler.cli import main
from crawler.cli.compare import compare_session
from crawler.cli.compare.compare_app import meant
from crawler.cli.compare.compare_summary import shown
from crawler.compare import catalogue, interpreters, runner
from crawler.compare.compare_config import CompareConfig
from crawler.compare.comparison_result import ComparisonResult
from crawler.compare.design import Arm, Contrast, Interpreter
from crawler.compare.experiment import Experiment
from crawler.compare.judgement import Examined
from crawler.compare.runner import run_job
from crawler.compare.stopwatch import Stopwatch
from crawler.model.errors import ConfigurationError, EnvironmentFailure, ExitCode
from tests.compare import sample
from tests.compare.tiny import experiment, work
from tests.patience import PATIENCE

from .test_command import started

ROOT = Path(__file__).parents[2]
Run = Callable[..., tuple[int, str, str]]
WAIT = 0.2  # seconds that a turn says it took


def _pair(name: str, *sides: dict[str, Any], expect: Any = "indistinguishable") -> Experiment:
    arms = [Arm(name=f"{name} {x}", parameters=side) for x, side in zip("AB", sides, strict=True)]
    claim = "waiting is as fast as the same once more"
    contrast = Contrast(claim=claim, base=arms[0].name, other=arms[1].name, expect=expect)
    return replace(experiment(arms, [contrast]), name=name)


def _turn(
    interpreter: Interpreter, job: dict[str, Any], limit: float, hash_seed: int
) -> dict[str, Any]:
    """A turn in this process, unless it is to fail: fresh ones are `test_runner`'s matter."""
    if job["parameters"].get("do"):
        return run_job(interpreter, job, limit, hash_seed)
    watch = Stopwatch(job["slowdown"])
    done = asdict(work(job["parameters"], watch))
    told = {"seconds": watch.wall, "load": 0.0, "elsewhere": 0.0, "failure": "", "gil": True}
    return {**told, "reading": asdict(watch.reading), **done}


@pytest.fixture(scope="module")
def interpreter() -> Interpreter:
    """What this interpreter says of itself, asked once."""
    return interpreters.here()


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], interpreter: Interpreter
) -> Run:
    """Runs the command over experiments of moments in place of the real ones."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setattr(interpreters, "here", lambda: interpreter)
    monkeypatch.setattr(runner, "run_job", _turn)
    known = {
        "noise": _pair("compute", {"told": WAIT / 2}, {"told": WAIT / 2}),
        "wait": _pair("wait", {"told": WAIT}, {"told": WAIT}),
        "brief": _pair("brief", {"told": WAIT / 10}, {"told": WAIT / 10}),
        "void": _pair("void", {}, {"checksum": "other"}),
        "bad": _pair("bad", {}, {"do": "raise"}),
    }
    known = {name: replace(each, name=name) for name, each in known.items()}
    monkeypatch.setattr(catalogue, "NAMES", tuple(known))
    real = catalogue.load
    monkeypatch.setattr(
        catalogue, "load", lambda name: known[name] if name in known else real(name)
    )

    def run(*words: str) -> tuple[int, str, str]:
        code = main(["compare", *words])
        out, err = capfd.readouterr()
        return code, out, err

    return run


@pytest.mark.slow
def test_what_was_found_is_a_page_of_text(run: Run) -> None:
    """Code 0; machine, time, each experiment with its verdict in words, in 80 columns."""
    code, out, err = run("brief", "--rounds", "5")
    assert code == 0 and "Traceback" not in err
    assert "cannot decide anything" not in out
    lines = out.splitlines()
    assert lines[0].startswith("CPython ") and "core" in lines[0]
    assert max(map(len, lines)) <= 80
    assert "brief: Is it there?" in lines and "noise: Is it there?" in lines
    assert re.search(r"indistinguishable: (0.99|1.0)\d* times as fast \(.*; 5 rounds\)", out)


@pytest.mark.slow
def test_what_an_experiment_found_is_kept_as_soon_as_it_is_there(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """CM1: an error in the judgement of the second experiment leaves the first one's results.

    The page can be made of them, and the comparison be repeated.
    """

    def broken(experiment: Experiment, *rest: Any) -> Examined:
        if experiment.name == "wait":
            raise OverflowError("cannot convert float infinity to integer")
        return judged(experiment, *rest)

    judged = Examined.of
    monkeypatch.setattr(Examined, "of", broken)
    code, _, err = run("noise", "wait", "--rounds", "1", "--report", str(tmp_path))
    assert code == ExitCode.ENVIRONMENT and "OverflowError" in err
    left = ComparisonResult.read(tmp_path / compare_session.RESULTS)
    assert left.partial and [each.experiment.name for each in left.examined] == ["noise"]
    assert [path.name for path in tmp_path.iterdir()] == [compare_session.RESULTS]
    code, out, _ = run("report", str(tmp_path))
    assert (code, out) == (0, f"report: {tmp_path / 'report.html'}\n")
    assert "topped before its end" in (tmp_path / "report.html").read_text()
    monkeypatch.setattr(Examined, "of", judged)
    code, out, _ = run("rerun", str(tmp_path / compare_session.RESULTS), "--quiet")
    assert code == 0 and out.startswith("Against ")


@pytest.mark.slow
def test_too_few_rounds_are_told_before_the_run(run: Run) -> None:
    """CM2: three rounds cannot decide anything, which stands above all that is found."""
    code, out, _ = run("brief", "--rounds", "3")
    note = "NOTE: 3 rounds cannot decide anything: it takes at least 5"
    assert code == 0 and note in out and out.index(note) < out.index("noise:")


@pytest.mark.slow
def test_the_answer_is_one_table() -> None:
    """CM4: `crawler compare` alone: all arms at one width, what is undecided, exit code 0.

    It works without matplotlib, which only a report needs.
    """
    words = ("--rounds", "1", "--width", "4", "--mock-latency", "20ms")
    program = "import sys; sys.modules['matplotlib'] = None; from crawler.cli import main; "
    program += f"sys.exit(main(['compare', *{words!r}]))"
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    arms = ["sequential", "threaded", "async asyncio", "async uvloop"]
    assert [line[:13].rstrip() for line in done.stdout.splitlines() if " MB" in line] == arms
    assert "the mock web, 4 in flight, 20 ms of latency, 100 pages a turn" in done.stdout
    assert "1 of at least 5; about 4 more rounds would tell: --in " in done.stdout
    assert "No advice: nothing was decided" in done.stdout


@pytest.mark.slow
def test_sabotage_is_found_and_nothing_where_there_is_none(run: Run) -> None:
    """5 % slower on one side is called slower; 0 %, as of the noise, is called no difference.

    The noise that others are held against is not slowed: it would hide what it is to show.
    """
    _, out, _ = run("wait", "--rounds", "5", "--sabotage", "5%", "--json")
    assert _words(out) == {"noise": ["indistinguishable"], "wait": ["slower"]}


def _words(out: str) -> dict[str, list[str]]:
    return {
        each["name"]: [c["word"] for c in each["parts"][0]["comparisons"]]
        for each in json.loads(out)["experiments"]
    }


@pytest.mark.slow
@pytest.mark.parametrize("name", ["void", "bad"])
def test_what_cannot_be_believed_is_a_code_of_its_own(run: Run, name: str) -> None:
    """5, with the reason: other work was done, or a turn failed."""
    code, out, _ = run(name, "--rounds", "1")
    assert code == 5
    assert "invalid: " in out and "NOT BELIEVABLE" in out
    assert ("other work" if name == "void" else "exit code 1: ValueError") in out


@pytest.mark.slow
def test_a_report_leaves_page_and_figures_and_can_be_repeated(run: Run, tmp_path: Path) -> None:
    """Both files are whole; `rerun` reads them, runs the same, and says what came out otherwise."""
    folder = tmp_path / "new" / ("long" * 20)  # a name that is broken is no name
    code, out, _ = run("brief", "--rounds", "5", "--sabotage", "50%", "--report", str(folder))
    assert code == 0 and f"report: {folder / 'report.html'}\n" in out
    assert sorted(path.name for path in folder.iterdir()) == ["report.html", "results.json"]
    results = json.loads((folder / "results.json").read_text())
    assert results["asked"] == ["brief"] and results["config"]["sabotage"] == 0.5
    assert "<svg" in (folder / "report.html").read_text()
    code, out, _ = run("rerun", str(folder), "--quiet")
    assert code == 0
    assert out.splitlines()[1:] == ["  every finding came out as then"]
    results["config"]["sabotage"] = 0
    (folder / "results.json").write_text(json.dumps(results))
    code, out, _ = run("rerun", str(folder / "results.json"), "--quiet")
    assert "    then otherwise: slower: " in out and "    now  as predicted: " in out


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["wayt"], 2, "'wayt' is not an experiment; did you mean wait?"),
        (["xyz"], 2, "'xyz' is not an experiment; --list shows them all"),
        (["wait", "--python", "python9"], 3, "--python: python9: no such interpreter"),
        (["--quick", "--full"], 2, "--full: give --quick or --full, not both"),
        (["--sabotage", "lots"], 2, "'lots' is not a share; expected 0.05 or 5%"),
        (["--sabotage", "300%"], 2, "'300%' is not between 0% and 100%"),
        (["--report", "/proc/no/where"], 3, "--report: /proc/no/where: No such file"),
        (["--report", "/dev/null"], 3, "--report: /dev/null: File exists"),
        (
            ["--text", "noise"],
            2,
            "--text is for the experiment crawl: crawler compare crawl --text",
        ),
        (["--urls", "no.txt", "noise"], 2, "--urls is for the experiment crawl, or for none"),
        (["--width", "500", "wait"], 2, "--width is for `crawler compare` without an experiment"),
        (["--mock-latency", "1", "all"], 2, "--mock-latency is for `crawler compare` without"),
        (["rerun", "/nowhere.json"], 3, "/nowhere.json: cannot be read: No such file"),
        (["--budget", "-1"], 2, "too small"),
        (["call", "no_such_module:f"], 2, "call: cannot import 'no_such_module:f': no module"),
        (["call", "nothing"], 2, "call: expected package.module:function or file"),
        (["call", "math:nothing"], 2, "has no attribute 'nothing'"),
        (["call", "os:abort"], 2, "call: os:abort fails: killed by SIGABRT"),
        (["call", "os:getpid", "--inputs", "/nowhere"], 3, "--inputs: /nowhere cannot be read"),
        (["demo", "wait"], 2, "demo stands alone, and not with other experiments"),
        (["--inputs", "x.txt"], 2, "--inputs: needs a function to call"),
        (["call", "os:getpid", "--urls", "x"], 2, "call is not for experiments and lists"),
    ],
)
def test_bad_input_is_one_line(run: Run, words: Sequence[str], code: int, said: str) -> None:
    """The code says whose fault it is; nothing has been run."""
    found, out, err = run(*words)
    assert (found, out) == (code, "")
    assert said in err and err.count("\n") == 1


@pytest.mark.slow
def test_a_second_ctrl_c_costs_the_page_alone(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The figures are written before the page is made, and before what makes it is imported."""
    monkeypatch.delitem(sys.modules, "crawler.compare.comparison_report", raising=False)
    monkeypatch.setattr(sys, "meta_path", [_Interrupted(), *sys.meta_path])
    assert run("noise", "--rounds", "1", "--report", str(tmp_path))[0] == ExitCode.INTERRUPTED
    assert [path.name for path in tmp_path.iterdir()] == ["results.json"]


class _Interrupted:
    """Ctrl-C while the page's module is imported."""

    def find_spec(self, name: str, *_others: object) -> None:
        if name == "crawler.compare.comparison_report":
            raise KeyboardInterrupt


@pytest.mark.slow
def test_a_full_disk_costs_the_report_alone(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What was found is said; that there is a report is not."""

    def full(_path: str, _text: str) -> None:
        raise EnvironmentFailure("No space left on device")

    monkeypatch.setattr(compare_session, "write_whole", full)
    code, out, err = run("noise", "--rounds", "1", "--report", str(tmp_path))
    assert code == 3 and err == "crawler: No space left on device\n"
    assert "in all" in out and "report:" not in out


def test_a_file_that_is_no_result(run: Run, tmp_path: Path) -> None:
    """Neither JSON of another kind nor no JSON is repeated."""
    path = tmp_path / "results.json"
    path.write_text("{}")
    assert (
        "not a result of a comparison: Object missing required field" in run("rerun", str(path))[2]
    )
    path.write_text("{")
    assert "invalid JSON" in run("rerun", str(path))[2]
    path.write_text('{"format": "crawler-load/1"}')
    assert "Invalid enum value 'crawler-load/1' - at `$.format`" in run("rerun", str(path))[2]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["wayt", "../cpu", "cpu_work", "os.path", ""])
@pytest.mark.parametrize("where", ["asked", "experiments"])
def test_a_result_with_experiments_that_there_are_not(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str, where: str
) -> None:
    """Of another version, or of somebody who means ill: one line, and nothing is imported."""
    results = sample.result().json
    if where == "asked":
        results["asked"] = [name]
    else:
        results["experiments"][0]["name"] = name
    path = tmp_path / "results.json"
    path.write_text(json.dumps(results))
    assert main(["compare", "rerun", str(path)]) == 3
    _, err = capsys.readouterr()
    assert err.count("\n") == 1 and f"{name!r} is not an experiment" in err


def test_a_report_that_cannot_be_written_is_known_beforehand(run: Run, tmp_path: Path) -> None:
    """Not after ten minutes."""
    if os.geteuid() == 0:
        pytest.skip("root may write anywhere")
    tmp_path.chmod(0o500)
    assert "is not writable" in run("--report", str(tmp_path))[2]


def test_the_list_has_every_experiment(capsys: pytest.CaptureFixture[str]) -> None:
    """Names and questions of the real ones."""
    assert main(["compare", "--list"]) == 0
    out = capsys.readouterr().out
    assert [line.split()[0] for line in out.splitlines() if line[2] != " "] == [*catalogue.NAMES]


def test_options_come_from_a_file_and_are_printed(run: Run, tmp_path: Path) -> None:
    """A table [compare]; what is printed can be read again."""
    path = tmp_path / "c.toml"
    path.write_text("[compare]\nrounds = 7\nsabotage = '5%'\n")
    code, out, _ = run("--config", str(path), "--print-config")
    assert code == 0 and "rounds = 7" in out
    path.write_text(out)
    assert run("--config", str(path), "--print-config")[1] == out


@pytest.mark.parametrize(
    ("words", "options", "names"),
    [
        ([], {}, ["answer"]),
        ([], {"urls": "list.txt", "width": 500}, ["answer"]),
        (["answer"], {"width": 500}, ["answer"]),
        (["demo"], {}, ["demo"]),
        (["call"], {"call": "os:getpid"}, ["call"]),
        ([], {"quick": True}, [*catalogue.NAMES]),
        ([], {"full": True}, [*catalogue.NAMES]),
        (["all"], {}, [*catalogue.NAMES]),
        (["race", "cpu"], {"quick": True}, ["cpu", "race"]),
        ([], {"quick": True, "urls": "list.txt"}, ["crawl"]),
        (["crawl"], {"urls": "list.txt"}, ["crawl"]),
    ],
)
def test_which_experiments_are_meant(
    words: Sequence[str], options: dict[str, Any], names: Sequence[str]
) -> None:
    """The answer; all with --quick, --full or the word; those that are named; in one order."""
    assert list(meant(words, CompareConfig(**options))) == list(names)


def test_a_list_of_ones_own_is_for_the_crawl() -> None:
    """Other experiments have no use for it, which is said and not ignored."""
    with pytest.raises(ConfigurationError, match="--urls"):
        meant(["cpu"], CompareConfig(urls="list.txt"))


@pytest.mark.slow
@pytest.mark.parametrize("text", [None, "", "# no URL\n"])
def test_a_list_without_urls_is_refused_before_anything_is_measured(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, text: str | None
) -> None:
    """One line and no minute of noise, for a list that is missing and for one that is empty."""
    path = tmp_path / "urls.txt"
    if text is not None:
        path.write_text(text)
    assert main(["compare", "--urls", str(path), "--quick"]) == (3 if text is None else 2)
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and str(path) in err


@pytest.mark.slow
def test_one_core_and_a_busy_machine_are_noted(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Marked, not refused."""
    from crawler.compare import session
    from crawler.measure import machine

    monkeypatch.setattr(session, "usable_cores", lambda: (0,))
    monkeypatch.setattr(machine, "busy_cores", lambda: 1.5)
    code, out, _ = run("noise", "--rounds", "1")
    assert code == 0
    assert "NOTE: one core: nothing can compute in parallel here" in out
    assert "NOTE: the machine is busy: 1.5 cores were at work before this began" in out


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_a_signal_leaves_a_marked_part(tmp_path: Path, number: signal.Signals) -> None:
    """The code is 128 + the signal's number, the report marked partial, and nothing runs on."""
    words = ("compare", "noise", "--rounds", "500", "--report", str(tmp_path))
    with started(*words) as process:
        assert process.stdout is not None
        while "experiment" not in process.stdout.readline():
            pass
        process.send_signal(number)
        out, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 128 + number
    assert "PARTIAL" in out
    assert json.loads((tmp_path / "results.json").read_text())["partial"] is True
    assert "topped before its end" in (tmp_path / "report.html").read_text()
    found = subprocess.run(["pgrep", "-g", str(process.pid)], capture_output=True, check=False)
    assert found.stdout == b""


@pytest.mark.slow
def test_a_closed_pipe_is_no_error() -> None:
    """`crawler compare --list | head -1` ends well."""
    command = f"{sys.executable} -m crawler compare --schema | head -c 1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert done.stdout == "{0\n" and done.stderr == ""


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (1.4321, "s", "1.43 s"),
        (0.5114, "s", "511 ms"),
        (78.2e-6, "s", "78.2 us"),
        (57.5e6, "B", "57.5 MB"),
        (4_420.0, "B", "4.42 KB"),
        (2158.4, "/s", "2,158"),
        (37.91, "/s", "37.9"),
    ],
)
def test_a_figure_has_three_digits_and_its_unit(value: float, unit: str, text: str) -> None:
    """As a person would say it; what is counted has its unit at the head of the column."""
    assert shown(value, unit) == text
