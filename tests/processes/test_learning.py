"""Those who learn from many exchanges: each sees every one, and a fault of one of them is nobody else's."""

from __future__ import annotations

import logging

import pytest

from tcpmirror.model.exchange import Exchange
from tcpmirror.model.finding import Finding
from tcpmirror.processes.learning import Learning
from tcpmirror.telemetry.counters import CounterPage
from tcpmirror.telemetry.names import WORKER
from tests.behavior.exchanges import exchange


class Learner:
    """Notes what it is told; fails at what a list says."""

    def __init__(self, answer: bytes | None = None, faults: int = 0) -> None:
        self.told: list[tuple[object, ...]] = []
        self._answer, self._faults = answer, faults

    def observe(self, *told: object) -> bytes | None:
        self.told.append(told)
        if len(self.told) <= self._faults:
            raise ValueError("secret of a client")
        return self._answer

    def look(self, exchange: Exchange, findings: list[Finding]) -> list[str]:
        self.observe(exchange, findings)
        return ["a sign"] if findings else []

    def note(self, *told: object) -> None:
        self.noted = told


def test_each_is_told_what_it_learns_from() -> None:
    apis, weaknesses, sessions, behavior = Learner(), Learner(), Learner(b"bob's"), Learner()
    learning = Learning(CounterPage.private(WORKER), apis=apis, weaknesses=weaknesses, sessions=sessions, behavior=behavior)  # type: ignore[arg-type]
    one, findings = exchange(), [Finding("sqli", ("get", "q"), "x", "r", 0.9)]
    learning(one, findings, True)
    assert (apis.told, weaknesses.told, sessions.told) == ([(one, True)], [(one, findings)], [(one, findings)])
    assert behavior.told == [(one, findings, b"bob's")]
    assert weaknesses.noted == (one, ["a sign"])


@pytest.mark.parametrize("faulty", ["apis", "weaknesses", "sessions", "behavior"])
def test_a_fault_of_one_costs_the_others_nothing(faulty: str, caplog: pytest.LogCaptureFixture) -> None:
    page = CounterPage.private(WORKER)
    learners = {name: Learner(faults=5 if name == faulty else 0) for name in ("apis", "weaknesses", "sessions", "behavior")}
    learning = Learning(page, **learners)  # type: ignore[arg-type]
    with caplog.at_level(logging.ERROR):
        for _ in range(10):
            told: Exchange = exchange()
            learning(told, [], False)
    assert [len(learner.told) for learner in learners.values()] == [10] * 4
    assert page.get("bugs") == 5
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 3, "the first, the second and the fourth"
    assert all("ValueError" in line and "secret" not in line for line in lines)
