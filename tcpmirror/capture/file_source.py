"""A capture file as a source: pcap or pcapng, plain, compressed with gzip, or on standard input."""

from __future__ import annotations

from io import FileIO

from tcpmirror.capture.capture_files import BLOCK_BYTES, PCAPNG, Feeder, check_capture
from tcpmirror.capture.capture_reader import CaptureReader
from tcpmirror.capture.pcap_file import PcapReader
from tcpmirror.capture.pcap_source import BATCH_FRAMES
from tcpmirror.capture.pcapng_file import PcapngReader
from tcpmirror.capture.receiver import FrameReceiver
from tcpmirror.errors import DamagedCaptureFault

ETHERNET = 1


class FileSource:
    """An open capture; `-` is standard input. Memory holds one block of it, and a packet that has not come whole."""

    def __init__(self, path: str, bpf: str = "") -> None:
        """Open *path* and read up to the first packet.

        EnvironmentFault when it is missing, unreadable or no capture, or *bpf* is not accepted.
        """
        self._path = path
        self._feeder = Feeder(path) if check_capture(path) else None
        self._file = self._feeder.unpacked if self._feeder else FileIO(path)
        self._memory = memoryview(bytearray(BLOCK_BYTES))
        try:
            self._reader = self._begin(path, bpf)
        except BaseException:
            self.close()
            raise
        self.link_type = next(iter(self._reader.link_types()), ETHERNET)

    def _begin(self, path: str, bpf: str) -> CaptureReader:
        came = self._read(0)
        while came < len(PCAPNG) and (more := self._read(came)):
            came += more
        kind = PcapngReader if self._memory[: len(PCAPNG)] == PCAPNG else PcapReader
        reader = kind(self._memory[:came], path, bpf)
        reader.is_partial = True
        reader.prepare()
        while reader.is_partial and not reader.link_types():
            self._refill(reader)
            reader.prepare()
        return reader

    def receive(self, receiver: FrameReceiver) -> int:
        """Hand over the next frames; 0 at the end. DamagedCaptureFault where the file is cut, after what came before."""
        while True:
            taken = self._reader.receive(receiver, BATCH_FRAMES)
            if taken or not self._reader.is_partial:
                return taken
            self._refill(self._reader)

    @property
    def link_types(self) -> frozenset[int]:
        """Every link type met so far in the file."""
        return self._reader.all_link_types

    def close(self) -> None:
        self._file.close()
        if self._feeder:
            self._feeder.close()

    def _refill(self, reader: CaptureReader) -> None:
        """Let *reader* go on with what is left and what comes next; at the end tell it so."""
        left = reader.left
        if left == len(self._memory):
            self._memory = memoryview(bytearray(self._memory) + bytes(left))
        else:
            self._memory[:left] = self._memory[reader.taken : reader.taken + left]
        came = self._read(left)
        reader.go_on(self._memory[: left + came])
        if not came:
            reader.is_partial = False

    def _read(self, at: int) -> int:
        """Read on into memory from *at*; return how many bytes came, 0 at the end of the file."""
        try:
            came = self._file.readinto(self._memory[at:])
        except OSError as problem:
            raise DamagedCaptureFault(f"{self._path}: {problem.strerror}") from problem
        if not came and self._feeder:
            self._feeder.check()
        return came or 0
