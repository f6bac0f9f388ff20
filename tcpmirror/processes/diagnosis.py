"""Diagnosis: from what was surveyed to what is wrong with it and what to do about that, in plain words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tcpmirror.capture.interface_facts import InterfaceFacts
from tcpmirror.capture.pcap_source import KernelStats
from tcpmirror.processes.sniffing import HTTP1, HTTP2, TLS, UNKNOWN
from tcpmirror.processes.survey import GENEVE_PORTS, VXLAN_PORTS, PlaceSurvey, Survey
from tcpmirror.settings.tree import Source

FEW: Final = 3  # flows or packets that may be chance
LINK_HEADER: Final = 14 + 2 * 4  # Ethernet with two tags
NOT_IP_NAMES: Final = {
    0x0806: "ARP",
    0x88CC: "LLDP",
    0x8863: "PPPoE discovery",
    0x88F7: "PTP",
    0x8809: "LACP",
    0x888E: "802.1X",
}


@dataclass(frozen=True, slots=True)
class Advice:
    """One thing found. ``level``: problem (traffic is not analysed), warning (less than all is), note (worth"
    " knowing)."""

    code: str
    level: str
    where: str
    what: str
    todo: str


def diagnose(
    name: str, survey: Survey, source: Source | None, interface: InterfaceFacts | None, kernel: KernelStats
) -> list[Advice]:
    """Return everything that stands out at the interface or file *name*, problems first."""
    found = [*_of_interface(name, survey, interface, kernel)]
    for place in survey.places.values():
        where = place_name(name, place)
        for check in PLACE_CHECKS:
            found += check(where, place)
    if source is not None:
        found += _of_configuration(name, survey, source)
    if survey.exchanges and not any(advice.level == "problem" for advice in found):
        found.append(
            Advice("http-is-here", "note", name, f"{survey.exchanges:,} HTTP exchanges could be rebuilt.", "Nothing to do.")
        )
    return sorted(found, key=lambda advice: ("problem", "warning", "note").index(advice.level))


def place_name(name: str, place: PlaceSurvey) -> str:
    """Return *name* with the VLAN and VNI, as `eth1, VLAN 100.42, VNI 7`."""
    vlan, inner, vni = place.place
    parts = [name]
    if vlan:
        parts.append(f"VLAN {vlan}.{inner}" if inner else f"VLAN {vlan}")
    if vni >= 0:
        parts.append(f"VNI {vni}")
    return ", ".join(parts)


def _of_interface(name: str, survey: Survey, interface: InterfaceFacts | None, kernel: KernelStats) -> Iterator[Advice]:
    if not survey.packets:
        yield _nothing(name, interface)
    elif not any(place.segments for place in survey.places.values()):
        yield _no_tcp(name, survey)
    elif not survey.exchanges and not _flows_of(survey, HTTP1):
        yield _no_http(name, survey)
    lost = kernel.dropped + kernel.interface_dropped
    if lost:
        yield Advice(
            "kernel-drops", "warning", name, f"The kernel or the card dropped {lost:,} packets during this look.",
            "Give the machine less to do or a larger `buffer_size`; with a card that has several queues, spread"
            " them over CPUs.",
        )  # fmt: skip
    longest = max((place.longest for place in survey.places.values()), default=0)
    if interface is not None and longest > interface.mtu + LINK_HEADER:
        yield Advice(
            "receive-offload", "note", name,
            f"Frames of up to {longest:,} bytes on an interface whose MTU is {interface.mtu:,}: the card or"
            " kernel joins segments"
            f" (GRO {_on(interface.gro)}, LRO {_on(interface.lro)}). They are read as they are, if `snap_len` is"
            " large enough.",
            f"To see packets as they were sent: ethtool -K {name} gro off lro off.",
        )  # fmt: skip


def _nothing(name: str, interface: InterfaceFacts | None) -> Advice:
    if interface is None:
        return Advice("no-packets", "problem", name, "Not one packet.", "Check that it is the right file or interface.")
    if not interface.is_up:
        return Advice(
            "interface-down", "problem", name, "The interface is down, so nothing arrives.", f"ip link set {name} up"
        )
    if not interface.has_carrier:
        return Advice(
            "no-carrier",
            "problem",
            name,
            "The interface has no link.",
            "Check cable, switch port, or the other end of the veth.",
        )
    return Advice(
        "no-packets", "problem", name, "The interface is up and not one packet arrived.",
        "Nothing is mirrored to it: check the mirror session (source ports, direction, target), the security"
        " group of the target"
        " (UDP 4789 or 6081 for mirrored cloud traffic), and promiscuous mode of the virtual switch port.",
    )  # fmt: skip


def _no_tcp(name: str, survey: Survey) -> Advice:
    kinds = {reason for place in survey.places.values() for reason in place.reasons}
    what = ", ".join(sorted(reason.removeprefix("lost_").replace("_", " ") for reason in kinds))
    return Advice(
        "no-tcp", "problem", name, f"{survey.packets:,} packets and no TCP in them ({what}).",
        "This is what a network says to everybody; mirrored traffic is missing. Check the mirror session, and"
        " that the switch"
        " port or virtual switch lets frames for other hosts through.",
    )  # fmt: skip


def _no_http(name: str, survey: Survey) -> Advice:
    counts = {kind: _flows_of(survey, kind) for kind in (HTTP2, TLS, UNKNOWN)}
    seen = ", ".join(f"{kind} {count:,}" for kind, count in counts.items() if count) or "none with data"
    return Advice(
        "no-http", "problem", name, f"TCP, but no HTTP/1 in it; flows by protocol: {seen}.",
        "Mirror where requests are in clear text: behind the TLS terminator, or between proxy and application.",
    )  # fmt: skip


def _flows_of(survey: Survey, protocol: str) -> int:
    return sum(place.protocols[protocol] for place in survey.places.values())


def _on(flag: bool | None) -> str:
    return "unknown" if flag is None else "on" if flag else "off"


def _one_sided(where: str, place: PlaceSurvey) -> Iterator[Advice]:
    with_data = place.protocols.total()
    if place.one_sided < FEW or place.one_sided * 5 < with_data:
        return
    seen = "requests" if place.only_requests * 2 > place.one_sided else "responses"
    missing = "responses" if seen == "requests" else "requests"
    yield Advice(
        "one-sided", "warning", where,
        f"Of {place.one_sided:,} of {with_data:,} flows one direction only arrives, mostly {seen}.",
        f"Mirror both directions (rx and tx) of the port, so that {missing} come too; with asymmetric routing"
        " mirror both paths.",
    )  # fmt: skip


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


def _no_syn(where: str, place: PlaceSurvey) -> Iterator[Advice]:
    with_data = place.protocols.total()
    if place.no_syn >= FEW and place.no_syn * 2 > with_data:
        yield Advice(
            "missing-syn", "warning", where, f"{place.no_syn:,} of {with_data:,} flows with data have no SYN.",
            "Usual in the first seconds, when connections are older than the capture. If it stays so, SYNs are"
            " filtered away or one"
            " direction is missing; who is client is then told by the content alone.",
        )  # fmt: skip


def _checksums(where: str, place: PlaceSurvey) -> Iterator[Advice]:
    if place.bad_checksums >= FEW and place.bad_checksums * 20 > place.segments:
        yield Advice(
            "bad-checksums", "note", where,
            f"{place.bad_checksums:,} of {place.segments:,} segments have a wrong checksum.",
            "Usual where packets are taken on the sending machine before its card fills checksums in. They are"
            " analysed all the same.",
        )  # fmt: skip


def _loss(where: str, place: PlaceSurvey) -> Iterator[Advice]:
    total = place.seen_bytes + place.lost_bytes
    if place.reasons["lost_fragment"] >= FEW or place.reasons["lost_truncated"]:
        return  # what is acknowledged may lie in the fragments, which are not joined here, or was cut off
    if not place.lost_bytes or place.lost_bytes * 1000 < total:
        return
    share = 100 * place.lost_bytes / total
    yield Advice(
        "mirror-loss", "problem" if share >= 5 else "warning", where,
        f"{share:.1f} % of the bytes that receivers acknowledged never came ({place.lost_bytes:,} bytes).",
        "The mirror loses packets: its target port is slower than what is mirrored, the session is rate-limited,"
        " or one direction is"
        " missing. Mirror less or onto a faster port; drops of this machine are told apart from it.",
    )  # fmt: skip


def _encrypted(where: str, place: PlaceSurvey) -> Iterator[Advice]:
    flows = place.protocols[TLS]
    if flows:
        names = ", ".join(name for name, _ in place.names.most_common(5)) or "no server name seen"
        level = "note" if place.protocols[HTTP1] else "warning"
        yield Advice(
            "encrypted", level, where, f"{flows:,} flows are TLS ({names}).",
            "What is in them can be analysed with a key log only (docs/tls.md); otherwise mirror behind the TLS terminator.",
        )  # fmt: skip


def _tunnels(where: str, place: PlaceSurvey) -> Iterator[Advice]:
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
    if place.reasons["lost_unknown_link"]:
        yield Advice(
            "unknown-link", "problem", where, "Frames of a link type that is not known here.",
            "Capture on an Ethernet, Linux cooked or raw IP interface.",
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


PLACE_CHECKS: Final = (
    _truncated, _tunnels, _unreadable, _loss, _one_sided, _duplicates, _fragments, _no_syn, _encrypted, _checksums,
)  # fmt: skip


def _of_configuration(name: str, survey: Survey, source: Source) -> Iterator[Advice]:
    """What the configuration leaves out, and what it asks for that is not there."""
    if survey.filter_fault:
        yield Advice(
            "filter-refused",
            "problem",
            name,
            f"The sensor could not be started here: {survey.filter_fault}.",
            "Some words of a packet filter (`vlan`, `ether proto`) mean nothing on some links: give a filter without.",
        )
    for place in survey.places.values():
        for setting, count in place.filtered.items():
            yield _left_out(place_name(name, place), place, setting, count)
    places = [place for place in survey.places.values() if place.segments]
    if not places:
        return
    yield from _not_there(name, "vlan_ids", source.vlan_ids, {vlan for one in places for vlan in one.place[:2] if vlan})
    yield from _not_there(name, "vni_filter", source.vni_allow, {one.place[2] for one in places if one.place[2] >= 0})
    yield from _not_there(name, "ports", source.ports, {port for one in places for port in one.ports})


def _left_out(where: str, place: PlaceSurvey, setting: str, count: int) -> Advice:
    share = 100 * count / place.segments
    is_http = place.filtered_protocols[HTTP1] > 0
    usual = ", ".join(map(str, VXLAN_PORTS + GENEVE_PORTS))
    todo = {
        "tunnel ports": f"Put the tunnel's UDP port into `vxlan_ports` or `geneve_ports` (usual: {usual}).",
        "limits.encapsulation_depth": "Raise `limits.encapsulation_depth`.",
        "filter": "The packet filter looks at outer headers: VLAN tags need `or (vlan and …)`, tunnels `or udp port 4789`.",
    }.get(setting, f"If it should be analysed, change `{setting}`.")
    return Advice(
        "filtered", "problem" if is_http else "note", where,
        f"The configuration (`{setting}`) leaves {count:,} TCP segments out, {share:.0f} % of what is here"
        f"{', with HTTP in them' if is_http else ''}; {_what_is_here(place)}.",
        todo,
    )  # fmt: skip


def _what_is_here(place: PlaceSurvey) -> str:
    ports = sorted(place.ports, key=lambda port: -place.ports[port].total())[:5]
    return "server ports here: " + (", ".join(map(str, ports)) or "none with data")


def _not_there(name: str, setting: str, wanted: tuple[int, ...], there: set[int]) -> Iterator[Advice]:
    if wanted and not {*wanted} & there:
        seen = ", ".join(map(str, sorted(there)[:10])) or "none"
        yield Advice(
            "wrong-" + setting.replace("_", "-"), "problem", name,
            f"`{setting}` asks for {', '.join(map(str, wanted))}, and nothing of that is here; there is: {seen}.",
            f"Correct `{setting}`.",
        )  # fmt: skip
