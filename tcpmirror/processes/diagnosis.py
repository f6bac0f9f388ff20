"""Diagnosis: from what was surveyed to what is wrong with it and what to do about that, in plain words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tcpmirror.capture.interface_facts import InterfaceFacts
from tcpmirror.capture.pcap_source import KernelStats
from tcpmirror.processes.advice import Advice
from tcpmirror.processes.place_advice import place_advice, place_name
from tcpmirror.processes.settings_advice import settings_advice
from tcpmirror.processes.survey import Survey
from tcpmirror.processes.surveyed_flow import HTTP2, TLS, UNKNOWN
from tcpmirror.settings.tree import Source

LINK_HEADER: Final = 14 + 2 * 4  # Ethernet with two tags


def diagnose(
    name: str, survey: Survey, source: Source | None, interface: InterfaceFacts | None, kernel: KernelStats
) -> list[Advice]:
    """Return everything that stands out at the interface or file *name*, problems first."""
    found = [*_of_interface(name, survey, interface, kernel)]
    for place in survey.places.values():
        found += place_advice(place_name(name, place), place)
    if source is not None:
        found += settings_advice(name, survey, source)
    if survey.exchanges and not any(advice.level == "problem" for advice in found):
        found.append(
            Advice("http-is-here", "note", name, f"{survey.exchanges:,} HTTP exchanges could be rebuilt.", "Nothing to do.")
        )
    return sorted(found, key=lambda advice: ("problem", "warning", "note").index(advice.level))


def _of_interface(name: str, survey: Survey, interface: InterfaceFacts | None, kernel: KernelStats) -> Iterator[Advice]:
    if not survey.packets:
        yield _nothing(name, interface)
    elif not any(place.segments for place in survey.places.values()):
        yield _no_tcp(name, survey)
    elif not survey.exchanges:
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
        "no-http", "problem", name, f"TCP, but not one HTTP exchange in it; flows by protocol: {seen}.",
        "Mirror where requests are in clear text: behind the TLS terminator, or between proxy and application.",
    )  # fmt: skip


def _flows_of(survey: Survey, protocol: str) -> int:
    return sum(place.protocols[protocol] for place in survey.places.values())


def _on(flag: bool | None) -> str:
    return "unknown" if flag is None else "on" if flag else "off"
