"""Advice on a configuration: what it leaves out of what arrives, and what it asks for that is not there."""

from __future__ import annotations

from collections.abc import Iterator

from tcpmirror.processes.advice import Advice
from tcpmirror.processes.place_advice import place_name
from tcpmirror.processes.place_survey import PlaceSurvey
from tcpmirror.processes.survey import GENEVE_PORTS, VXLAN_PORTS, Survey
from tcpmirror.processes.surveyed_flow import HTTP1
from tcpmirror.settings.tree import Source


def settings_advice(name: str, survey: Survey, source: Source) -> Iterator[Advice]:
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
