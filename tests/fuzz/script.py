"""Scripts: what both ends of a connection say and what is lost, as bytes that survive mutation.

Pieces stand between the mark; the first byte of a piece says what it is: ``C`` or ``S`` bytes of client or server, ``c`` or ``s`` a
loss on that side (a number of two bytes follows), ``w`` a wait in seconds, ``E`` the end of both sides in a way the next byte
tells. Any other piece is bytes of the client, so that whatever a mutation makes is a script.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from tcpmirror.model.exchange import Exchange
from tests.fuzz.compiled import feed
from tests.protocols.transcript import SECOND, Flow, everything

MARK: Final = b"\xfe\xff"
Step = tuple[str, int, bytes | int]
COUNTERS: Final = (
    "requests", "responses", "exchanges", "unanswered", "response_only", "http_errors", "not_http_bytes", "http2_flows",
    "websocket_flows", "websocket_messages", "tls_flows", "tls_bytes",
)  # fmt: skip


def written(*steps: tuple[str, bytes | int]) -> bytes:
    """Return the script of *steps*: (letter, bytes or number)."""
    parts = [letter.encode() + (what if isinstance(what, bytes) else what.to_bytes(2, "big")) for letter, what in steps]
    return MARK.join(parts)


def said(talk: list[tuple[int, bytes]]) -> list[tuple[str, bytes | int]]:
    return [("CS"[side], chunk) for side, chunk in talk]


def steps_of(script: bytes) -> Iterator[Step]:
    """Yield (what, side, bytes or number) for each piece."""
    for piece in script.split(MARK):
        letter, rest = piece[:1], piece[1:]
        if letter in (b"C", b"S"):
            yield "data", int(letter == b"S"), rest
        elif letter in (b"c", b"s"):
            yield "gap", int(letter == b"s"), 1 + int.from_bytes(rest[:2], "big")
        elif letter == b"w":
            yield "wait", 0, int.from_bytes(rest[:1], "big")
        elif letter == b"E":
            yield "end", 0, 1 + int.from_bytes(rest[:1], "big") % 5
        elif piece:
            yield "data", 0, piece


@dataclass
class Outcome:
    """What came of a script; the same however its bytes were cut."""

    exchanges: list[Exchange]
    counts: dict[str, int]
    fed: int = 0
    held: int = 0
    lines: list[tuple[object, ...]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.lines = [everything(exchange) for exchange in self.exchanges]


def cuts_of(data: bytes, dice: random.Random | None) -> Iterator[bytes]:
    """Yield *data* whole, or in random parts, small ones mostly."""
    at = 0
    while dice is not None and at < len(data):
        size = dice.choice((1, 1, 2, 3, 7, 50, 2000))
        yield data[at : at + size]
        at += size
    if dice is None and data:
        yield data


def play(steps: Iterable[Step], flow: Flow, dice: random.Random | None) -> Outcome:
    """Take *steps* with the connection of *flow*, their bytes cut by *dice*; AssertionError when it holds less than nothing."""
    fed = held = 0
    for what, side, value in steps:
        if what == "data":
            assert isinstance(value, bytes)
            fed += len(value)
            for part in cuts_of(value, dice):
                feed(flow.sink, side, part, flow.time_ns)
        elif what == "gap":
            flow.lose(side, int(value))
        elif what == "wait":
            expire(flow, int(value))
        elif what == "keys":
            assert isinstance(value, bytes)
            flow.learn(value)
        else:
            flow.end(int(value))
        held = max(held, flow.sink.held_bytes)
        assert flow.sink.held_bytes >= 0, "holds less than nothing"
    flow.end()
    if flow.decryption is not None:
        flow.decryption.finish()
    return Outcome(flow.exchanges, {name: getattr(flow.factory, name) for name in COUNTERS}, fed, held)


def expire(flow: Flow, seconds: int) -> None:
    """Let time pass as reassembly does: deadlines first, each at its own time."""
    now = flow.time_ns + seconds * SECOND
    for _ in range(10_000):
        if not flow.sink.deadline_ns or flow.sink.deadline_ns > now:
            break
        flow.sink.expire(flow.sink.deadline_ns)
    else:
        raise AssertionError("deadlines without end")
    flow.time_ns = now
    if flow.decryption is not None:
        flow.decryption.advance(now)


def dice_of(data: bytes) -> random.Random:
    return random.Random(zlib.crc32(data))
