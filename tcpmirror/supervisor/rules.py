"""Own rules looked through and compiled in a process beside the others, so that nobody who has work to do waits for it."""

from __future__ import annotations

import json
import logging
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from tcpmirror.errors import EXIT_BUG, EXIT_OK, TcpmirrorError
from tcpmirror.settings.tree import SECOND, Settings
from tcpmirror.supervisor.fork import forked
from tcpmirror.supervisor.privileges import die_with_parent, drop_privileges
from tcpmirror.telemetry.logs import configure_logging

RESULT_BYTES: Final = 16_384  # below a pipe's buffer: the child never waits to be read
LOOK_NS: Final = 2 * SECOND  # between two looks whether a rule file was changed
PATIENCE_NS: Final = 600 * SECOND  # a rule set of thousands of expressions compiles in minutes on a small machine

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RuleWork:
    """What is to be done with rules. ``prepare`` puts those of the settings in force and returns facts as JSON values.

    It raises TcpmirrorError where they cannot be used. ``signature`` changes whenever a rule file does.
    """

    prepare: Callable[[Settings], dict[str, Any]]
    signature: Callable[[Settings], object]


@dataclass(frozen=True, slots=True)
class Prepared:
    """How it went: ``facts`` of the rules in force, or why they were refused."""

    exit_code: int
    problem: str
    facts: dict[str, Any]


class RuleKeeper:
    """Has one child at a time prepare the rules; `poll` returns what came of it, once.

    ``release`` closes, in the child, what belongs to the supervisor.
    """

    def __init__(self, work: RuleWork, release: Callable[[], None], log_file: str) -> None:
        self._work = work
        self._release = release
        self._log_file = log_file
        self._pid = 0
        self._pipe = -1
        self._text = b""
        self._began_ns = 0
        self._waiting: Settings | None = None
        self._seen: object = None
        self._looked_ns = 0
        self._facts: dict[str, Any] = {}
        self._problem = ""
        self._refused = 0

    @property
    def is_busy(self) -> bool:
        return self._pipe >= 0

    def begin(self, settings: Settings, now_ns: int) -> None:
        """Prepare the rules of *settings*; behind those that are being prepared, if any are."""
        if self.is_busy:
            self._waiting = settings
            return
        self._waiting = None
        self._seen = self._work.signature(settings)
        self._looked_ns = self._began_ns = now_ns
        self._text = b""
        self._pid, self._pipe = forked(lambda pipe: self._live(settings, pipe))

    def poll(self, now_ns: int) -> Prepared | None:
        """Return the outcome if the child has just ended, without waiting for it."""
        if not self.is_busy:
            return None
        if now_ns - self._began_ns > PATIENCE_NS:
            self.end()
            return self._taken(Prepared(EXIT_BUG, f"not ready within {PATIENCE_NS // SECOND} s", {}), now_ns)
        try:
            part = os.read(self._pipe, RESULT_BYTES)
        except BlockingIOError:
            return None
        if part:
            self._text += part
            return None
        os.close(self._pipe)
        self._pipe = -1
        return self._taken(_outcome(self._text), now_ns)

    def look(self, settings: Settings, now_ns: int) -> None:
        """Begin anew if a rule file was changed since the last time; called as often as one likes."""
        if self.is_busy or now_ns - self._looked_ns < LOOK_NS:
            return
        self._looked_ns = now_ns
        if self._work.signature(settings) != self._seen:
            log.info("rule files were changed: looking through them")
            self.begin(settings, now_ns)

    def end(self) -> None:
        """Give up what is being prepared."""
        if self.is_busy:
            os.kill(self._pid, signal.SIGKILL)
            os.close(self._pipe)
            self._pipe = -1

    def describe(self) -> dict[str, Any]:
        """Return the state of the rules as JSON values; ``refused``: how often since the start."""
        state = "preparing" if self.is_busy else "refused" if self._problem else "in force"
        return {"state": state, "problem": self._problem, "refused": self._refused, **self._facts}

    def _taken(self, outcome: Prepared, now_ns: int) -> Prepared:
        self._problem = outcome.problem
        self._facts = outcome.facts or self._facts
        self._refused += bool(outcome.problem)
        if self._waiting is not None:
            self.begin(self._waiting, now_ns)
        return outcome

    def _live(self, settings: Settings, writing: int) -> NoReturn:
        """Everything the child does; its end closes the pipe."""
        try:
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                signal.signal(number, signal.SIG_DFL)
            self._release()
            signal.pthread_sigmask(signal.SIG_SETMASK, ())
            die_with_parent(signal.SIGKILL)
            configure_logging("rules", settings.log.level, settings.log.pretty, self._log_file)
            drop_privileges("rules")
            told = _prepared(self._work.prepare, settings)
            os.write(writing, json.dumps(told).encode()[:RESULT_BYTES])
        except BaseException:  # nothing of the parent's stack may run in the child
            log.exception("preparing the rules ended by a bug")
        finally:
            os._exit(EXIT_OK)


def _prepared(prepare: Callable[[Settings], dict[str, Any]], settings: Settings) -> list[Any]:
    try:
        return [EXIT_OK, "", prepare(settings)]
    except TcpmirrorError as problem:
        return [problem.exit_code, str(problem)[: RESULT_BYTES // 8], {}]


def _outcome(text: bytes) -> Prepared:
    try:
        code, problem, facts = json.loads(text)
    except ValueError:
        return Prepared(EXIT_BUG, "the process that prepares the rules died; see the log", {})
    return Prepared(code, problem, facts)
