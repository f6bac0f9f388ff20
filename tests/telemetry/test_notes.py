"""Notes: what was written whole is read, anything else is nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcpmirror.telemetry.notes import Note


def test_fresh_memory_holds_none() -> None:
    assert Note.private().read() == b""


@given(st.lists(st.binary(max_size=56), min_size=1, max_size=5))
def test_the_last_is_read(contents: list[bytes]) -> None:
    note = Note.private(64)
    for content in contents:
        note.write(content)
    assert note.read() == contents[-1]


@given(st.binary(min_size=64, max_size=64))
def test_whatever_lies_there_reading_does_not_fail(memory: bytes) -> None:
    assert len(Note(memoryview(bytearray(memory))).read()) <= 56


def test_half_a_note_is_none() -> None:
    memory = bytearray(64)
    note = Note(memoryview(memory))
    note.write(b"what was there before")
    memory[12:16] = b"half"
    assert note.read() == b""


def test_more_than_there_is_room_for_is_refused() -> None:
    with pytest.raises(ValueError, match="57 bytes, where there is room for 56"):
        Note.private(64).write(bytes(57))
