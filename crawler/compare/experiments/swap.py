"""`swap`: one program, every executor: it is given another class, and nothing else changes."""

from __future__ import annotations

import inspect
from collections.abc import Sequence

from crawler.compare import executors
from crawler.compare.design import Arm, Bars, Chart, Finding, Outcome, Setting
from crawler.compare.executors import absent, kinds, unloaded
from crawler.compare.experiment import Experiment
from crawler.compare.experiments import swap_work
from crawler.compare.observation import Observed

_MOST_WORKERS = 8


def _arms(setting: Setting) -> Sequence[Arm]:
    """Return arms: the parser by every executor that loads it; pure Python by interpreters."""
    refused = {"interpreter"} if setting.interpreter.parser_refusal else set()
    found = [_arm(setting, "page", k) for k in ("map", *kinds(setting)) if k not in refused]
    if setting.interpreter.interpreters:
        found += [_arm(setting, "likeness", kind) for kind in ("map", "process", "interpreter")]
    return found


def _arm(setting: Setting, subject: str, kind: str) -> Arm:
    parameters = {
        "kind": kind,
        "subject": subject,
        "workers": min(len(setting.cores), _MOST_WORKERS),
        "pages": setting.pick(150, 500),
    }
    name = kind if subject == "page" else f"{kind} ({subject})"
    return Arm(name=name, parameters=parameters, equal=subject)


def _checks(observed: Observed) -> Sequence[Finding]:
    return [
        _equal(observed),
        _exceptions(observed),
        _cancellation(observed),
        *unloaded(observed.setting),
        *absent(observed.setting),
    ]


def _troubles(observed: Observed) -> str:
    """Return the first failure, or ""; a different checksum is the answer here, not a failure."""
    failed = (run for arm in observed.arms for run in observed.of(arm.name) if run.failure)
    first = next(failed, None)
    if first is not None:
        return f"{first.arm}: {first.failure}"
    unmeasured = (arm.name for arm in observed.arms if not observed.of(arm.name))
    return next((f"{name}: no turn" for name in unmeasured), "")


def _equal(observed: Observed) -> Finding:
    """Check that each executor gave what `map` gave, to the last byte, in both ways."""
    trouble = _troubles(observed)
    odd = [arm.name for arm in observed.arms if not _as_map(observed, arm)]
    names = ", ".join(arm.name for arm in observed.arms)
    outcome: Outcome = "otherwise" if odd else "as predicted"
    return Finding(
        claim="every executor gives the same results as `map`, by `map` and by `submit`",
        outcome="invalid" if trouble else outcome,
        text=trouble or (f"others by {', '.join(odd)}" if odd else f"the same by {names}"),
        detail=program(),
    )


def _as_map(observed: Observed, arm: Arm) -> bool:
    reference = "map" if arm.parameters["subject"] == "page" else "map (likeness)"
    expected = {run.checksum for run in observed.of(reference)}
    runs = observed.of(arm.name)
    return {run.checksum for run in runs} == expected and not any(run.errors for run in runs)


def program() -> str:
    """Return the source of the program as it ran; `make` alone differs."""
    shown = (swap_work.mapped, swap_work.completed, executors.executor)
    return "\n\n".join(inspect.getsource(function).rstrip() for function in shown)


def _exceptions(observed: Observed) -> Finding:
    """Check that an exception has the same type and message, whoever ran its cause."""
    said = {
        arm.name: {tuple(each) for note in observed.notes(arm.name, "raised") for each in note}
        for arm in observed.arms
    }
    trouble = _troubles(observed)
    expected = said.get("map", set())
    odd = {name: found for name, found in said.items() if found != expected}
    outcome: Outcome = "otherwise" if odd or len(expected) != 1 else "as predicted"
    usual = "; ".join(f"{kind}: {text}" for kind, text in sorted(expected))
    return Finding(
        claim="an exception travels the same through every executor: its type and its message",
        outcome="invalid" if trouble else outcome,
        text=trouble or (f"not so: {odd}" if odd else usual),
        detail="\n".join(_causes(observed)),
    )


def _causes(observed: Observed) -> list[str]:
    """Return where each worker's own traceback is kept; that does differ."""
    causes = {arm.name: next(iter(observed.notes(arm.name, "cause")), "") for arm in observed.arms}
    return [
        f"{name}: the worker's traceback is in a {kind}" for name, kind in causes.items() if kind
    ]


def _cancellation(observed: Observed) -> Finding:
    trouble = _troubles(observed)
    pools = [arm.name for arm in observed.arms if arm.parameters["kind"] != "map"]
    odd = [name for name in pools if set(observed.notes(name, "cancelled")) != {True}]
    outcome: Outcome = "otherwise" if odd else "as predicted"
    return Finding(
        claim="a task that still waits can be cancelled, and those beside it are answered",
        outcome="invalid" if trouble else outcome,
        text=trouble or (f"not so by {', '.join(odd)}" if odd else f"so by {', '.join(pools)}"),
    )


def _charts(observed: Observed) -> Sequence[Chart]:
    names = [a.name for a in observed.arms if not observed.trouble(a.name)]
    return [
        Bars(
            title="The same pages by each executor, its start included",
            note="No claim: what suits such pages is for `crawl` and `break-even` to say.",
            x="executor",
            groups=names,
            values={"wall time": [observed.median(name) * 1e3 for name in names]},
            unit="ms",
        )
    ]


EXPERIMENT = Experiment(
    name="swap",
    question="What has to change to run the same program by another executor?",
    claim="One class: the same function through every `concurrent.futures` executor gives the "
    "same results and raises the same exceptions.",
    module=swap_work.__name__,
    arms=_arms,
    contrasts=lambda _setting: (),
    checks=_checks,
    charts=_charts,
    conditions=(
        (
            "The function is the project's own parser, `crawler.formats.page.page`, on generated "
            "pages; where there are interpreters also `crawler.formats.simhash.likeness`, which is "
            "pure Python."
        ),
        "Function, arguments and results can be pickled; processes start by the fork server.",
    ),
    not_shown=(
        "Functions that share state with their caller: in processes they do something else.",
        "What a dead worker does to the other tasks: `robust` shows that.",
    ),
    most_rounds=3,
    weight=0.5,
)
