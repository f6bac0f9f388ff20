"""The supervisor's loop: signals, children, control socket, service manager.

Signal handlers do nothing; the interpreter writes each signal's number into a socket that the loop reads, so all that a
signal brings about happens at one place and never in the middle of something else.
"""

from __future__ import annotations

import logging
import os
import selectors
import signal
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Final

from tcpmirror import __version__
from tcpmirror.errors import EXIT_BUG, EXIT_ENVIRONMENT, EXIT_OK, EXIT_SETTINGS, EnvironmentFault, TcpmirrorError
from tcpmirror.processes.layout import SharedLayout
from tcpmirror.settings.memory import divided, worker_count
from tcpmirror.settings.pushed import pushed_signature
from tcpmirror.settings.tree import SECOND, Settings
from tcpmirror.supervisor.control import ControlServer
from tcpmirror.supervisor.credentials import Credentials
from tcpmirror.supervisor.fork import MAINS, Main
from tcpmirror.supervisor.notify import Notifier
from tcpmirror.supervisor.reload import ReloadPlan, plan_reload
from tcpmirror.supervisor.rules import RuleKeeper, RuleWork
from tcpmirror.supervisor.status import describe_tree
from tcpmirror.supervisor.tree import START_HEARTBEATS, State, Tree
from tcpmirror.telemetry.logs import configure_logging

TURN_S: Final = 0.25  # between two looks at the clock when nothing happens
STARTING_TURN_S: Final = 0.02  # a start is waited for by a person
LOOK_NS: Final = 2 * SECOND  # between two looks whether the cloud gave other settings
STATUS_NS: Final = 10 * SECOND  # between two status lines for the service manager
START_DEATHS: Final = 3  # of one process before the first start counts as failed
FATAL_AT_START: Final = frozenset(
    {EXIT_SETTINGS, EXIT_ENVIRONMENT}
)  # trying again will not help, and somebody is there to read it

SIGNALS: Final = (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a start went: ``exit_code`` 0 when every process runs, else why not, in ``reason``."""

    exit_code: int
    reason: str
    processes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Installation:
    """What a supervisor is made from. ``settings_file``: empty for the defaults; ``log_file``: as `Log.file`.

    ``read_settings`` reads the file again; it raises SettingsError. ``rules``: how rules are made ready, None: none are.
    """

    settings: Settings
    read_settings: Callable[[], Settings]
    settings_file: str
    log_file: str
    credentials: Credentials
    mains: Mapping[str, Main]
    rules: RuleWork | None = None


class Supervisor:
    """Runs one sensor; `run` returns its exit code when all processes have ended.

    ``announce`` is called once, when the start is complete or has failed. ``release`` is called in every child, to close
    descriptors that the caller holds.
    """

    def __init__(
        self,
        installation: Installation,
        notifier: Notifier,
        announce: Callable[[Outcome], None],
        release: Callable[[], None] = lambda: None,
    ) -> None:
        self._installation = installation
        self._notifier = notifier
        self._announce = announce
        self._release_more = release
        settings = installation.settings
        self.tree = Tree(
            settings,
            _lay_out(settings),
            installation.credentials,
            installation.mains or MAINS,
            self._release,
            installation.log_file,
        )
        work = installation.rules
        self._rules = RuleKeeper(work, self._release, installation.log_file) if work else None
        self._selector = selectors.DefaultSelector()
        self._control = ControlServer(Path(settings.supervisor.run_dir), self._selector, self._answer)
        self._signals, self._signal_writer = socket.socketpair()
        self._began_ns = 0
        self._tree_began_ns = 0
        self._is_announced = False
        self._is_reloading = False
        self._pushed = pushed_signature(settings)
        self._looked_ns = 0
        self._exit_code = EXIT_OK
        self._status_due_ns = 0

    def run(self) -> int:
        self._began_ns = time.monotonic_ns()
        self._watch_signals()
        if faults := self.tree.settings.simulate.faults:
            log.warning("faults on purpose, for tests only: %s", faults)
        if self._rules:
            self._rules.begin(self.tree.settings, self._began_ns)
        else:
            self._start_tree(self._began_ns)
        while not (self.tree.stop_began_ns and self.tree.is_gone):
            self._turn()
        self._control.close()
        self._selector.close()
        signal.set_wakeup_fd(-1)
        log.info("stopped")
        return self._exit_code

    # -- the loop -------------------------------------------------------------------------------------------------------

    def _turn(self) -> None:
        ready = self._selector.select(TURN_S if self._is_announced and not self.tree.stop_began_ns else STARTING_TURN_S)
        now_ns = time.monotonic_ns()
        for key, _ in ready:
            if key.data is self._control:
                self._control.on_readable(key.fileobj, now_ns)
            else:
                self._take_signals(now_ns)
        self._control.drop_slow_callers(now_ns)
        self.tree.reap(now_ns)
        if self._rules and not self.tree.stop_began_ns:
            self._look_at_rules(self._rules, now_ns)
        self._look_at_cloud_settings(now_ns)
        self.tree.turn(now_ns)
        if not self._is_announced:
            self._look_at_start(now_ns)
        self._notify(now_ns)

    def _watch_signals(self) -> None:
        self._signals.setblocking(False)
        self._signal_writer.setblocking(False)
        signal.set_wakeup_fd(self._signal_writer.fileno(), warn_on_full_buffer=False)
        for number in SIGNALS:
            signal.signal(number, _enqueued)
        self._selector.register(self._signals, selectors.EVENT_READ)

    def _take_signals(self, now_ns: int) -> None:
        for number in self._signals.recv(4096):
            if number == signal.SIGHUP:
                self._reload(now_ns)
            elif number == signal.SIGINT and self.tree.stop_began_ns:
                log.warning("interrupted again: ending all processes at once")
                self.tree.kill_all(now_ns)
            elif number in (signal.SIGTERM, signal.SIGINT):
                self._stop(f"asked to stop ({signal.Signals(number).name})", now_ns)

    def _stop(self, reason: str, now_ns: int) -> None:
        if not self.tree.stop_began_ns:
            log.info("stopping: %s", reason)
            self._notifier.stopping(reason)
            if self._rules:
                self._rules.end()
            self.tree.begin_stop(now_ns)
            self._tell_outcome(EXIT_ENVIRONMENT, reason)

    def _notify(self, now_ns: int) -> None:
        if not self.tree.overdue(now_ns):
            self._notifier.alive(now_ns)
        if self.tree.stop_began_ns or not self._is_announced:
            return
        if self._is_reloading and self.tree.is_ready:
            self._is_reloading = False
            self._notifier.ready(self._summary(now_ns))
        if now_ns >= self._status_due_ns:
            self._status_due_ns = now_ns + STATUS_NS
            self._notifier.status(self._summary(now_ns))

    def _release(self) -> None:
        """In a child: close what is the supervisor's own."""
        signal.set_wakeup_fd(-1)
        self._control.abandon()
        self._selector.close()
        self._signals.close()
        self._signal_writer.close()
        self._release_more()

    # -- the start ------------------------------------------------------------------------------------------------------

    def _start_tree(self, now_ns: int) -> None:
        self._tree_began_ns = now_ns
        self.tree.start(now_ns)

    def _look_at_rules(self, rules: RuleKeeper, now_ns: int) -> None:
        """Start the processes once the rules are ready; later, have the workers take what came of a change."""
        outcome = rules.poll(now_ns)
        if outcome is None:
            if self._is_announced:
                rules.look(self.tree.settings, now_ns)
        elif not self._tree_began_ns:
            if outcome.problem:
                self._fail_start(outcome.exit_code, outcome.problem, now_ns)
            else:
                self._start_tree(now_ns)
        else:
            if outcome.problem:
                log.error("rules refused, those before stay in force: %s", outcome.problem)
            else:
                log.info("rules in force: %s", ", ".join(f"{name} {value}" for name, value in outcome.facts.items()))
            self.tree.tell("worker", signal.SIGHUP)

    def _look_at_cloud_settings(self, now_ns: int) -> None:
        """Reload when the exporter has kept other settings of the cloud."""
        if not self._is_announced or self.tree.stop_began_ns or now_ns - self._looked_ns < LOOK_NS:
            return
        self._looked_ns = now_ns
        seen = pushed_signature(self.tree.settings)
        if seen != self._pushed:
            self._pushed = seen
            log.info("the cloud gave other settings: taking them")
            self._reload(now_ns)

    def _look_at_start(self, now_ns: int) -> None:
        """Announce a complete start. One that fails is ended as a whole: half a sensor that says "started" helps nobody."""
        if not self._tree_began_ns:
            return
        if self.tree.is_ready:
            log.info("all %d processes run", len(self.tree.children))
            self._notifier.ready(self._summary(now_ns))
            self._tell_outcome(EXIT_OK, "")
            return
        for child in self.tree.children:
            if child.state is State.BACKOFF and (child.last_exit in FATAL_AT_START or child.failures >= START_DEATHS):
                code = child.last_exit if child.last_exit in FATAL_AT_START else EXIT_BUG
                self._fail_start(code or EXIT_BUG, f"{child.name}: {child.last_error}", now_ns)
                return
        if now_ns - self._tree_began_ns > self.tree.start_patience_ns:
            late = [str(child.name) for child in self.tree.children if child.state not in (State.RUNNING, State.FINISHED)]
            self._fail_start(
                EXIT_BUG, f"{', '.join(late)}: not ready within {START_HEARTBEATS} times supervisor.heartbeat", now_ns
            )

    def _fail_start(self, code: int, reason: str, now_ns: int) -> None:
        log.error("start failed: %s", reason)
        self._exit_code = code
        self._tell_outcome(code, reason)
        self._stop(f"start failed: {reason}", now_ns)

    def _tell_outcome(self, code: int, reason: str) -> None:
        if not self._is_announced:
            self._is_announced = True
            self._announce(Outcome(code, reason, tuple(str(child.name) for child in self.tree.children)))

    # -- requests -------------------------------------------------------------------------------------------------------

    def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        now_ns = time.monotonic_ns()
        match request.get("command"):
            case "status":
                return self.describe(now_ns)
            case "reload":
                return self._reload(now_ns)
            case other:
                return {"error": f"unknown command {other!r}", "exit_code": 2}

    def describe(self, now_ns: int) -> dict[str, Any]:
        """Return the status as JSON values: of the sensor, of each process, and sums."""
        status = describe_tree(self.tree, now_ns)
        if not self._is_announced:
            status["state"] = "starting"
        return {
            "version": __version__,
            "pid": os.getpid(),
            "uptime_s": round((now_ns - self._began_ns) / SECOND, 3),
            "settings_file": self._installation.settings_file,
            "console_url": console_url(self.tree.settings),
            "rules": self._rules.describe() if self._rules else None,
            **status,
        }

    def _reload(self, now_ns: int) -> dict[str, Any]:
        """Take new settings; a file that cannot be used changes nothing."""
        if self.tree.stop_began_ns or not self._is_announced:
            return {"error": "the sensor is starting or stopping", "exit_code": EXIT_ENVIRONMENT}
        try:
            plan = plan_reload(self.tree.settings, self._installation.read_settings())
        except (TcpmirrorError, OSError) as fault:
            log.error("reload refused, the old settings hold: %s", fault)
            self._count("reload_errors")
            return {"error": str(fault), "exit_code": getattr(fault, "exit_code", EXIT_ENVIRONMENT)}
        self._notifier.reloading()
        self._is_reloading = True
        self._count("reloads")
        self._apply(plan, now_ns)
        return {
            "exit_code": EXIT_OK,
            "changed": plan.changed,
            "restarted": plan.restart,
            "needs_restart": plan.needs_restart,
        }

    def _count(self, counter: str) -> None:
        for child in self.tree.of_kind("exporter"):
            child.page.add(counter)

    def _apply(self, plan: ReloadPlan, now_ns: int) -> None:
        self.tree.settings = plan.settings
        if "log" in plan.changed:
            configure_logging("supervisor", plan.settings.log.level, plan.settings.log.pretty, self._installation.log_file)
        if self._rules:
            self._rules.begin(plan.settings, now_ns)  # workers are told when the rules are ready
        else:
            self.tree.tell("worker", signal.SIGHUP)
        self.tree.restart(plan.restart, now_ns)
        log.info("reloaded: changed %s; started anew %s", ", ".join(plan.changed) or "-", ", ".join(plan.restart) or "-")
        if plan.needs_restart:
            log.warning("these hold only from the next start on: %s", ", ".join(plan.needs_restart))

    def _summary(self, now_ns: int) -> str:
        status = describe_tree(self.tree, now_ns)
        return f"{status['state']}; " + ", ".join(f"{count} {name}" for name, count in status["totals"].items())


def console_url(settings: Settings) -> str:
    """Return where the console is, empty when this sensor has none."""
    is_served = settings.cloud.embedded and settings.console.enabled
    scheme = "https" if settings.cloud.tls_certificate else "http"
    return f"{scheme}://{settings.cloud.listen_address}/" if is_served else ""


def _lay_out(settings: Settings) -> SharedLayout:
    try:
        workers = worker_count(settings)
        return SharedLayout(len(settings.capture.sources), workers, divided(settings, workers).limits)
    except OSError as fault:
        raise EnvironmentFault(
            f"no memory for the rings: {fault.strerror}; lower limits.memory, limits.segment_ring or workers"
        ) from fault


def _enqueued(signum: int, frame: FrameType | None) -> None:
    """The signal's number is in the socket already (`signal.set_wakeup_fd`)."""
