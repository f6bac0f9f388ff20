"""A capture sent again and again at a steady rate, from one process and at several hundred thousand frames a second.

Frames go out through a packet socket, 64 with one system call (sendmmsg(2)). Each round has connections of its own: the
client's address changes so that the Internet checksum of its two halves stays (RFC 1624), and with it every checksum of the
capture. No byte of a frame is touched for that: each is sent in three parts, of which the middle one, the two addresses, all
frames of a direction share.
"""

from __future__ import annotations

import ctypes
import os
import select
import socket
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from bench.network import Namespace
from bench.traffic import CLIENT, SERVER

PCAP_MAGICS: Final = (0xA1B2C3D4, 0xA1B23C4D)
SOL_PACKET: Final = 263
PACKET_QDISC_BYPASS: Final = 20
AT_ONCE: Final = 64
ADDRESSES: Final = slice(26, 34)  # of a frame: the source and destination of an IPv4 header without tags in front
MESSAGE: Final = struct.Struct(
    "@PIPNPNi4xI4x"
)  # struct mmsghdr: name, its length, parts, their number, control (2), flags; length
PART: Final = struct.Struct("@PN")  # struct iovec


def frames(path: Path) -> Iterator[bytes]:
    """Yield the frames of a pcap file (of this machine's byte order, as tcpdump writes it here)."""
    data = memoryview(path.read_bytes())
    if int.from_bytes(data[:4], "little") not in PCAP_MAGICS:
        raise ValueError(f"{path}: not a pcap file of little-endian byte order")
    at = 24
    while at < len(data):
        captured = int.from_bytes(data[at + 8 : at + 12], "little")
        yield bytes(data[at + 16 : at + 16 + captured])
        at += 16 + captured


class Replay:
    """The frames of a capture between `bench.traffic`'s client and server, to be sent on *interface* of *namespace*."""

    def __init__(self, path: Path, namespace: Namespace, interface: str) -> None:
        pair = socket.inet_aton(CLIENT) + socket.inet_aton(SERVER)
        held = [frame for frame in frames(path) if frame[ADDRESSES] in (pair, pair[4:] + pair[:4])]
        self.count = len(held)
        self.bytes = sum(map(len, held))
        self._ends = ctypes.create_string_buffer(pair + pair[4:] + pair[:4], 16)
        self._data = ctypes.create_string_buffer(b"".join(held), self.bytes)
        self._parts = ctypes.create_string_buffer(3 * PART.size * self.count)
        self._messages = ctypes.create_string_buffer(MESSAGE.size * self.count)
        self._lay_out(held, pair)
        self._libc = ctypes.CDLL(None, use_errno=True)
        with namespace.entered():
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self._socket.setsockopt(SOL_PACKET, PACKET_QDISC_BYPASS, 1)
        self._socket.bind((interface, 0))
        self._at = self._round = 0

    def _lay_out(self, held: list[bytes], pair: bytes) -> None:
        data, ends = ctypes.addressof(self._data), ctypes.addressof(self._ends)
        parts, at = ctypes.addressof(self._parts), 0
        for number, frame in enumerate(held):
            shared = ends if frame[ADDRESSES] == pair else ends + 8
            rest = len(frame) - ADDRESSES.stop
            for part, piece in enumerate(((data + at, 26), (shared, 8), (data + at + ADDRESSES.stop, rest))):
                PART.pack_into(self._parts, (3 * number + part) * PART.size, *piece)
            first = parts + 3 * number * PART.size
            MESSAGE.pack_into(self._messages, number * MESSAGE.size, 0, 0, first, 3, 0, 0, 0, 0)
            at += len(frame)

    def send(self, rate: float, seconds: float) -> tuple[int, float]:
        """Send *rate* frames a second for *seconds*; return how many went and how long it took."""
        total, sent = round(rate * seconds), 0
        started = time.perf_counter()
        while sent < total:
            ahead = sent / rate - (time.perf_counter() - started)
            if ahead > 200e-6:
                time.sleep(ahead - 100e-6)
            elif ahead > 0:
                continue
            else:
                sent += self._send_some(min(AT_ONCE, total - sent))
        return sent, time.perf_counter() - started

    def _send_some(self, count: int) -> int:
        count = min(count, self.count - self._at)
        first = ctypes.addressof(self._messages) + self._at * MESSAGE.size
        done = self._libc.sendmmsg(self._socket.fileno(), ctypes.c_void_p(first), count, 0)
        if done < 0:
            number = ctypes.get_errno()
            if number not in (105, 11):  # ENOBUFS, EAGAIN: no room this moment
                raise OSError(number, os.strerror(number))
            select.select([], [self._socket], [], 0.01)
            return 0
        self._at += done
        if self._at == self.count:
            self._begin_round()
        return int(done)

    def _begin_round(self) -> None:
        """Let the client have another address, of the same checksum."""
        self._at = 0
        self._round += 1
        high, low = struct.unpack("!HH", socket.inet_aton(CLIENT))
        address = struct.pack("!HH", high + self._round, (low - self._round - 1) % 0xFFFF + 1)
        self._ends[0:4] = self._ends[12:16] = address

    def close(self) -> None:
        self._socket.close()
