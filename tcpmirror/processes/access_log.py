"""The access log: one line for each exchange, in the form of the log, gathered and written at most a few times a second.

Lines are made here and not by the loggers, which cost ten times as much for each. A worker never waits for its reader: what
a pipe does not take at once, and what comes faster than `log.access_log.rate`, is left out and counted.
"""

from __future__ import annotations

import logging
import os
import select
import stat
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import orjson

from tcpmirror.errors import EnvironmentFault
from tcpmirror.model.anomaly import anomaly_names
from tcpmirror.model.exchange import Exchange
from tcpmirror.settings.tree import Log
from tcpmirror.telemetry.counters import CounterPage
from tcpmirror.telemetry.logs import escape_controls, field_text, time_text
from tcpmirror.telemetry.token_bucket import TokenBucket

LOGGER: Final = "tcpmirror.access"
STREAMS: Final = {"stdout": 1, "stderr": 2}
GATHERED_LINES: Final = 256  # written together, so that a batch of small exchanges is one system call
PIPE_BYTES: Final = 4096  # what a pipe with room takes as a whole, without waiting (pipe(7), PIPE_BUF)
TEXT_BYTES: Final = 1024  # of a target or host
SHORT_BYTES: Final = 96  # of each, where the line would not fit into PIPE_BYTES with more: no byte takes more than 13


def access_file(log: Log, log_file: str) -> str:
    """Return where the access log goes: `stdout`, `stderr` or a path. *log_file*: where the process logs.

    A sensor in the background has its standard streams in a file, which is rotated by its name.
    """
    wanted = log.access.file or log_file
    return log_file if wanted in STREAMS and log.file in STREAMS else wanted


@dataclass(frozen=True, slots=True)
class Place:
    """What of an exchange may quote its traffic, as masks leave it."""

    host: str | None
    uri: str | None
    real_ip: str


class AccessLog:
    """The lines of one worker of *workers*. EnvironmentFault: the file cannot be written. ``clock``: seconds, monotonic."""

    def __init__(
        self,
        log: Log,
        log_file: str,
        process: str,
        workers: int,
        page: CounterPage,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = access_file(log, log_file)
        self._process = process
        self._is_pretty = log.pretty
        self._is_verbose = log.access.verbose
        rate_s = log.access.rate / workers
        self._room = TokenBucket(rate_s, rate_s, clock) if rate_s else None
        self._page = page
        self._pid = os.getpid()
        self._now_ms, self._now = -1, ""
        self._lines: list[bytes] = []
        self._descriptor = -1
        self._open()

    def add(self, exchange: Exchange, place: Place, verdict: str, types: Sequence[str]) -> None:
        """Note *exchange*, judged as *verdict*, with the types of what was found in it."""
        if self._room is not None and not self._room.take():
            self._page.add("access_left_out")
            return
        self._lines.append(self._line(exchange, place, verdict, types))
        if len(self._lines) >= GATHERED_LINES:
            self.flush()

    def flush(self) -> None:
        """Write what was gathered, to a new file where the old one was rotated away; a full disk costs the lines."""
        if self._room is not None:
            self._room.refill()
        if not self._lines:
            return
        lines, self._lines = self._lines, []
        try:
            self._follow()
            written = self._write(lines)
        except (OSError, EnvironmentFault) as fault:
            logging.getLogger(__name__).error("the access log cannot be written: %s", fault)
            written = 0
        self._page.add("access_lines", written)
        self._page.add("access_left_out", len(lines) - written)

    def close(self) -> None:
        """Write what was gathered and let go of the file."""
        self.flush()
        if self._descriptor not in STREAMS.values():
            os.close(self._descriptor)

    def _write(self, lines: list[bytes]) -> int:
        """Return how many of *lines* were written. OSError."""
        if self._takes_all:
            os.write(self._descriptor, b"".join(lines))
            return len(lines)
        poll = select.poll()
        poll.register(self._descriptor, select.POLLOUT)
        for number, line in enumerate(lines):
            if not any(events & select.POLLOUT for _, events in poll.poll(0)):
                return number
            os.write(self._descriptor, line)
        return len(lines)

    def _follow(self) -> None:
        """Open the file again if its name stands for another one now, or for none."""
        if self._path in STREAMS:
            return
        try:
            there, ours = Path(self._path).stat(), os.fstat(self._descriptor)
            is_ours = (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino)
        except FileNotFoundError:
            is_ours = False
        if not is_ours:
            os.close(self._descriptor)
            self._open()

    def _open(self) -> None:
        if self._path in STREAMS:
            self._descriptor = STREAMS[self._path]
        else:
            try:
                self._descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
            except OSError as fault:
                raise EnvironmentFault(
                    f"log.access_log.log_file: {self._path} cannot be written: {fault.strerror}"
                ) from fault
        self._takes_all = stat.S_ISREG(os.fstat(self._descriptor).st_mode)

    def _line(self, exchange: Exchange, place: Place, verdict: str, types: Sequence[str]) -> bytes:
        line = self._made(exchange, place, verdict, types, TEXT_BYTES)
        return line if len(line) <= PIPE_BYTES else self._made(exchange, place, verdict, types, SHORT_BYTES)

    def _made(self, exchange: Exchange, place: Place, verdict: str, types: Sequence[str], limit: int) -> bytes:
        facts = self._facts(exchange, place, verdict, types, limit)
        if self._is_pretty:
            said = " ".join([f"{name}={_text_of(value)}" for name, value in facts.items()])
            return f"{self._time()} info  {self._process} {LOGGER}: exchange {said}\n".encode()
        head = {
            "time": self._time(),
            "level": "info",
            "process": self._process,
            "pid": self._pid,
            "logger": LOGGER,
            "message": "exchange",
        }
        return orjson.dumps(head | facts, option=orjson.OPT_APPEND_NEWLINE)

    def _time(self) -> str:
        """Return the time for a line; its text is made once a millisecond."""
        now_ms = time.time_ns() // 1_000_000
        if now_ms != self._now_ms:
            self._now_ms = now_ms
            now = datetime.fromtimestamp(now_ms / 1000, UTC)
            self._now = time_text(now) if self._is_pretty else now.isoformat(timespec="milliseconds")
        return self._now

    def _facts(self, exchange: Exchange, place: Place, verdict: str, types: Sequence[str], limit: int) -> dict[str, Any]:
        request, response = exchange.request, exchange.response
        facts: dict[str, Any] = {
            "client": exchange.client,
            "method": None if request is None else self._written(request.method[:32].decode("latin-1"), 32),
            "host": self._written(place.host, limit),
            "uri": self._written(place.uri, limit),
            "status": None if response is None else response.status,
            "verdict": verdict,
        }
        if types:
            facts["types"] = list(types)
        if not self._is_verbose:
            return facts
        duration = exchange.duration_ns
        return facts | {
            "server": exchange.server,
            "real_ip": place.real_ip,
            "protocol": self._written(exchange.protocol, 16),
            "encapsulation": exchange.encapsulation,
            "request_bytes": 0 if request is None else request.body_length,
            "response_bytes": 0 if response is None else response.body_length,
            "duration_ms": None if duration is None else round(duration / 1e6, 3),
            "anomalies": anomaly_names(exchange.anomalies) if exchange.anomalies else [],
        }

    def _written(self, text: str | None, limit: int) -> str | None:
        """Return what of the traffic's *text* goes into a line; a line of text has its own escapes."""
        return text if text is None else text[:limit] if self._is_pretty else escape_controls(text[:limit])


def _text_of(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, int | float):
        return str(value)
    return field_text(",".join(map(str, value)) if isinstance(value, list) else value)
