"""Advice on one VLAN and VNI of a place that was surveyed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tcpmirror.decap.link import SUPPORTED
from tcpmirror.processes.advice import FEW, Advice, loss_advice, no_syn_advice, one_sided_advice
from tcpmirror.processes.place_survey import UNKNOWN_LINK, PlaceSurvey
from tcpmirror.processes.surveyed_flow import HTTP1, TLS

NOT_IP_NAMES: Final = {
    0x0806: "ARP",
    0x88CC: "LLDP",
    0x8863: "PPPoE discovery",
    0x88F7: "PTP",
    0x8809: "LACP",
    0x888E: "802.1X",
}


def place_name(name: str, place: PlaceSurvey) -> str:
    """Return *name* with the VLAN and VNI, as `eth1, VLAN 100.42, VNI 7`."""
    vlan, inner, vni = place.place
    parts = [name]
    if vlan:
        parts.append(f"VLAN {vlan}.{inner}" if inner else f"VLAN {vlan}")
    if vni >= 0:
        parts.append(f"VNI {vni}")
    return ", ".join(parts)


def place_advice(where: str, place: PlaceSurvey) -> Iterator[Advice]:
    """Yield everything that stands out."""
    for check in CHECKS:
        yield from check(where, place)


def _flows(where: str, place: PlaceSurvey) -> Iterator[Advice]:
    """What is missing of flows. Where packets were cut, or fragments were not joined, the bytes that they held are known."""
    if place.reasons["lost_fragment"] < FEW and not place.reasons["lost_truncated"]:
        yield from loss_advice(where, place.seen_bytes, place.lost_bytes)
    missing = "responses" if place.only_requests * 2 > place.one_sided else "requests"
    yield from one_sided_advice(where, place.one_sided, place.flows, missing)
    yield from no_syn_advice(where, place.no_syn, place.flows)


def _duplicates(where: str, place: PlaceSurvey) -> Iterator[Advice]:
    if place.duplicates >= FEW and place.duplicates * 100 > place.segments:
        yield Advice(
            "duplicates", "warning", where,
            f"{place.duplicates:,} of {place.segments:,} segments came twice within milliseconds.",
            "Both ends of a link are mirrored, or a VLAN and its port. Results stay right, the work doubles:"
            " mirror one of them.",
        )  # fmt: skip


def _truncated(where: str, place: PlaceSurvey) -> Iterator[Advice]:
    if place.truncated or place.reasons["lost_truncated"]:
        count = place.truncated + place.reasons["lost_truncated"]
        yield Advice(
            "truncated", "problem", where,
            f"{count:,} packets are cut short; the longest frame has {place.longest:,} bytes.",
            "Raise `snap_len` (or -s of whatever wrote the file), and the packet length of the mirror session,"
            " which may cut too.",
        )  # fmt: skip


def _fragments(where: str, place: PlaceSurvey) -> Iterator[Advice]:
    count = place.reasons["lost_fragment"]
    if count >= FEW and count * 100 > place.packets:
        yield Advice(
            "fragments", "warning", where, f"{count:,} of {place.packets:,} packets are IP fragments.",
            "They are joined, at a price. A mirror tunnel makes packets longer than the path allows: raise its"
            " MTU by 50 to 100 bytes.",
        )  # fmt: skip


def _checksums(where: str, place: PlaceSurvey) -> Iterator[Advice]:
    if place.bad_checksums >= FEW and place.bad_checksums * 20 > place.segments:
        yield Advice(
            "bad-checksums", "note", where,
            f"{place.bad_checksums:,} of {place.segments:,} segments have a wrong checksum.",
            "Usual where packets are taken on the sending machine before its card fills checksums in. They are"
            " analysed all the same.",
        )  # fmt: skip


def _encrypted(where: str, place: PlaceSurvey) -> Iterator[Advice]:
    flows = place.protocols[TLS]
    if flows:
        names = ", ".join(name for name, _ in place.names.most_common(5)) or "no server name seen"
        level = "note" if place.protocols[HTTP1] else "warning"
        yield Advice(
            "encrypted", level, where, f"{flows:,} flows are TLS ({names}).",
            "Without its secrets (docs/tls.md) it cannot be analysed: give them, or mirror behind the TLS terminator.",
        )  # fmt: skip


def tunnel_advice(where: str, place: PlaceSurvey) -> Iterator[Advice]:
    """Yield what looks like a tunnel and comes to a port that is not read as one."""
    for (kind, port), count in place.suspected_tunnels.items():
        if count >= FEW:
            key = "vxlan_ports" if kind == "VXLAN" else "geneve_ports"
            yield Advice(
                "tunnel-port",
                "problem",
                where,
                f"{count:,} packets to UDP port {port} look like {kind}.",
                f"Add {port} to `{key}`.",
            )


def _unreadable(where: str, place: PlaceSurvey) -> Iterator[Advice]:
    links = {kind - UNKNOWN_LINK: count for kind, count in place.ended_at.items() if kind >= UNKNOWN_LINK}
    if links:
        kinds = ", ".join(f"{number} ({count:,} frames)" for number, count in sorted(links.items()))
        yield Advice(
            "unknown-link", "problem", where, f"Frames of a link type that is not supported: {kinds}.",
            f"Supported are {', '.join(dict.fromkeys(SUPPORTED.values()))}: capture on an interface of one of them.",
        )  # fmt: skip
    if place.reasons["lost_depth"]:
        yield Advice(
            "depth", "problem", where, f"{place.reasons['lost_depth']:,} packets have more than 16 encapsulations.",
            "A loop in the mirror: it mirrors its own tunnel. Leave the tunnel's packets out of the session.",
        )  # fmt: skip
    others = {kind: count for kind, count in place.ended_at.items() if 0x0600 <= kind <= 0xFFFF and kind not in NOT_IP_NAMES}
    unknown = {kind: count for kind, count in others.items() if count * 20 > place.packets and count >= FEW}
    if unknown and place.reasons["lost_not_ip"]:
        kinds = ", ".join(f"0x{kind:04x} ({count:,})" for kind, count in unknown.items())
        yield Advice(
            "unknown-ethertype", "warning", where, f"Frames of an EtherType that is not read here: {kinds}.",
            "If it is an encapsulation of the mirror, have the switch take it off.",
        )  # fmt: skip


CHECKS: Final = (_truncated, tunnel_advice, _unreadable, _flows, _duplicates, _fragments, _encrypted, _checksums)
