"""What says the same again and again says it a few times a second, and how often it was left out."""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from tcpmirror.telemetry.token_bucket import TokenBucket

BURST: Final = 200  # lines of one kind at once: a start, a reload, a shutdown of many processes says no more
RATE_S: Final = 20.0  # and so many a second from then on
KINDS: Final = 512  # followed at a time; messages are written in code, so there are no more of them
Kind = tuple[str, int, str]  # logger, level, message before its facts are put in


@dataclass(slots=True)
class _Room:
    """For lines of one kind; ``left_out``: since the last that was written."""

    lines: TokenBucket
    left_out: int = 0


@dataclass(eq=False)
class Repetition(logging.Filter):
    """A filter for a handler: of records from the same place in the code, *burst* at once, then *rate_s* a second.

    A fault of the disk or of the traffic may come with every packet, and its lines would fill the disk or drown the others.
    The first line after some were left out says how many. ``clock``: seconds, monotonic.
    """

    burst: int = BURST
    rate_s: float = RATE_S
    clock: Callable[[], float] = time.monotonic
    _rooms: OrderedDict[Kind, _Room] = field(default_factory=OrderedDict, init=False)

    def __post_init__(self) -> None:
        logging.Filter.__init__(self)

    def filter(self, record: logging.LogRecord) -> bool:
        """Return False for a record that is left out; one that is not tells what was left out before it."""
        room = self._room((record.name, record.levelno, str(record.msg)))
        room.lines.refill()
        if not room.lines.take():
            room.left_out += 1
            return False
        if room.left_out:
            record.msg, record.args = f"{record.getMessage()} (and {room.left_out} like it, left out)", None
            room.left_out = 0
        return True

    def _room(self, kind: Kind) -> _Room:
        room = self._rooms.get(kind)
        if room is None:
            room = self._rooms[kind] = _Room(TokenBucket(self.burst, self.rate_s, self.clock))
        self._rooms.move_to_end(kind)
        if len(self._rooms) > KINDS:
            self._rooms.popitem(last=False)
        return room
