"""Faults of ours cost what is learnt from one exchange."""

from __future__ import annotations

import logging

import pytest

from tcpmirror.model.exchange import Exchange
from tcpmirror.model.finding import Finding
from tcpmirror.processes.guard import Followers, Guard
from tcpmirror.telemetry.counters import CounterPage
from tcpmirror.telemetry.names import WORKER
from tests.behavior.exchanges import exchange


def page() -> CounterPage:
    return CounterPage.private(WORKER)


def test_what_is_found_comes_back_and_time_is_told_of_all_by_one_in_many() -> None:
    shared = page()
    guard = Guard(shared, "session_ns", "followed", lambda one, findings: b"session")
    assert [guard.observe(exchange(), []) for _ in range(64)] == [b"session"] * 64
    assert shared.get("session_ns") > 0
    assert shared.get("bugs") == 0


@pytest.mark.parametrize("tells", [True, False])
def test_a_fault_is_counted_each_time_and_logged_at_each_doubling(tells: bool, caplog: pytest.LogCaptureFixture) -> None:
    def fail(one: Exchange, findings: list[Finding]) -> None:
        raise ValueError("what was sent")

    shared = page()
    guard = Guard(shared, "weakness_ns", "looked at", fail, tells)
    with caplog.at_level(logging.ERROR):
        assert [guard.observe(exchange(), []) for _ in range(5)] == [None] * 5
    assert shared.get("bugs") == 5
    assert [record.getMessage().partition("(")[2] for record in caplog.records] == ["1 so far)", "2 so far)", "4 so far)"]
    assert ("what was sent" in caplog.text) is tells


def test_who_is_used_from_now_on_sees_what_comes_now() -> None:
    seen: list[str] = []
    guard = Guard(page(), "behavior_ns", "counted", lambda one, findings: seen.append("before"))
    guard.observe(exchange(), [])
    guard.use(lambda one, findings: seen.append("after"))
    guard.observe(exchange(), [])
    assert seen == ["before", "after"]


@pytest.mark.parametrize("has_sessions", [True, False])
def test_behaviour_is_counted_by_the_session_that_was_found(has_sessions: bool) -> None:
    seen: list[bytes | None] = []
    shared = page()
    sessions = Guard(shared, "session_ns", "followed", lambda one, findings: b"name") if has_sessions else None
    behavior = Guard(shared, "behavior_ns", "counted", lambda one, findings, session=None: seen.append(session))
    Followers(sessions, behavior).observe(exchange(), [])
    assert seen == [b"name" if has_sessions else None]
