"""Advice on a configuration: what it leaves out of what arrives, and what it asks for that is not there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Protocol

from tcpmirror.processes.advice import Advice
from tcpmirror.processes.decapsulators import GENEVE_PORTS, VXLAN_PORTS
from tcpmirror.processes.place_advice import place_name
from tcpmirror.processes.place_survey import Place, PlaceSurvey
from tcpmirror.processes.surveyed_flow import HTTP1
from tcpmirror.settings.tree import Source

SEEN_SHOWN: Final = 5


class Surveyed(Protocol):
    """What was seen of an interface or file: `Survey` or `Arrivals`."""

    places: dict[Place, PlaceSurvey]

    @property
    def filter_fault(self) -> str: ...


def settings_advice(name: str, survey: Surveyed, source: Source) -> Iterator[Advice]:
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
    http = ", with HTTP in them" if place.filtered_protocols[HTTP1] else ""
    usual = ", ".join(map(str, VXLAN_PORTS + GENEVE_PORTS))
    wanted, seen = place.left_out[setting]
    values = ", ".join(f"{value} ({times:,})" for value, times in seen.most_common(SEEN_SHOWN))
    first = next(iter(seen), "it")
    todo = {
        "hosts": f"Add {first} to `hosts`, or leave `hosts` empty to keep all addresses.",
        "ports": f"Add {first} to `ports`, or leave `ports` empty to keep all.",
        "vlan_ids": f"Add {first} to `vlan_ids`, or leave it empty to keep all, also what is untagged.",
        "vni_deny": f"If it should be analysed, take {first} out of `vni_deny`.",
        "ignore_ips": f"If it should be analysed, take {wanted} out of `ignore_ips`.",
        "tunnel ports": f"Put the tunnel's UDP port into `vxlan_ports` or `geneve_ports` (usual: {usual}).",
        "limits.encapsulation_depth": "Raise `limits.encapsulation_depth`.",
        "filter": "The packet filter looks at outer headers: VLAN tags need `or (vlan and …)`, tunnels `or udp port 4789`.",
    }.get(setting, f"If it should be analysed, change `{setting}`.")
    return Advice(
        "filtered", _level(place, count), where,
        f"The configuration (`{setting}: {wanted}`) leaves {count:,} TCP segments out, {share:.0f} % of what is here"
        f"{http}; {f'they are of {values}' if values else _what_is_here(place)}.",
        todo,
    )  # fmt: skip


def _level(place: PlaceSurvey, count: int) -> str:
    """HTTP that is left out is a problem where nothing else is left; beside what is kept it may be meant."""
    if not place.filtered_protocols[HTTP1]:
        return "note"
    return "problem" if count >= place.segments else "warning"


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
