"""A receiver that keeps what it gets, and frames that can be told apart."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pcap
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether

from tcpmirror.capture.receiver import FrameReceiver

MAC = {"src": "02:00:00:00:00:01", "dst": "02:00:00:00:00:02"}


@dataclass(frozen=True, slots=True)
class Frame:
    time_ns: int
    frame: bytes
    link_type: int
    vlan: int


@dataclass
class Kept(FrameReceiver):
    """Keeps every frame of TCP."""

    frames: list[Frame] = field(default_factory=list)

    def receive_frame(self, time_ns: int, frame: bytes, link_type: int, vlan: int) -> None:
        self.frames.append(Frame(time_ns, frame, link_type, vlan))

    def with_ports(self, *ports: int) -> list[Frame]:
        """Return the frames whose bytes hold one of the source *ports* in front of port 80."""
        return [each for each in self.frames if any(port.to_bytes(2, "big") + b"\0\x50" in each.frame for port in ports)]


def segment(port: int, size: int = 10) -> bytes:
    return bytes(Ether(**MAC) / IP(src="10.0.0.1", dst="10.0.0.2") / TCP(sport=port, dport=80, seq=1) / (b"x" * size))


def read_by_libpcap(path: Path, bpf: str = "") -> list[tuple[int, bytes]]:
    """Return (time, frame) of every packet of a capture file that libpcap reads before it meets damage."""
    seen: list[tuple[int, bytes]] = []
    handle = pcap.pcap(name=str(path), timestamp_in_ns=True)
    handle.setfilter(bpf)
    handle.dispatch(0, lambda time_ns, frame: seen.append((time_ns, bytes(frame))))
    handle.close()
    return seen


def read_until(receive: Callable[[], object], claim: Callable[[], bool], deadline_s: float = 30.0) -> None:
    """Call *receive* until *claim* holds; AssertionError after *deadline_s*."""
    end = time.monotonic() + deadline_s
    while not claim():
        assert time.monotonic() < end, "nothing came"
        receive()
