"""What a process is given when it starts, and how it is told to stop."""

from __future__ import annotations

import contextlib
import resource
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Final

from tcpmirror.processes.layout import ProcessName, SharedLayout
from tcpmirror.settings.tree import Settings
from tcpmirror.telemetry.counters import CounterPage

STATM: Final = Path("/proc/self/statm")


@dataclass(slots=True)
class Context:
    """The world of one process.

    Signal handlers only set flags (`stopping`, `reloading`), the main loop looks at them. ``hash_key``: 16 random bytes,
    the same in all processes of one sensor. ``deploy_token``/``admin_password``: of the embedded cloud, empty elsewhere.
    ``skip_positions`` (workers): per source the ring position of a record that killed this worker twice, -1 for none; empty
    when there is none at all.
    ``log_file``: as `Log.file`, where this process logs. ``give_up_privileges``: to be called once all that needs them is
    open.
    """

    name: ProcessName
    settings: Settings
    layout: SharedLayout
    hash_key: bytes
    deploy_token: str = field(default="", repr=False)
    admin_password: str = field(default="", repr=False)
    skip_positions: tuple[int, ...] = ()
    log_file: str = "stderr"
    give_up_privileges: Callable[[], None] = field(default=lambda: None, repr=False)
    stopping: bool = False
    reloading: bool = False
    counters: CounterPage = field(init=False)

    def __post_init__(self) -> None:
        self.counters = self.layout.counters(self.name)

    def install_signals(self) -> None:
        """SIGTERM and SIGINT: stop in order; SIGHUP: take new settings and rules."""
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's Ctrl-C reaches the supervisor, which decides
        signal.signal(signal.SIGHUP, self._reload)

    @contextlib.contextmanager
    def ending_at_once(self) -> Iterator[None]:
        """Let SIGTERM end the process where it stands, in a block that has nothing to lose and whose calls may take long.

        A handler of Python's runs between two of its own steps only, and compiling all rules is one of them.
        """
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        if self.stopping:
            signal.raise_signal(signal.SIGTERM)  # it came before the block
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, self._stop)

    def beat(self) -> None:
        """Tell the supervisor that the main loop turns; call it at least once a second."""
        usage = resource.getrusage(resource.RUSAGE_SELF)
        self.counters.set("heartbeat_ns", time.monotonic_ns())
        self.counters.set("cpu_ns", int((usage.ru_utime + usage.ru_stime) * 1e9))
        self.counters.set("rss_bytes", int(STATM.read_text().split()[1]) * resource.getpagesize())

    def _stop(self, signum: int, frame: FrameType | None) -> None:
        self.stopping = True

    def _reload(self, signum: int, frame: FrameType | None) -> None:
        self.reloading = True
