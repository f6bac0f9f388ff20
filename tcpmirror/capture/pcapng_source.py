"""A pcapng file as a source, with interfaces of any link types: where it lies on disk, or as it comes by a pipe."""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable
from pathlib import Path

from tcpmirror.capture.capture_files import BLOCK_BYTES, Feeder
from tcpmirror.capture.pcap_source import BATCH_FRAMES, KernelStats
from tcpmirror.capture.pcapng_file import PcapngReader
from tcpmirror.capture.receiver import FrameReceiver

ETHERNET = 1


class PcapngSource:
    """An open pcapng file; `capture_files.is_pcapng` tells which is one."""

    def __init__(self, path: str, bpf: str = "") -> None:
        """Open *path*; EnvironmentFault when its beginning is no pcapng, or *bpf* is not accepted."""
        with Path(path).open("rb") as file:
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._begin(PcapngReader(self._map, path, bpf))

    def _begin(self, reader: PcapngReader) -> None:
        """Read up to the first interface; what fails is closed."""
        self._reader = reader
        try:
            self._prepare()
        except BaseException:
            self.close()
            raise
        self.link_type = next(iter(reader.link_types()), ETHERNET)

    def _prepare(self) -> None:
        self._reader.prepare()

    def receive(self, receiver: FrameReceiver | Callable[[int, bytes], None]) -> int:
        """Hand over the next frames; 0 at the end. DamagedCaptureFault where the file is cut, after what came before.

        A plain callable is not told the link type.
        """
        taker = receiver if isinstance(receiver, FrameReceiver) else _Untyped(receiver)
        return self._reader.receive(taker, BATCH_FRAMES)

    @property
    def link_types(self) -> frozenset[int]:
        """Every link type met so far in the file."""
        return self._reader.all_link_types

    def stats(self) -> KernelStats:
        return KernelStats()

    def close(self) -> None:
        self._reader.close()
        self._map.close()


class PcapngPipe(PcapngSource):
    """A pcapng file that *feeder* unpacks. Memory holds the blocks that came, and one that has not come whole."""

    def __init__(self, path: str, bpf: str, feeder: Feeder) -> None:
        """As `PcapngSource`; *path* is for messages."""
        self._feeder = feeder
        self._memory = bytearray()
        reader = PcapngReader(self._memory, path, bpf)
        reader.is_partial = True
        self._begin(reader)

    def _prepare(self) -> None:
        while self._reader.is_partial and not self._reader.link_types():
            self._refill()
            self._reader.prepare()

    def receive(self, receiver: FrameReceiver | Callable[[int, bytes], None]) -> int:
        """As `PcapngSource.receive`; waits for what comes by the pipe."""
        while True:
            taken = super().receive(receiver)
            if taken or not self._reader.is_partial:
                return taken
            self._refill()

    def close(self) -> None:
        self._reader.close()
        self._feeder.close()

    def _refill(self) -> None:
        """Let the reader go on with what is left and what comes next; at the end tell it so."""
        came = os.read(self._feeder.end, BLOCK_BYTES)
        if not came:
            self._reader.is_partial = False
            self._feeder.check()
            return
        taken = self._reader.taken
        self._reader.go_on(b"")  # a bytearray that is read from keeps its length
        del self._memory[:taken]
        self._memory += came
        self._reader.go_on(self._memory)


class _Untyped(FrameReceiver):
    def __init__(self, receiver: Callable[[int, bytes], None]) -> None:
        self._receiver = receiver

    def receive_frame(self, time_ns: int, frame: bytes, link_type: int, vlan: int) -> None:
        self._receiver(time_ns, frame)
