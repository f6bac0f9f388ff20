"""The processes of one sensor: which run, what a death means, in which order they stop.

Time comes in as an argument (monotonic nanoseconds); nothing here waits, installs a signal handler or speaks to anybody.
"""

from __future__ import annotations

import logging
import os
import secrets
import signal
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Final

from tcpmirror.errors import EXIT_OK
from tcpmirror.processes.context import Context
from tcpmirror.processes.layout import ProcessName, SharedLayout
from tcpmirror.settings.memory import process_limit
from tcpmirror.settings.tree import SECOND, Settings
from tcpmirror.supervisor.credentials import Credentials
from tcpmirror.supervisor.fork import Main, fork_process, read_epitaph
from tcpmirror.telemetry.counters import CounterPage

BACKOFF_LIMIT_NS: Final = 30 * SECOND
SETTLED_NS: Final = 60 * SECOND  # who lived so long starts again with the shortest back-off
START_HEARTBEATS: Final = 4  # compiling all rules for the first time takes tens of seconds on a small machine
WEIGH_NS: Final = SECOND  # between two looks at the memory of a process
PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")
NOWHERE: Final = -1  # no record to skip on this ring

# Kinds in the order in which they stop, with the share of the deadline that is gone when each must be: first no new data
# comes in, then the rings are worked off, then the reports are stored and sent. Time that one leaves over is the next one's.
STOP_ORDER: Final = (("capture", 0.2), ("worker", 0.6), ("exporter", 0.9), ("cloud", 1.0))
START_ORDER: Final = ("cloud", "exporter", "worker", "capture")  # readers before writers

log = logging.getLogger(__name__)


class State(Enum):
    STARTING = "starting"  # forked, has not beaten yet
    RUNNING = "running"
    BACKOFF = "back-off"  # died, will be started again
    STOPPING = "stopping"  # asked to end
    STOPPED = "stopped"
    FINISHED = "finished"  # came to the end of its source


ALIVE: Final = frozenset({State.STARTING, State.RUNNING, State.STOPPING})


@dataclass(slots=True)
class Child:
    """One process and its history. Times are on the monotonic clock, 0 for never."""

    name: ProcessName
    page: CounterPage
    state: State = State.STOPPED
    pid: int = 0
    epitaph: int = -1
    started_ns: int = 0
    due_ns: int = 0  # BACKOFF: when it is started again
    kill_at_ns: int = 0  # STOPPING: when patience ends
    weighed_ns: int = 0  # when its memory was looked at last
    killed_ns: int = 0  # since when it should be dead
    again: bool = False  # STOPPING: start it anew once it has ended
    restarts: int = 0
    failures: int = 0  # deaths in a row, none of which followed a settled life
    last_exit: int | None = None  # as of waitstatus_to_exitcode: negative is a signal
    last_error: str = ""
    positions: tuple[int, ...] = ()  # worker: ring positions at its last death
    skip: tuple[int, ...] = ()  # worker: records not to touch again

    @property
    def is_alive(self) -> bool:
        return self.state in ALIVE


@dataclass(slots=True)
class Tree:
    """All processes that *settings* ask for, over the shared memory *layout*; ``mains`` has one main for each kind.

    ``release`` closes, in a child, what belongs to the parent; ``log_file`` is where children log.
    """

    settings: Settings
    layout: SharedLayout
    credentials: Credentials
    mains: Mapping[str, Main]
    release: Callable[[], None]
    log_file: str
    children: list[Child] = field(default_factory=list)
    stop_began_ns: int = 0
    _hash_key: bytes = field(default_factory=lambda: secrets.token_bytes(16), repr=False)

    def __post_init__(self) -> None:
        runs_cloud = self.settings.cloud.embedded
        names = [name for name in self.layout.names if name.kind != "cloud" or runs_cloud]
        self.children = [Child(name, self.layout.counters(name)) for name in names]

    # -- starting -------------------------------------------------------------------------------------------------------

    def start(self, now_ns: int) -> None:
        for kind in START_ORDER:
            for child in self.of_kind(kind):
                self._start(child, now_ns)

    def of_kind(self, kind: str) -> list[Child]:
        return [child for child in self.children if child.name.kind == kind]

    @property
    def is_ready(self) -> bool:
        """Whether every process has turned its main loop since it was started."""
        return all(child.state in (State.RUNNING, State.FINISHED) for child in self.children)

    @property
    def is_gone(self) -> bool:
        return not any(child.is_alive for child in self.children)

    def restart(self, kinds: Iterable[str], now_ns: int) -> None:
        """Stop the processes of these kinds in order, each with the whole deadline, and start each anew."""
        for kind in kinds:
            for child in self.of_kind(kind):
                if child.state in (State.STARTING, State.RUNNING):
                    child.again = True
                    self._ask_to_stop(child, now_ns + self._deadline_ns)
                elif child.state is State.BACKOFF:
                    child.due_ns = now_ns  # what made it die may be mended

    def tell(self, kind: str, signal_number: signal.Signals) -> None:
        """Send a signal to all living processes of a kind."""
        for child in self.of_kind(kind):
            if child.is_alive:
                os.kill(child.pid, signal_number)

    def _start(self, child: Child, now_ns: int) -> None:
        child.page.set("heartbeat_ns", 0)
        child.page.set("restarts", child.restarts)
        context = Context(
            child.name,
            self.settings,
            self.layout,
            self._hash_key,
            deploy_token=self.credentials.deploy_token,
            admin_password=self.credentials.admin_password,
            skip_positions=child.skip,
            log_file=self.log_file,
        )
        try:
            child.pid, child.epitaph = fork_process(context, self.mains[child.name.kind], self._release, self.log_file)
        except OSError as fault:
            self._retry(child, f"cannot be started: {fault.strerror}", now_ns)
            return
        child.state = State.STARTING
        child.started_ns = now_ns
        child.kill_at_ns = child.killed_ns = 0
        child.again = False

    def _release(self) -> None:
        """In the child: close the pipes of its siblings, and what the parent wants closed."""
        for child in self.children:
            if child.epitaph >= 0:
                os.close(child.epitaph)
                child.epitaph = -1
        self.release()

    # -- watching -------------------------------------------------------------------------------------------------------

    def turn(self, now_ns: int) -> None:
        """Do what is due: look at heartbeats, start who has waited, kill who outstays the deadline, go on stopping."""
        for child in self.children:
            self._watch(child, now_ns)
        if self.stop_began_ns:
            self._go_on_stopping(now_ns)

    def reap(self, now_ns: int) -> None:
        """Take in every process that has ended (as pid 1 of a container that includes strangers)."""
        by_pid = {child.pid: child for child in self.children if child.is_alive}
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid in by_pid:
                self._bury(by_pid[pid], os.waitstatus_to_exitcode(status), now_ns)

    def overdue(self, now_ns: int) -> list[Child]:
        """Return the processes that were killed a heartbeat ago or longer and still are there (stuck in the kernel)."""
        return [child for child in self.children if child.killed_ns and now_ns - child.killed_ns > self._heartbeat_ns]

    def _watch(self, child: Child, now_ns: int) -> None:
        if child.state is State.BACKOFF and now_ns >= child.due_ns and not self.stop_began_ns:
            child.restarts += 1
            log.info("starting %s again (restart %d)", child.name, child.restarts)
            self._start(child, now_ns)
        elif child.state in (State.STARTING, State.RUNNING):
            beat_ns = child.page.get("heartbeat_ns")
            if beat_ns:
                child.state = State.RUNNING
            silent_ns = now_ns - max(beat_ns, child.started_ns)
            patience_ns = self._heartbeat_ns if beat_ns else self.start_patience_ns
            if silent_ns > patience_ns and not child.killed_ns:
                child.last_error = f"silent for {silent_ns / SECOND:.1f} s, killed"
                log.error("%s (pid %d) is %s", child.name, child.pid, child.last_error)
                self._kill(child, now_ns)
            elif not child.killed_ns:
                self._weigh(child, now_ns)
        elif child.state is State.STOPPING and now_ns >= child.kill_at_ns and not child.killed_ns:
            child.last_error = "did not stop within the deadline, killed"
            log.error("%s (pid %d) %s", child.name, child.pid, child.last_error)
            self._kill(child, now_ns)

    def _weigh(self, child: Child, now_ns: int) -> None:
        """End *child* if it takes more memory than one process may: the machine is there for others too."""
        if now_ns - child.weighed_ns < WEIGH_NS:
            return
        child.weighed_ns = now_ns
        taken, limit = private_bytes(child.pid), process_limit(self.settings, self.layout.workers)
        if taken > limit:
            child.last_error = f"took {taken >> 20} MiB of memory, more than {limit >> 20}, killed"
            log.error("%s (pid %d) %s; see supervisor.memory_limit", child.name, child.pid, child.last_error)
            child.page.add("memory_kills")
            self._kill(child, now_ns)

    def _bury(self, child: Child, code: int, now_ns: int) -> None:
        """*child* has ended: note how, and decide what comes next."""
        words = read_epitaph(child.epitaph)
        was_killed = bool(child.killed_ns)
        child.epitaph, child.pid, child.killed_ns, child.last_exit = -1, 0, 0, code
        reason = words or (child.last_error if was_killed else describe_exit(code))
        if child.state is State.STOPPING:
            child.last_error = "" if code in (EXIT_OK, -signal.SIGTERM) else reason  # SIGTERM: it had not begun
            child.state = State.STOPPED
            if child.again and not self.stop_began_ns:
                self._start(child, now_ns)
        elif code == EXIT_OK and self._has_end(child):
            child.state = State.FINISHED
            log.info("%s came to the end of its source", child.name)
        else:
            self._note_positions(child)
            self._retry(child, reason, now_ns)

    def _retry(self, child: Child, reason: str, now_ns: int) -> None:
        lived_ns = now_ns - child.started_ns if child.started_ns else 0
        child.failures = 1 if lived_ns >= SETTLED_NS else child.failures + 1
        child.state = State.BACKOFF
        child.last_error = reason
        first_ns = int(self.settings.supervisor.restart_backoff_s * SECOND)
        delay_ns = min(first_ns << min(child.failures - 1, 16), max(first_ns, BACKOFF_LIMIT_NS))
        child.due_ns = now_ns + delay_ns
        log.error("%s died: %s; next start in %.1f s", child.name, reason, delay_ns / SECOND)

    def _note_positions(self, child: Child) -> None:
        """Compare where a worker died with where it died before: what killed it twice is skipped by its successor.

        A ring that is empty has no record to blame. Of several sources whose rings both stood still, each loses one record.
        """
        if child.name.kind != "worker":
            return
        readers = [self.layout.segment_reader(source, child.name.index) for source in range(self.layout.sources)]
        positions = tuple(NOWHERE if reader.is_empty else reader.position for reader in readers)
        before = child.positions or (NOWHERE,) * len(positions)
        child.skip = tuple(now if now == then else NOWHERE for now, then in zip(positions, before, strict=True))
        child.positions = positions

    def _has_end(self, child: Child) -> bool:
        return child.name.kind == "capture" and self.settings.capture.sources[child.name.index].kind == "file"

    # -- stopping -------------------------------------------------------------------------------------------------------

    def begin_stop(self, now_ns: int) -> None:
        """End all in order, within the deadline; `turn` does the rest."""
        if not self.stop_began_ns:
            self.stop_began_ns = now_ns
            for child in self.children:
                if child.state is State.BACKOFF:
                    child.state = State.STOPPED

    def kill_all(self, now_ns: int) -> None:
        """End all at once, losing what was in flight."""
        for child in self.children:
            if child.is_alive and not child.killed_ns:
                child.state = State.STOPPING
                self._kill(child, now_ns)

    def _go_on_stopping(self, now_ns: int) -> None:
        for kind, share in STOP_ORDER:
            living = [child for child in self.of_kind(kind) if child.is_alive]
            for child in living:
                if child.state is not State.STOPPING or child.again:
                    child.again = False
                    self._ask_to_stop(child, self.stop_began_ns + int(self._deadline_ns * share))
            if living:
                return

    def _ask_to_stop(self, child: Child, kill_at_ns: int) -> None:
        child.state = State.STOPPING
        child.kill_at_ns = kill_at_ns
        os.kill(child.pid, signal.SIGTERM)

    def _kill(self, child: Child, now_ns: int) -> None:
        child.killed_ns = now_ns
        os.kill(child.pid, signal.SIGKILL)

    @property
    def start_patience_ns(self) -> int:
        """How long a process may take to its first beat."""
        return self._heartbeat_ns * START_HEARTBEATS

    @property
    def _deadline_ns(self) -> int:
        return int(self.settings.supervisor.stop_deadline_s * SECOND)

    @property
    def _heartbeat_ns(self) -> int:
        return int(self.settings.supervisor.heartbeat_s * SECOND)


def private_bytes(pid: int) -> int:
    """Return how much memory a process takes that it shares with no file or mapping; 0: it has gone, or hides (proc(5))."""
    try:
        pages = Path(f"/proc/{pid}/statm").read_text().split()
    except OSError:
        return 0
    return (int(pages[1]) - int(pages[2])) * PAGE_BYTES


def describe_exit(code: int) -> str:
    """Return in words how a process ended, from `os.waitstatus_to_exitcode`."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:  # a real-time signal has no name of its own
        return f"killed by signal {-code}"
