"""What came in one VLAN and VNI of a place that was surveyed."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

PORTS_LIMIT: Final = 1024
NAMES_LIMIT: Final = 50
SEEN_LIMIT: Final = 200  # values that are remembered of what one setting leaves out
UNKNOWN_LINK: Final = 0x20000  # in `ended_at`: the number of a link type that is not supported, on top of this
INNER_TYPES: Final = (0x0800, 0x86DD, 0x8100, 0x88A8, 0x0806)

Place = tuple[int, int, int]  # VLAN, inner VLAN (0: none), VNI (-1: none)


@dataclass(slots=True)
class PlaceSurvey:
    """Packets and segments are counted as they come; flows, once they are over."""

    place: Place
    packets: int = 0
    size: int = 0  # bytes of all packets
    longest: int = 0
    segments: int = 0
    reasons: Counter[str] = field(default_factory=Counter)  # why packets are no TCP segments
    ended_at: Counter[int] = field(default_factory=Counter)  # EtherType or layer where those ended
    tunnels: Counter[str] = field(default_factory=Counter)
    udp_ports: Counter[int] = field(default_factory=Counter)
    suspected_tunnels: Counter[tuple[str, int]] = field(default_factory=Counter)  # (kind, UDP port)
    duplicates: int = 0
    truncated: int = 0
    bad_checksums: int = 0
    filtered: Counter[str] = field(default_factory=Counter)  # by the setting that leaves the segment out
    left_out: dict[str, tuple[str, Counter[str]]] = field(default_factory=dict)  # by setting: its value, what was seen
    names: Counter[str] = field(default_factory=Counter)  # TLS server names
    ports: dict[int, Counter[str]] = field(default_factory=dict)  # server port -> flows by protocol
    protocols: Counter[str] = field(default_factory=Counter)  # flows with data
    filtered_protocols: Counter[str] = field(default_factory=Counter)  # of those, flows that are left out
    one_sided: int = 0
    only_requests: int = 0  # of those: only what clients send was seen
    no_syn: int = 0
    seen_bytes: int = 0
    lost_bytes: int = 0

    @property
    def flows(self) -> int:
        """Flows with data."""
        return self.protocols.total()

    @property
    def loss(self) -> float:
        """The share of the bytes that receivers acknowledged which never came."""
        total = self.seen_bytes + self.lost_bytes
        return self.lost_bytes / total if total else 0.0

    def add_flow(self, protocol: str, server_port: int, names: list[str]) -> None:
        """Count a flow that is over."""
        self.protocols[protocol] += 1
        if server_port in self.ports or len(self.ports) < PORTS_LIMIT:
            self.ports.setdefault(server_port, Counter())[protocol] += 1
        for name in names:
            if name in self.names or len(self.names) < NAMES_LIMIT:
                self.names[name] += 1

    def leave_out(self, setting: str, wanted: str, seen: tuple[str, ...]) -> None:
        """Count a segment that *setting*, set to *wanted*, leaves out, and what of it was not wanted."""
        self.filtered[setting] += 1
        values = self.left_out.setdefault(setting, (wanted, Counter()))[1]
        values.update(value for value in seen if value in values or len(values) < SEEN_LIMIT)

    def note_udp(self, port: int, payload: bytes) -> None:
        """Count a UDP packet that no tunnel port takes, and whether it looks like a tunnel all the same."""
        if port in self.udp_ports or len(self.udp_ports) < PORTS_LIMIT:
            self.udp_ports[port] += 1
        if len(payload) < 8 + 14 + 20:
            return
        if payload[0] == 0x08 and payload[1:4] == b"\0\0\0" and payload[7] == 0 and _is_ethernet(payload[8:22]):
            self.suspected_tunnels["VXLAN", port] += 1
        elif payload[0] >> 6 == 0 and payload[2:4] == b"\x65\x58" and payload[7] == 0:
            self.suspected_tunnels["GENEVE", port] += 1


def _is_ethernet(header: bytes) -> bool:
    return int.from_bytes(header[12:14], "big") in INNER_TYPES
