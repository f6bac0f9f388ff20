"""Rules are prepared in a child; what it says, or that it died, comes back without waiting."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest

from tcpmirror.errors import EXIT_BUG, EXIT_OK, EXIT_SETTINGS, SettingsError
from tcpmirror.settings.tree import Settings
from tcpmirror.supervisor.rules import LOOK_NS, Prepared, RuleKeeper, RuleWork
from tests.supervisor.conftest import eventually


def facts(settings: Settings) -> dict[str, Any]:
    return {"own": settings.workers, "pid": os.getpid()}


def refusing(settings: Settings) -> dict[str, Any]:
    raise SettingsError("own.yaml", 3, "id", "X", "lower-case words")


def dying(settings: Settings) -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def broken(settings: Settings) -> dict[str, Any]:
    return {"own": 1 // 0}


def sleeping(settings: Settings) -> dict[str, Any]:
    time.sleep(600)
    return {}


def keeper(
    prepare: Callable[[Settings], dict[str, Any]], signature: Callable[[Settings], object] = lambda s: 1
) -> RuleKeeper:
    return RuleKeeper(RuleWork(prepare, signature), lambda: None, "stderr")


def outcome(rules: RuleKeeper) -> Prepared:
    return eventually(lambda: rules.poll(time.monotonic_ns()))


CASES = {
    "accepted": (facts, EXIT_OK, "", "in force"),
    "refused": (refusing, EXIT_SETTINGS, "own.yaml:3: id: 'X' is not accepted; accepted: lower-case words", "refused"),
    "killed": (dying, EXIT_BUG, "died", "refused"),
    "a bug": (broken, EXIT_BUG, "died", "refused"),
}


@pytest.mark.parametrize(("prepare", "code", "problem", "state"), CASES.values(), ids=CASES)
def test_what_came_of_it(prepare: Callable[[Settings], dict[str, Any]], code: int, problem: str, state: str) -> None:
    rules = keeper(prepare)
    rules.begin(Settings(workers=3), time.monotonic_ns())
    assert rules.is_busy
    assert rules.describe()["state"] == "preparing"
    told = outcome(rules)
    assert told.exit_code == code
    assert problem in told.problem
    assert rules.describe()["state"] == state
    assert rules.poll(time.monotonic_ns()) is None
    if code == EXIT_OK:
        assert told.facts["own"] == 3
        assert told.facts["pid"] != os.getpid()


def test_facts_of_what_is_in_force_outlive_a_refusal() -> None:
    rules = keeper(lambda settings: facts(settings) if settings.workers else refusing(settings))
    for workers in (2, 0):
        rules.begin(Settings(workers=workers), time.monotonic_ns())
        outcome(rules)
    described = rules.describe()
    assert (described["own"], described["state"], described["refused"]) == (2, "refused", 1)


def test_who_asks_meanwhile_is_next() -> None:
    rules = keeper(facts)
    for workers in (1, 2, 3):
        rules.begin(Settings(workers=workers), time.monotonic_ns())
    assert [outcome(rules).facts["own"] for _ in range(2)] == [1, 3]
    assert not rules.is_busy


def test_an_end_does_not_wait() -> None:
    rules = keeper(sleeping)
    rules.begin(Settings(), time.monotonic_ns())
    rules.end()
    assert not rules.is_busy
    assert eventually(lambda: os.waitpid(-1, os.WNOHANG)[0])


def test_only_a_change_begins_it_anew(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    rules = keeper(facts, lambda settings: file.exists())
    now_ns = time.monotonic_ns()
    rules.begin(Settings(), now_ns)
    outcome(rules)
    now_ns += LOOK_NS + 1
    rules.look(Settings(), now_ns)
    assert not rules.is_busy
    file.touch()
    rules.look(Settings(), now_ns + LOOK_NS // 2)
    assert not rules.is_busy, "it was looked a moment ago"
    rules.look(Settings(), now_ns + LOOK_NS + 1)
    assert rules.is_busy
    assert outcome(rules).exit_code == EXIT_OK
