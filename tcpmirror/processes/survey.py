"""Survey: what arrives at one place, told apart by VLAN and VNI, and what a configuration would make of it.

Frames go through the real decapsulation twice, without any filter and as configured, and through the real reassembly: what
is counted here is what a sensor would see.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from tcpmirror.capture.frame_filter import FrameFilter
from tcpmirror.decap.decapsulator import Decapsulator
from tcpmirror.errors import EnvironmentFault
from tcpmirror.model.exchange import TUNNEL_NAMES
from tcpmirror.model.stream import SinkFactory
from tcpmirror.processes.capture import open_decapsulator
from tcpmirror.processes.sniffing import HTTP1, TLS, UNKNOWN, protocol_of, server_name
from tcpmirror.processes.worker import open_table
from tcpmirror.protocols.connection import ProtocolFactory
from tcpmirror.protocols.decryption import Decryption
from tcpmirror.protocols.http1 import Http1Factory
from tcpmirror.reassembly.origins import OTHER
from tcpmirror.settings.tree import Settings, Source

FLOWS_LIMIT: Final = 100_000  # flows told apart; further ones are counted as packets only
PORTS_LIMIT: Final = 1024
NAMES_LIMIT: Final = 50
SNIFFED_SEGMENTS: Final = 16  # of a flow, with data, before its protocol is called unknown
DUPLICATE_NS: Final = 10_000_000  # copies of a mirror come within it, retransmissions (RFC 6298: 200 ms and more) do not
DUPLICATE_MEMORY: Final = 8192
VXLAN_PORTS: Final = (4789, 8472, 48879)  # IANA's, Linux's before that, Cisco ACI's
GENEVE_PORTS: Final = (6081,)
SYN, ACK, FIN, RST = 2, 16, 1, 4
UDP: Final = 17
INNER_TYPES: Final = (0x0800, 0x86DD, 0x8100, 0x88A8, 0x0806)

Place = tuple[int, int, int]  # VLAN, inner VLAN (0: none), VNI (-1: none)


@dataclass(slots=True)
class FlowSurvey:
    """One TCP connection. Side 0 is the end that is smaller as (address, port); ``end_ports``: of sides 0 and 1."""

    place: PlaceSurvey
    end_ports: tuple[int, int]
    server_port: int
    is_server_known: bool = False
    protocol: str = UNKNOWN
    segments: list[int] = field(default_factory=lambda: [0, 0])  # by side
    with_data: int = 0
    has_syn: bool = False

    @property
    def is_one_sided(self) -> bool:
        return 0 in self.segments

    @property
    def is_server_unseen(self) -> bool:
        return self.segments[self.end_ports.index(self.server_port)] == 0


@dataclass(slots=True)
class PlaceSurvey:
    """What came in one VLAN and VNI."""

    place: Place
    packets: int = 0
    bytes: int = 0
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
    names: Counter[str] = field(default_factory=Counter)  # TLS server names
    ports: dict[int, Counter[str]] = field(default_factory=dict)  # server port -> flows by protocol
    protocols: Counter[str] = field(default_factory=Counter)
    filtered_protocols: Counter[str] = field(default_factory=Counter)  # of the segments left out
    flows: int = 0
    one_sided: int = 0
    only_requests: int = 0  # of those: only what clients send was seen
    no_syn: int = 0
    seen_bytes: int = 0
    lost_bytes: int = 0


class Survey:
    """Takes frames of one link type as a callable ``(time_ns, frame)``; `finish` sums up.

    *source*: how a configuration reads this place; None: only look. *expression*: the packet filter it uses here.
    *decryption*: with what TLS is read. ``filter_fault``: why libpcap does not take that, empty when it does.
    """

    def __init__(
        self,
        link_type: int,
        settings: Settings,
        source: Source | None = None,
        expression: str = "",
        decryption: Decryption | None = None,
    ) -> None:
        self._wide = Decapsulator(
            link_type,
            16,
            vxlan_ports={*VXLAN_PORTS, *(source.vxlan_ports if source else ())},
            geneve_ports={*GENEVE_PORTS, *(source.geneve_ports if source else ())},
        )
        self._source = source
        self._ignored = settings.capture.ignore_ips
        self._configured = open_decapsulator(settings, source, link_type) if source else None
        self.filter_fault = ""
        try:
            self._filter = FrameFilter(expression, link_type)
        except EnvironmentFault as fault:
            self.filter_fault = str(fault)
            self._filter = FrameFilter("", link_type)
        timeout_ns = settings.reassembly.response_timeout_ns
        factory: SinkFactory = Http1Factory(self._count_exchange, settings.limits, response_timeout_ns=timeout_ns)
        if decryption is not None:
            factory = ProtocolFactory(
                self._count_exchange, settings.limits, response_timeout_ns=timeout_ns, decryption=decryption
            )
        self._decryption = decryption
        self._table = open_table(factory, settings.limits, 1)
        self._flows: dict[tuple[bytes, int, bytes, int], FlowSurvey] = {}
        self._recent: dict[tuple[object, ...], int] = {}
        self._before: dict[tuple[object, ...], int] = {}
        self.places: dict[Place, PlaceSurvey] = {}
        self.packets = 0
        self.exchanges = 0
        self.first_ns = self.last_ns = 0

    def __call__(self, time_ns: int, frame: bytes) -> None:
        (reason, vlan, inner, vni, tunnel, src, dst, ip_protocol, sport, dport, seq, ack, flags, missing, is_bad, ip_id,
         layer, payload) = self._wide.observe(frame)  # fmt: skip
        self.packets += 1
        self.first_ns = self.first_ns or time_ns
        self.last_ns = time_ns
        here = (vlan, inner, vni)
        place = self.places.get(here)
        if place is None:
            place = self.places[here] = PlaceSurvey(here)
        place.packets += 1
        place.bytes += len(frame)
        place.longest = max(place.longest, len(frame))
        if tunnel:
            place.tunnels[TUNNEL_NAMES[tunnel]] += 1
        if reason:
            place.reasons[reason] += 1
            place.ended_at[layer] += 1
            if ip_protocol == UDP and reason == "lost_not_tcp":
                _note_udp(place, dport, payload)
            return
        place.segments += 1
        place.bad_checksums += is_bad
        place.truncated += missing > 0
        if (payload or flags & (SYN | FIN) or ip_id) and self._is_duplicate(
            (src, sport, dst, dport, seq, ack, flags, ip_id, len(payload)), time_ns
        ):
            place.duplicates += 1
            return
        flow = self._flow(place, src, sport, dst, dport, flags)
        if flow is not None and payload and flow.protocol is UNKNOWN and flow.with_data < SNIFFED_SEGMENTS:
            _sniff(flow, payload, dport)
        key = hash((src, sport)) ^ hash((dst, dport))
        self._table.feed(
            src, sport, dst, dport, seq, ack, flags, payload, time_ns, missing, 0, key & 0xFFFFFFFFFFFFFFFF, vlan, inner, vni
        )
        if self._configured is not None:
            self._judge(place, flow, frame, src, dst, sport, dport)

    def finish(self) -> None:
        """Sum up what only the end of the survey tells; nothing may be added after it."""
        for flow in self._flows.values():
            _count_flow(flow)
        self._table.advance(self.last_ns)
        self._table.end_all()
        if self._decryption is not None:
            self._decryption.finish()
        for origin in self._table.origins:
            if origin.source != OTHER:
                place = self.places[origin.vlan, origin.inner_vlan, origin.vni]
                sums = origin.sums()
                place.seen_bytes, place.lost_bytes = sums["delivered_bytes"], sums["lost_bytes"]

    @property
    def decrypted_flows(self) -> int:
        return 0 if self._decryption is None else self._decryption.tls_decrypted_flows

    def _count_exchange(self, exchange: object) -> None:
        self.exchanges += 1

    def _is_duplicate(self, packet: tuple[object, ...], time_ns: int) -> bool:
        """Whether the same packet came a moment ago; two generations of them are remembered."""
        seen_ns = self._recent.get(packet) or self._before.get(packet)
        self._recent[packet] = time_ns
        if len(self._recent) > DUPLICATE_MEMORY:
            self._before, self._recent = self._recent, {}
        return seen_ns is not None and time_ns - seen_ns < DUPLICATE_NS

    def _flow(self, place: PlaceSurvey, src: bytes, sport: int, dst: bytes, dport: int, flags: int) -> FlowSurvey | None:
        side = (src, sport) > (dst, dport)
        key = (dst, dport, src, sport) if side else (src, sport, dst, dport)
        flow = self._flows.get(key)
        if flow is None:
            if len(self._flows) >= FLOWS_LIMIT or flags & RST:
                return None
            flow = self._flows[key] = FlowSurvey(place, (dport, sport) if side else (sport, dport), min(sport, dport))
        flow.segments[side] += 1
        if flags & SYN:
            flow.has_syn = flow.is_server_known = True
            flow.server_port = sport if flags & ACK else dport
        return flow

    def _judge(
        self, place: PlaceSurvey, flow: FlowSurvey | None, frame: bytes, src: bytes, dst: bytes, sport: int, dport: int
    ) -> None:
        """Count a TCP segment that the configuration leaves out, under the setting that does it."""
        assert self._configured is not None
        assert self._source is not None
        reason = self._configured.reason(frame)
        if not reason:
            if self._filter.keeps(frame):
                return
            setting = "filter" if self._source.bpf else "ports" if self._source.ports else "hosts"
        elif reason == "lost_filtered":
            setting = self._setting(place.place, src, dst, sport, dport)
        else:
            setting = {"lost_depth": "limits.encapsulation_depth", "lost_not_tcp": "tunnel ports"}.get(reason, reason)
        place.filtered[setting] += 1
        if flow is not None:
            place.filtered_protocols[flow.protocol] += 1

    def _setting(self, place: Place, src: bytes, dst: bytes, sport: int, dport: int) -> str:
        """Return the setting that leaves out a segment which the configured decapsulator filters, in the order it asks."""
        source = self._source
        assert source is not None
        if source.ports and sport not in source.ports and dport not in source.ports:
            return "ports"
        if source.vlan_ids and not {place[0], place[1]} & {*source.vlan_ids}:
            return "vlan_ids"
        ends = {str(ipaddress.ip_address(src)), str(ipaddress.ip_address(dst))}
        if source.hosts and not ends & {str(ipaddress.ip_address(host)) for host in source.hosts}:
            return "hosts"
        if place[2] >= 0 and place[2] in source.vni_deny:
            return "vni_deny"
        if place[2] >= 0 and (source.vni_allow or source.inner_vni_allow):
            return "vni_filter"
        return "ignore_ips"


def _note_udp(place: PlaceSurvey, port: int, payload: bytes) -> None:
    """Count a UDP packet that no tunnel port takes, and whether it looks like a tunnel all the same."""
    if port in place.udp_ports or len(place.udp_ports) < PORTS_LIMIT:
        place.udp_ports[port] += 1
    if len(payload) < 8 + 14 + 20:
        return
    if payload[0] == 0x08 and payload[1:4] == b"\0\0\0" and payload[7] == 0 and _is_ethernet(payload[8:22]):
        place.suspected_tunnels["VXLAN", port] += 1
    elif payload[0] >> 6 == 0 and payload[2:4] == b"\x65\x58" and payload[7] == 0:
        place.suspected_tunnels["GENEVE", port] += 1


def _is_ethernet(header: bytes) -> bool:
    return int.from_bytes(header[12:14], "big") in INNER_TYPES


def _sniff(flow: FlowSurvey, payload: bytes, dport: int) -> None:
    """Learn a flow's protocol from one segment with data, and where it can from whom it came."""
    flow.with_data += 1
    flow.protocol = protocol_of(payload)
    if flow.protocol is HTTP1 and not flow.is_server_known and not payload.startswith(b"HTTP/"):
        flow.server_port = dport
        flow.is_server_known = True
    if flow.protocol is TLS and payload[0] == 0x16:
        name = server_name(payload)
        if name and (name in flow.place.names or len(flow.place.names) < NAMES_LIMIT):
            flow.place.names[name] += 1


def _count_flow(flow: FlowSurvey) -> None:
    """Add a flow to the sums of its place; one without data says little and counts only as a flow."""
    place = flow.place
    place.flows += 1
    if not flow.with_data:
        return
    place.protocols[flow.protocol] += 1
    if flow.server_port in place.ports or len(place.ports) < PORTS_LIMIT:
        place.ports.setdefault(flow.server_port, Counter())[flow.protocol] += 1
    place.no_syn += not flow.has_syn
    place.one_sided += flow.is_one_sided
    place.only_requests += flow.is_server_unseen
