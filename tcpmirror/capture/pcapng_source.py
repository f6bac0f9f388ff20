"""A pcapng file as a source, with interfaces of any link types; read where it lies in memory, by the page."""

from __future__ import annotations

import mmap
from collections.abc import Callable
from pathlib import Path

from tcpmirror.capture.pcap_source import BATCH_FRAMES, KernelStats
from tcpmirror.capture.pcapng_file import PcapngReader
from tcpmirror.capture.receiver import FrameReceiver

ETHERNET = 1


class PcapngSource:
    """An open pcapng file; `capture_files.is_pcapng` tells which is one."""

    def __init__(self, path: str, bpf: str = "") -> None:
        """Open *path*; EnvironmentFault when its beginning is no pcapng, or *bpf* is not accepted."""
        with Path(path).open("rb") as file:
            self._memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._reader = PcapngReader(self._memory, path, bpf)
        try:
            self._reader.prepare()
        except BaseException:
            self.close()
            raise
        self.link_type = next(iter(self._reader.link_types()), ETHERNET)

    def receive(self, receiver: FrameReceiver | Callable[[int, bytes], None]) -> int:
        """Hand over the next frames; 0 at the end. DamagedCaptureFault where the file is cut, after what came before.

        A plain callable is not told the link type.
        """
        taker = receiver if isinstance(receiver, FrameReceiver) else _Untyped(receiver)
        return self._reader.receive(taker, BATCH_FRAMES)

    def stats(self) -> KernelStats:
        return KernelStats()

    def close(self) -> None:
        self._reader.close()
        self._memory.close()


class _Untyped(FrameReceiver):
    def __init__(self, receiver: Callable[[int, bytes], None]) -> None:
        self._receiver = receiver

    def receive_frame(self, time_ns: int, frame: bytes, link_type: int, vlan: int) -> None:
        self._receiver(time_ns, frame)
