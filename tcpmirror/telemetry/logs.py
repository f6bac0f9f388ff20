"""Logging set-up: one line an event, with the process's name in it, as text or as JSON.

Traffic ends up in log lines (attack lines quote it), so no byte of it may forge a second line or steer a terminal: every
control character is written as an escape.
"""

from __future__ import annotations

import contextlib
import logging
import logging.handlers
import re
import sys
from datetime import UTC, datetime
from typing import Final

import orjson

from tcpmirror.errors import EnvironmentFault

LEVELS: Final = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "error": logging.ERROR,
    "fatal": logging.CRITICAL,
}
# At INFO these tell every call (the sensor calls its cloud each second) or each step of their own start.
CHATTY: Final = ("httpx", "httpcore", "alembic", "uvicorn")
LEVEL_NAMES: Final = {number: name for name, number in LEVELS.items()}

# C0, DEL, C1, the line separators, the marks that turn the direction of text, and lone surrogates (no UTF-8 form exists).
CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def escape_controls(text: str) -> str:
    r"""Return *text* with every control character as `\x1b` or `\u2028`, safe for one line of a log or a terminal."""
    return CONTROL.sub(_escape, text)


def configure_logging(process: str, level: str = "info", pretty: bool = True, file: str = "stderr") -> None:
    """Send every record of this process to *file*: `stdout`, `stderr` or a path (opened again after it was rotated away).

    *level* is a key of `LEVELS`. Replaces what was configured before, so a forked process calls it with its own name.
    EnvironmentFault when the path cannot be opened.
    """
    handler = _open_handler(file)
    handler.setFormatter(TextLine(process) if pretty else JsonLine(process))
    root = logging.getLogger()
    for old in tuple(root.handlers):
        root.removeHandler(old)
        with contextlib.suppress(OSError):  # the disk is full: what it still held is lost, the process goes on
            old.close()
    root.addHandler(handler)
    root.setLevel(LEVELS[level])
    for chatty in CHATTY:
        logging.getLogger(chatty).setLevel(logging.NOTSET if level == "debug" else max(logging.WARNING, LEVELS[level]))


class TextLine(logging.Formatter):
    """`2026-01-31 12:00:00.000 info  worker-0 tcpmirror.detect: text`; a traceback follows, each line marked."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        time = _time_of(record).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
        line = f"{time} {_level_of(record):5} {self._process} {record.name}: {escape_controls(record.getMessage())}"
        trace = _traceback_of(self, record)
        return "\n".join((line, *(f"    | {escape_controls(part)}" for part in trace.split("\n")))) if trace else line


class JsonLine(logging.Formatter):
    """One JSON object a line: time (RFC 3339, UTC), level, process, pid, logger, message; traceback with an exception."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": _time_of(record).isoformat(timespec="milliseconds"),
            "level": _level_of(record),
            "process": self._process,
            "pid": record.process,
            "logger": record.name,
            "message": escape_controls(record.getMessage()),
        }
        if trace := _traceback_of(self, record):
            line["traceback"] = [escape_controls(part) for part in trace.split("\n")]
        return orjson.dumps(line).decode()


def _open_handler(file: str) -> logging.Handler:
    if file in ("stdout", "stderr"):
        return logging.StreamHandler(sys.stdout if file == "stdout" else sys.stderr)
    try:
        return logging.handlers.WatchedFileHandler(file, encoding="utf-8")
    except OSError as fault:
        raise EnvironmentFault(f"log.file: {file} cannot be written: {fault.strerror}") from fault


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def _time_of(record: logging.LogRecord) -> datetime:
    return datetime.fromtimestamp(record.created, UTC)


def _level_of(record: logging.LogRecord) -> str:
    return LEVEL_NAMES.get(record.levelno, record.levelname.lower())


def _traceback_of(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    return formatter.formatException(record.exc_info) if record.exc_info else ""
