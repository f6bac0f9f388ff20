"""Frames by packet sockets of the kernel (packet(7)), without libpcap: a ring shared with it, or message by message."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import logging
import mmap
import os
import select
import socket
import struct
import zlib
from typing import Final

from tcpmirror.capture.bpf import build_filter, kept_bytes
from tcpmirror.capture.datagrams import DatagramReader
from tcpmirror.capture.filter_program import FilterProgram
from tcpmirror.capture.interface import Interface, index_of
from tcpmirror.capture.packet_ring import PacketRing
from tcpmirror.capture.pcap_source import POLL_MS, KernelStats
from tcpmirror.capture.receiver import FrameReceiver
from tcpmirror.errors import EnvironmentFault
from tcpmirror.settings.tree import Source

# linux/if_packet.h, linux/if_ether.h, asm-generic/socket.h: what the socket module does not name
SOL_PACKET: Final = 263
PACKET_ADD_MEMBERSHIP: Final = 1
PACKET_RX_RING: Final = 5
PACKET_STATISTICS: Final = 6
PACKET_AUXDATA: Final = 8
PACKET_VERSION: Final = 10
PACKET_FANOUT: Final = 18
PACKET_FANOUT_HASH: Final = 0
PACKET_FANOUT_FLAG_DEFRAG: Final = 0x8000
PACKET_MR_PROMISC: Final = 1
TPACKET_V3: Final = 2
ETH_P_ALL: Final = 3
SO_ATTACH_FILTER: Final = 26
SO_RCVBUFFORCE: Final = 33
SO_TIMESTAMPNS: Final = 35
SO_RXQ_OVFL: Final = 40
SIOCGIFHWADDR: Final = 0x8927

# linux/filter.h
INSTRUCTION_BYTES: Final = 8
LOAD_WORD: Final = 0x20
JUMP_IF_EQUAL: Final = 0x15
RETURN: Final = 0x06
FRAME_INTERFACE: Final = 0xFFFFF008  # not a place in the frame: the index of its interface

BLOCK_BYTES: Final = 1 << 19  # holds the longest frames, those of segmentation offload (seldom over 64 KiB)
# A block with frames is handed over after this time, full or not. At a low rate the ring so runs out of blocks, not of
# room: the 128 blocks of 64 MiB bridge a pause of the reader of 6 seconds.
BLOCK_WAIT_MS: Final = 50
FRAME_BYTES: Final = 2048  # the kernel wants a frame size for TPACKET_V3 too; it has no effect
ETHERNET, RAW = 1, 12  # libpcap's link types
ETHERNET_HARDWARE: Final = frozenset((1, 772))  # Ethernet and loopback (linux/if_arp.h)

log = logging.getLogger(__name__)


class PacketSocket:
    """An open packet socket on the interface of *source*, with its filter; the engines differ in how they read it."""

    def __init__(self, source: Source) -> None:
        """EnvironmentFault when the interface does not exist or cannot be opened."""
        self._interface = Interface(source.interface)
        self._is_cooked = not _is_ethernet(source.interface)
        self.link_type = RAW if self._is_cooked else ETHERNET
        self._received = self._dropped = 0
        self._ignored_names = source.ignore_interfaces if source.interface == "any" else ()
        self._ignored: tuple[int, ...] = _indices(self._ignored_names)
        try:
            # Protocol 0: nothing comes before the filter is there and the socket is bound.
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM if self._is_cooked else socket.SOCK_RAW, 0)
        except OSError as problem:
            raise _not_opened(source.interface, problem) from problem
        try:
            self._prepare(source)
            bind(self._socket, self._interface.index)
            if source.fanout:
                self._socket.setsockopt(SOL_PACKET, PACKET_FANOUT, fanout_value(source.interface))
        except OSError as problem:
            self._socket.close()
            raise _not_opened(source.interface, problem) from problem
        except EnvironmentFault:
            self._socket.close()
            raise
        self._poll = select.poll()
        self._poll.register(self._socket, select.POLLIN)

    def stats(self) -> KernelStats:
        """Return what the kernel counted; its own counters start again with each reading.

        Called every now and then, so this is where interfaces are looked for that are ignored and have come anew, and
        whether the one that is read is still there: OSError when not.
        """
        self._interface.check()
        ignored = _indices(self._ignored_names)
        if ignored != self._ignored:
            self._ignored = ignored
            attach_filter(self._socket, without_interfaces(ignored) + self._program)
        received, dropped, _ = struct.unpack(
            "3I", self._socket.getsockopt(SOL_PACKET, PACKET_STATISTICS, 12).ljust(12, b"\0")
        )
        self._received += received
        self._dropped += dropped
        return KernelStats(self._received, self._dropped)

    def close(self) -> None:
        self._poll.unregister(self._socket)
        self._socket.close()

    def _prepare(self, source: Source) -> None:
        expression = build_filter(source, self.link_type)
        self._program = (
            self._compiled(expression, source).instructions() if expression else instruction(RETURN, kept_bytes(source))
        )
        attach_filter(self._socket, without_interfaces(self._ignored) + self._program)
        if source.promiscuous and source.interface != "any":
            request = struct.pack("iHH8s", self._interface.index, PACKET_MR_PROMISC, 0, b"")
            self._socket.setsockopt(SOL_PACKET, PACKET_ADD_MEMBERSHIP, request)

    def _compiled(self, expression: str, source: Source) -> FilterProgram:
        if self._is_cooked:
            return FilterProgram(expression, RAW, snaplen=kept_bytes(source))
        # Frames of `any` are read from their Ethernet header on, as those of loopback are.
        name = "lo" if source.interface == "any" else source.interface
        return FilterProgram(expression, ETHERNET, name, kept_bytes(source))

    def _await(self) -> bool:
        """Wait up to POLL_MS for frames; OSError when the interface has gone.

        One that is only down is waited for where it is: the kernel gives its frames to this socket again once it is up.
        """
        events = self._poll.poll(POLL_MS)
        if events and events[0][1] & (select.POLLERR | select.POLLHUP | select.POLLNVAL):
            number = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if number != errno.ENETDOWN or not self._interface.is_there:
                raise OSError(number, f"interface {self._interface.name}: {os.strerror(number)}")
            log.warning("interface %s is down: waiting for it", self._interface.name)
            return False
        return bool(events)


class RingSource(PacketSocket):
    """Engine `af_packet`: the kernel writes frames into a ring that is shared with it."""

    def receive(self, receiver: FrameReceiver) -> int:
        """Hand over the frames that are there, after waiting up to POLL_MS for some; return how many.

        Raises OSError when the interface has gone.
        """
        if not self._ring.is_ready():
            self._await()
        return self._ring.receive(receiver)

    def close(self) -> None:
        self._ring.close()
        self._memory.close()
        super().close()

    def _prepare(self, source: Source) -> None:
        super()._prepare(source)
        blocks = max(2, source.buffer_bytes // BLOCK_BYTES)
        self._socket.setsockopt(SOL_PACKET, PACKET_VERSION, TPACKET_V3)
        frames = blocks * (BLOCK_BYTES // FRAME_BYTES)
        request = struct.pack("7I", BLOCK_BYTES, blocks, FRAME_BYTES, frames, BLOCK_WAIT_MS, 0, 0)
        self._socket.setsockopt(SOL_PACKET, PACKET_RX_RING, request)
        self._memory = mmap.mmap(self._socket.fileno(), blocks * BLOCK_BYTES)
        self._ring = PacketRing(self._memory, BLOCK_BYTES, blocks, self._is_cooked)


class RawSource(PacketSocket):
    """Engine `raw_socket`: the kernel copies each frame into a buffer of ours, many with one call."""

    def receive(self, receiver: FrameReceiver) -> int:
        """Hand over the frames that are there, after waiting up to POLL_MS for some; return how many.

        Raises OSError when the interface has gone.
        """
        return self._reader.receive(receiver) if self._await() else 0

    def take(self, receiver: FrameReceiver) -> int:
        """Hand over some of the frames that are there, without waiting for any; return how many. OSError as `receive`."""
        return self._reader.receive(receiver)

    def _prepare(self, source: Source) -> None:
        super()._prepare(source)
        self._socket.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        self._socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        set_buffer(self._socket, source.buffer_bytes, f"interface {source.interface}")
        self._reader = DatagramReader(self._socket.fileno(), self.link_type)


def fanout_value(interface: str) -> bytes:
    """Return the value of PACKET_FANOUT: a group for all captures of a supervisor on *interface*, a flow to one of them.

    The hash is the same for both directions; fragments are joined before it is taken, because only the first has ports.
    """
    group = (os.getppid() ^ zlib.crc32(interface.encode())) & 0xFFFF
    return struct.pack("=I", group | (PACKET_FANOUT_HASH | PACKET_FANOUT_FLAG_DEFRAG) << 16)


def bind(target: socket.socket, index: int) -> None:
    """Let frames of the interface with that *index* come to *target*; 0: of all. Python's own bind has no form for all."""
    address = struct.pack("=HHiHBB8s", socket.AF_PACKET, socket.htons(ETH_P_ALL), index, 0, 0, 0, b"")
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.bind(target.fileno(), address, len(address)):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def attach_filter(target: socket.socket, program: bytes) -> None:
    """Let the kernel run *program* on what comes to *target*, instead of the one it runs now."""
    instructions = ctypes.create_string_buffer(program)
    pointer = struct.pack("@HP", len(program) // INSTRUCTION_BYTES, ctypes.addressof(instructions))
    target.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, pointer)


def instruction(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    """Return one instruction of the kernel's packet filter (struct sock_filter)."""
    return struct.pack("=HBBI", code, if_true, if_false, value)


def without_interfaces(indices: tuple[int, ...]) -> bytes:
    """Return the beginning of a program that drops the frames of the interfaces with those *indices*."""
    if not indices:
        return b""
    drops = b"".join(instruction(JUMP_IF_EQUAL, index, 0, 1) + instruction(RETURN, 0) for index in indices)
    return instruction(LOAD_WORD, FRAME_INTERFACE) + drops


def _indices(names: tuple[str, ...]) -> tuple[int, ...]:
    return tuple(index for index in map(index_of, names) if index)


def set_buffer(target: socket.socket, size: int, what: str) -> None:
    """Give *target*, which reads *what*, a receive buffer of *size* bytes.

    Without CAP_NET_ADMIN the system's limit applies, and is told: the usual one of 208 KiB holds less than a millisecond
    of a busy link.
    """
    size = min(size, (1 << 30) - 1)
    try:
        target.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, size)
    except PermissionError:
        target.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
    got = (
        target.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 2
    )  # the kernel doubles it, for what it keeps beside the bytes
    if got < size:
        text = "%s: the receive buffer is %d KiB of the %d KiB wanted; `sysctl net.core.rmem_max=%d` allows them all"
        log.warning(text, what, got >> 10, size >> 10, size)


def _is_ethernet(interface: str) -> bool:
    if interface == "any":
        return True
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        try:
            answer = fcntl.ioctl(asking, SIOCGIFHWADDR, struct.pack("16s24x", interface.encode()))
        except OSError as problem:
            raise _not_opened(interface, problem) from problem
    return struct.unpack_from("H", answer, 16)[0] in ETHERNET_HARDWARE


def _not_opened(interface: str, problem: OSError) -> EnvironmentFault:
    return EnvironmentFault(f"interface {interface!r} cannot be opened: {problem}; capture needs root or CAP_NET_RAW")
