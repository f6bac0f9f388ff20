from __future__ import annotations

import logging

from tcpmirror.telemetry.repetition import KINDS, Repetition


def record(message: str, *facts: object, name: str = "tcpmirror.x") -> logging.LogRecord:
    return logging.LogRecord(name, logging.ERROR, "", 0, message, facts, None)


def test_lines_of_one_kind_have_a_burst_and_a_rate_and_the_next_says_how_many_were_left_out() -> None:
    now = 0.0
    repetition = Repetition(burst=3, rate_s=1.0, clock=lambda: now)
    assert [repetition.filter(record("record %d", number)) for number in range(10)] == [True] * 3 + [False] * 7
    now = 1.5
    told = record("record %d", 10)
    assert repetition.filter(told)
    assert told.getMessage() == "record 10 (and 7 like it, left out)"
    assert not repetition.filter(record("record %d", 11))


def test_another_message_and_another_logger_have_room_of_their_own() -> None:
    repetition = Repetition(burst=1, rate_s=1.0, clock=lambda: 0.0)
    kinds = [record("a %d", 1), record("b %d", 1), record("a %d", 1, name="tcpmirror.y")]
    assert all(repetition.filter(each) for each in kinds)
    assert not any(repetition.filter(each) for each in kinds)


def test_kinds_beyond_the_limit_take_no_memory() -> None:
    repetition = Repetition(burst=1, clock=lambda: 0.0)
    for number in range(3 * KINDS):
        assert repetition.filter(record(f"message {number}"))
    assert len(repetition._rooms) == KINDS
    assert repetition.filter(record("message 0"))  # forgotten meanwhile


def test_a_percent_sign_in_what_was_said_stays() -> None:
    now = 0.0
    repetition = Repetition(burst=1, rate_s=1.0, clock=lambda: now)
    repetition.filter(record("%s", "100%d"))
    repetition.filter(record("%s", "100%d"))
    now = 2.0
    told = record("%s", "100%d")
    repetition.filter(told)
    assert told.getMessage() == "100%d (and 1 like it, left out)"
