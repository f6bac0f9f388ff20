"""A new process of the sensor: from fork to its main, and its end.

A fork and not a fresh interpreter: the shared memory is anonymous, so it is inherited or not there at all.
"""

from __future__ import annotations

import contextlib
import faulthandler
import importlib
import logging
import math
import os
import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Final, NoReturn

from tcpmirror.errors import EXIT_BUG, EXIT_OK, TcpmirrorError
from tcpmirror.processes.context import Context
from tcpmirror.supervisor.confinement import confine
from tcpmirror.supervisor.privileges import die_with_parent, drop_privileges
from tcpmirror.telemetry.logs import configure_logging

Main = Callable[[Context], int]

EPITAPH_BYTES: Final = 2048  # below PIPE_BUF, so one write arrives whole
COMM_BYTES: Final = 15  # TASK_COMM_LEN, less the final zero
ORPHANED: Final = signal.SIGUSR2
TERMINATION_SLACK_S: Final = 1

log = logging.getLogger(__name__)


def main_of(kind: str) -> Main:
    """Return `run` of `tcpmirror.processes.<kind>`, imported when it is called, that is in the child that needs it."""

    def run(context: Context) -> int:
        module = importlib.import_module(f"tcpmirror.processes.{kind}")
        return int(module.run(context))

    return run


MAINS: Final[dict[str, Main]] = {kind: main_of(kind) for kind in ("capture", "worker", "exporter", "cloud")}


def fork_process(context: Context, main: Main, release: Callable[[], None], log_file: str) -> tuple[int, int]:
    """Start *main* in a new process; return its pid and a pipe on which it leaves the reason of its death.

    *release* runs in the child and closes what belongs to the parent alone. Signals are blocked until the child has its own
    handlers: one that came in between would run the parent's handler and wake the parent's loop.
    """
    parent = os.getpid()
    return forked(lambda pipe: _live(context, partial(_prepare, context, release, log_file, parent), main, pipe))


def forked(live: Callable[[int], NoReturn]) -> tuple[int, int]:
    """Run *live* in a new process, with the end of a pipe to write to; return its pid and the other end, which never blocks.

    Signals are blocked from before the fork; *live* lets them in once the child has its own handlers.
    """
    reading, writing = os.pipe()  # both close on exec
    os.set_blocking(reading, False)
    sys.stdout.flush()
    sys.stderr.flush()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        pid = os.fork()
        if pid == 0:
            os.close(reading)
            live(writing)
    except OSError:
        os.close(reading)
        raise
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        os.close(writing)
    return pid, reading


def read_epitaph(descriptor: int) -> str:
    """Return what the dead child left on its pipe (empty if it died without a word), and close the pipe."""
    try:
        return os.read(descriptor, EPITAPH_BYTES).decode(errors="replace")
    except BlockingIOError:  # a grandchild holds the other end
        return ""
    finally:
        os.close(descriptor)


def _live(context: Context, prepare: Callable[[], None], main: Main, epitaph: int) -> NoReturn:
    """Everything a child does; nothing of the parent's stack below it ever runs again."""
    code = EXIT_BUG
    try:
        prepare()
        code = main(context)
    except TcpmirrorError as fault:
        log.error("%s", fault)
        _leave(epitaph, str(fault))
        code = fault.exit_code
    except BaseException as bug:  # SystemExit too: a library that exits by itself must say so in the log
        log.exception("%s ended by a bug", context.name)
        _leave(epitaph, f"{type(bug).__name__}: {bug}")
    finally:
        with contextlib.suppress(BaseException):
            logging.shutdown()
        os._exit(code)


def _prepare(context: Context, release: Callable[[], None], log_file: str, parent: int) -> None:
    """Turn a copy of the supervisor into a process of its own."""
    release()
    _rename(f"tcpm-{context.name}")
    settings = context.settings
    configure_logging(str(context.name), settings.log.level, settings.log.pretty, log_file)
    faulthandler.enable()  # a crash in compiled code leaves its Python stack on standard error
    drop_privileges(context.name.kind, is_open=False)
    context.give_up_privileges = partial(confine, context, log_file)
    _take_signals(context, parent)


def _take_signals(context: Context, parent: int) -> None:
    """Set the child's own signal handling, and its end with its parent's."""
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
        signal.signal(number, signal.SIG_DFL)
    deadline_s = math.ceil(context.settings.supervisor.stop_deadline_s) + TERMINATION_SLACK_S

    def orphaned(signum: int, frame: FrameType | None) -> None:
        # Nobody is left to send KILL after the deadline: SIGALRM, at its default, does.
        context.stopping = True
        signal.alarm(deadline_s)

    signal.signal(ORPHANED, orphaned)
    context.install_signals()
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    die_with_parent(ORPHANED)
    if os.getppid() != parent:  # it died before we asked to be told
        os._exit(EXIT_OK)


def _rename(name: str) -> None:
    with contextlib.suppress(OSError):  # /proc may not be mounted; the name is for people only
        Path("/proc/self/comm").write_text(name[:COMM_BYTES])


def _leave(epitaph: int, text: str) -> None:
    with contextlib.suppress(OSError):
        os.write(epitaph, text.encode(errors="replace")[:EPITAPH_BYTES])
