"""Frames of an interface by libpcap (through pypcap), which hands each to a callable as ``(time_ns, bytes)``.

It opens a file when one has the interface's name; that is refused here before it can guess.
"""

from __future__ import annotations

import select
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

import pcap

from tcpmirror.capture.bpf import build_filter, kept_bytes
from tcpmirror.capture.interface import Interface
from tcpmirror.errors import EnvironmentFault
from tcpmirror.settings.tree import Source

BATCH_FRAMES: Final = 2048
POLL_MS: Final = 200

Receiver = Callable[[int, bytes], None]


class Handle(Protocol):
    """The part of pypcap's handle that is used here."""

    def dispatch(self, count: int, receiver: Receiver) -> int: ...
    def stats(self) -> tuple[int, int, int]: ...
    def datalink(self) -> int: ...
    def setfilter(self, expression: str) -> None: ...
    def setnonblock(self, nonblocking: bool) -> None: ...
    def fileno(self) -> int: ...
    def geterr(self) -> str: ...
    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class KernelStats:
    """What the kernel counted since the source was opened: frames given, dropped for lack of buffer, dropped by the card."""

    received: int = 0
    dropped: int = 0
    interface_dropped: int = 0


class LiveSource:
    """An open interface. `receive` waits for frames and hands over what there is."""

    def __init__(self, source: Source) -> None:
        """Open the interface of *source*; EnvironmentFault when that cannot be."""
        self._interface = Interface(source.interface)
        self._handle = _open_live(source)
        self.link_type = self._handle.datalink()
        _set_filter(self._handle, build_filter(source, self.link_type), source.interface)
        self._handle.setnonblock(True)
        self._poll = select.poll()
        self._poll.register(self._handle.fileno(), select.POLLIN)

    def receive(self, receiver: Receiver) -> int:
        """Hand over the frames that are there, after waiting up to POLL_MS for one; return how many.

        Raises OSError when the interface has gone.
        """
        if not self._poll.poll(POLL_MS):
            return 0
        count = self._handle.dispatch(BATCH_FRAMES, receiver)
        if count < 0:
            raise OSError(f"interface {self._interface.name}: {self._handle.geterr()}")
        return count

    def stats(self) -> KernelStats:
        """Return what the kernel counted; OSError when the interface has gone, which is looked for with each reading."""
        self._interface.check()
        return KernelStats(*self._handle.stats())

    def close(self) -> None:
        self._poll.unregister(self._handle.fileno())
        self._handle.close()


def _open_live(source: Source) -> Handle:
    try:
        handle: Handle = pcap.pcap(
            name=source.interface,
            snaplen=kept_bytes(source),
            promisc=source.promiscuous and source.interface != "any",
            timeout_ms=100,  # what a frame waits on a quiet wire; handing over each one at once would wake us for each one
            timestamp_in_ns=True,
            buffer_size=source.buffer_bytes,
        )
    except OSError as problem:
        raise EnvironmentFault(
            f"interface {source.interface!r} cannot be opened: {problem}; capture needs root or CAP_NET_RAW"
        ) from problem
    return handle


def _set_filter(handle: Handle, expression: str, where: str) -> None:
    if not expression:
        return
    try:
        handle.setfilter(expression)
    except OSError as problem:
        raise EnvironmentFault(f"{where}: the filter {expression!r} is not accepted: {problem}") from problem
