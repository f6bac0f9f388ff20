"""Logging set-up: one event a line, with the process's name in it, as text or as JSON.

The standard library's loggers, with structlog to render what they are given: a message, and facts of its own in `extra`.
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
from typing import TYPE_CHECKING, Any, Final

import orjson

from tcpmirror.errors import EnvironmentFault
from tcpmirror.telemetry.repetition import Repetition

if TYPE_CHECKING:
    from structlog.typing import EventDict, Processor

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
HEAD: Final = ("time", "level", "process", "pid", "logger", "message")  # of every line

# C0, DEL, C1, the line separators, the marks that turn the direction of text, and lone surrogates (no UTF-8 form exists).
CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def escape_controls(text: str) -> str:
    r"""Return *text* with every control character as `\x1b` or `\u2028`, safe for one line of a log or a terminal."""
    return text if text.isascii() and text.isprintable() else CONTROL.sub(_escape, text)


def configure_logging(process: str, level: str = "info", pretty: bool = True, file: str = "stderr") -> None:
    """Send every record of this process to *file*: `stdout`, `stderr` or a path (opened again after it was rotated away).

    *level* is a key of `LEVELS`. Replaces what was configured before, so a forked process calls it with its own name.
    EnvironmentFault when the path cannot be opened.
    """
    handler = _open_handler(file)
    handler.setFormatter(line_formatter(process, pretty))
    handler.addFilter(Repetition())
    root = logging.getLogger()
    for old in tuple(root.handlers):
        root.removeHandler(old)
        with contextlib.suppress(OSError):  # the disk is full: what it still held is lost, the process goes on
            old.close()
    root.addHandler(handler)
    root.setLevel(LEVELS[level])
    for chatty in CHATTY:
        logging.getLogger(chatty).setLevel(logging.NOTSET if level == "debug" else max(logging.WARNING, LEVELS[level]))


def line_formatter(process: str, pretty: bool) -> logging.Formatter:
    """Return what makes lines of records: text for people, or one JSON object for each."""
    from structlog.stdlib import ExtraAdder, ProcessorFormatter  # takes a tenth of a second: only where lines are written

    renderer = _text if pretty else _json
    return ProcessorFormatter(
        processors=[_told_by(process), ProcessorFormatter.remove_processors_meta, renderer],
        foreign_pre_chain=[ExtraAdder()],
    )


def time_text(at: datetime) -> str:
    """Return the time at the beginning of a text line."""
    return at.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


def field_text(value: object) -> str:
    """Return *value* in ASCII, in quotes if a reader could take it for more than one field."""
    text = str(value)
    if not (text.isascii() and text.isprintable()) or "\\" in text:
        text = text.encode("unicode_escape").decode()
    if text and " " not in text and "=" not in text and '"' not in text:
        return text
    return '"' + text.replace('"', '\\"') + '"'


def _told_by(process: str) -> Processor:
    """Return the step that adds who tells it, when, and how grave it is; facts of the same names give way."""

    def tell(logger: object, method: str, event: EventDict) -> EventDict:
        record: logging.LogRecord = event["_record"]
        facts: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC),
            "level": LEVEL_NAMES.get(record.levelno, record.levelname.lower()),
            "process": process,
            "pid": record.process,
            "logger": record.name,
            "message": escape_controls(event.pop("event")),
        }
        trace = event.pop("exc_info", None)
        lines = logging.Formatter().formatException(trace).split("\n") if trace else []
        return facts | {name: value for name, value in event.items() if name not in facts} | {"traceback": lines}

    return tell


def _text(logger: object, method: str, event: EventDict) -> str:
    """`2026-01-31 12:00:00.000 info  worker-0 tcpmirror.detect: text fact=value`; a traceback follows, each line marked."""
    time, level, process, _, name, message, *rest = (event.pop(key) for key in (*HEAD, "traceback"))
    said = " ".join((message, *(f"{key}={field_text(_shown(value))}" for key, value in event.items())))
    head = f"{time_text(time)} {level:5} {process} {name}: {said}"
    return "\n".join((head, *(f"    | {escape_controls(line)}" for line in rest[0])))


def _json(logger: object, method: str, event: EventDict) -> str:
    """One JSON object a line: time (RFC 3339, UTC), level, process, pid, logger, message, facts, and a traceback."""
    trace = event.pop("traceback")
    event["time"] = event["time"].isoformat(timespec="milliseconds")
    line = {key: _escaped(value) for key, value in event.items()}
    if trace:
        line["traceback"] = [escape_controls(part) for part in trace]
    return orjson.dumps(line).decode()


def _escaped(value: object) -> object:
    """Return *value* for JSON: text without controls, lists of such; what has no form there by its text."""
    if isinstance(value, list | tuple):
        return [_escaped(item) for item in value]
    return value if value is None or isinstance(value, int | float) else escape_controls(str(value))


def _shown(value: object) -> object:
    """Return *value* for a text line: lists between commas, `-` for what is not known."""
    if isinstance(value, list | tuple):
        return ",".join(map(str, value))
    return "-" if value is None else value


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
