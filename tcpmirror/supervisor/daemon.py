"""Going to the background, and hearing from there how the start went."""

from __future__ import annotations

import contextlib
import json
import os
import select
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Final, NoReturn

from tcpmirror.errors import EXIT_BUG, EnvironmentFault
from tcpmirror.supervisor.supervisor import Outcome

OUTCOME_BYTES: Final = 65536
UMASK: Final = 0o027

Announce = Callable[[Outcome], None]
Serve = Callable[[Announce, Callable[[], None]], int]


def start_in_background(serve: Serve, log_file: Path, timeout_s: float) -> Outcome:
    """Run *serve* in a process of its own session and return what it announces, at the latest after *timeout_s*.

    *serve* gets the function to announce with, and one that its own children call to let go of the pipe. The working
    directory stays: relative paths in the settings keep their meaning. EnvironmentFault when *log_file* cannot be written.
    """
    log = _open_log(log_file)
    reading, writing = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    first = os.fork()
    if first == 0:
        os.close(reading)
        os.setsid()
        if os.fork() != 0:  # a session's leader could get a terminal again; its child cannot
            os._exit(0)
        _become_daemon(serve, log, writing)
    os.close(log)
    os.close(writing)
    os.waitpid(first, 0)
    try:
        return _hear(reading, timeout_s, log_file)
    finally:
        os.close(reading)


def _become_daemon(serve: Serve, log: int, writing: int) -> NoReturn:
    code = EXIT_BUG
    try:
        os.umask(UMASK)
        _redirect(log)
        _close_strangers()

        def announce(outcome: Outcome) -> None:
            os.write(writing, json.dumps(asdict(outcome)).encode()[:OUTCOME_BYTES])
            os.close(writing)

        code = serve(announce, lambda: _close_quietly(writing))
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _redirect(log: int) -> None:
    """Standard input reads nothing; what prints, or crashes below Python, ends up in the log file."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    for descriptor in {nothing, log} - {0, 1, 2}:
        os.close(descriptor)


def _close_strangers() -> None:
    """Close what the caller's shell happened to have open: it would stay open as long as the sensor runs.

    All that Python opened closes on exec; what does not came from outside.
    """
    for name in [entry.name for entry in Path("/proc/self/fd").iterdir()]:
        with contextlib.suppress(OSError):  # the descriptor of the listing itself
            if int(name) > 2 and os.get_inheritable(int(name)):
                os.close(int(name))


def _open_log(path: Path) -> int:
    try:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)
    except OSError as fault:
        raise EnvironmentFault(
            f"{path}: cannot be written: {fault.strerror}; see log.file and supervisor.state_dir"
        ) from fault


def _hear(reading: int, timeout_s: float, log_file: Path) -> Outcome:
    ready, _, _ = select.select([reading], [], [], timeout_s)
    if not ready:
        return Outcome(EXIT_BUG, f"the supervisor said nothing within {timeout_s:.0f} s; see {log_file}", ())
    message = os.read(reading, OUTCOME_BYTES)
    if not message:
        return Outcome(EXIT_BUG, f"the supervisor died at its start; see {log_file}", ())
    told = json.loads(message)
    return Outcome(told["exit_code"], told["reason"], tuple(told["processes"]))


def _close_quietly(descriptor: int) -> None:
    """Close *descriptor* in a forked child, which has it only if it was forked before the announcement."""
    try:
        os.close(descriptor)
    except OSError:
        return
