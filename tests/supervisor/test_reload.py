"""What a changed setting means for processes that run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from tcpmirror.settings.tree import Capture, Settings, Source
from tcpmirror.supervisor.reload import FIXED, SECTIONS, plan_reload

OLD = Settings(workers=2)
Change = Callable[[Settings], Settings]

# id -> change, kinds of processes started anew, what waits for a restart
CASES: dict[str, tuple[Change, tuple[str, ...], tuple[str, ...]]] = {
    "nothing": (lambda s: s, (), ()),
    "rules": (lambda s: replace(s, inspection=replace(s.inspection, rules_dir="/r")), (), ()),
    "a limit": (lambda s: replace(s, limits=replace(s.limits, decode_depth=3)), (), ()),
    "log level": (lambda s: replace(s, log=replace(s.log, level="debug")), ("exporter", "cloud"), ()),
    "metrics": (lambda s: replace(s, metrics=replace(s.metrics, enabled=False)), ("exporter",), ()),
    "console": (lambda s: replace(s, console=replace(s.console, title="x")), ("cloud",), ()),
    "cloud": (lambda s: replace(s, cloud=replace(s.cloud, batch_reports=1)), ("exporter", "cloud"), ()),
    "interface": (lambda s: replace(s, capture=Capture((Source(interface="eth1"),))), ("capture",), ()),
    "shedding": (lambda s: replace(s, shedding=replace(s.shedding, enabled=False)), ("capture",), ()),
    "encapsulation depth": (lambda s: replace(s, limits=replace(s.limits, encapsulation_depth=1)), ("capture",), ()),
    "one source more": (lambda s: replace(s, capture=Capture((Source(), Source()))), (), ("number of capture sources",)),
    "workers": (lambda s: replace(s, workers=3), (), ("workers",)),
    "ring": (lambda s: replace(s, limits=replace(s.limits, report_ring_bytes=1)), (), ("limits.report_ring",)),
    "directory": (lambda s: replace(s, supervisor=replace(s.supervisor, run_dir="/x")), (), ("supervisor.run_dir",)),
    "cloud elsewhere": (
        lambda s: replace(s, cloud=replace(s.cloud, embedded=False, url="https://c")),
        (),
        ("cloud.embedded",),
    ),
    "workers and metrics": (
        lambda s: replace(s, workers=3, metrics=replace(s.metrics, enabled=False)),
        ("exporter",),
        ("workers",),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_each_change_reaches_whom_it_concerns(case: str) -> None:
    change, restart, needs_restart = CASES[case]
    plan = plan_reload(OLD, change(OLD))
    assert (plan.restart, plan.needs_restart) == (restart, needs_restart)


@pytest.mark.parametrize("case", CASES)
def test_only_what_waits_keeps_its_old_value(case: str) -> None:
    change, _, needs_restart = CASES[case]
    plan = plan_reload(OLD, change(OLD))
    for words, read, _ in FIXED:
        assert read(plan.settings) == read(OLD), words
    if not needs_restart:
        assert plan.settings == change(OLD)


@pytest.mark.parametrize("case", CASES)
def test_a_reload_of_what_holds_already_changes_nothing(case: str) -> None:
    change, _, needs_restart = CASES[case]
    again = plan_reload(plan_reload(OLD, change(OLD)).settings, change(OLD))
    assert again.changed == ()
    assert again.needs_restart == needs_restart, "said each time, until it is restarted"


def test_every_section_that_differs_is_named() -> None:
    new = replace(OLD, metrics=replace(OLD.metrics, enabled=False), discovery_only=True)
    assert plan_reload(OLD, new).changed == ("metrics", "discovery_only")
    assert set(SECTIONS) >= {"metrics", "discovery_only", "capture", "workers"}
