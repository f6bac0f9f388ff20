"""What the doctor found at one interface or file, and how it is told: as a table for people, as JSON for programs."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import IO, Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tcpmirror.capture.interface_facts import InterfaceFacts
from tcpmirror.capture.pcap_source import KernelStats
from tcpmirror.processes.advice import Advice
from tcpmirror.processes.place_survey import PlaceSurvey
from tcpmirror.processes.survey import Survey
from tcpmirror.processes.surveyed_flow import HTTP1, HTTP2, TLS, UNKNOWN, WEBSOCKET

STYLES: Final = {"problem": "bold red", "warning": "yellow", "note": "cyan"}
TOP_PORTS: Final = 5
PIPE_COLUMNS: Final = 160


@dataclass(frozen=True, slots=True)
class Examination:
    """What was found at one interface or file."""

    name: str
    seconds: float  # of packet time in a file, of waiting at an interface
    survey: Survey
    interface: InterfaceFacts | None
    kernel: KernelStats
    advice: list[Advice]

    def described(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "name": self.name,
            "seconds": round(self.seconds, 3),
            "packets": self.survey.packets,
            "exchanges": self.survey.exchanges,
            "tls_flows_decrypted": self.survey.decrypted_flows,
            "ledgers": [ledger.described() for ledger in self.survey.ledgers[:2]],
            "interface": None if self.interface is None else asdict(self.interface),
            "kernel": asdict(self.kernel),
            "places": [_described(place) for place in _by_size(self.survey)],
            "advice": [asdict(advice) for advice in self.advice],
        }


def write_json(examinations: list[Examination], out: IO[str]) -> None:
    """Write one JSON object with everything that was found."""
    json.dump({"examinations": [one.described() for one in examinations]}, out, indent=2)
    out.write("\n")


def write_table(examinations: list[Examination], out: IO[str]) -> None:
    """Write what was found for people."""
    console = Console(file=out, highlight=False, width=None if out.isatty() else PIPE_COLUMNS)
    for one in examinations:
        console.print(_table(one))
        for advice in one.advice:
            console.print(Text.assemble((f"{advice.level:8}", STYLES[advice.level]), f" {advice.where}: {advice.what}"))
            console.print(Text(f"{'':8} → {advice.todo}"))
        console.print()


def _table(one: Examination) -> Table:
    facts = one.interface
    about = "" if facts is None else f", MTU {facts.mtu}, {'up' if facts.is_up else 'down'}"
    table = Table(title=f"{one.name}: {one.survey.packets:,} packets in {one.seconds:.1f} s{about}", title_justify="left")
    columns = (
        "VLAN",
        "VNI",
        "packets",
        "TCP",
        "flows",
        HTTP1,
        HTTP2,
        TLS,
        WEBSOCKET,
        UNKNOWN,
        "one-sided",
        "twice",
        "lost",
        "server ports",
    )
    for column in columns:
        table.add_column(column, justify="left" if column in ("VLAN", "server ports") else "right")
    for place in _by_size(one.survey):
        table.add_row(*_row(place))
    return table


def _by_size(survey: Survey) -> list[PlaceSurvey]:
    return sorted(survey.places.values(), key=lambda place: -place.packets)


def _row(place: PlaceSurvey) -> tuple[str, ...]:
    vlan, inner, vni = place.place
    return (
        f"{vlan}.{inner}" if inner else str(vlan or "-"),
        str(vni) if vni >= 0 else "-",
        f"{place.packets:,}",
        f"{100 * place.segments / max(1, place.packets):.0f} %",
        f"{place.flows:,}",
        *(f"{place.protocols[protocol]:,}" for protocol in (HTTP1, HTTP2, TLS, WEBSOCKET, UNKNOWN)),
        f"{place.one_sided:,}",
        f"{place.duplicates:,}",
        f"{100 * place.loss:.1f} %",
        ", ".join(f"{port}" for port, _ in _top_ports(place)),
    )


def _top_ports(place: PlaceSurvey) -> list[tuple[int, dict[str, int]]]:
    ports = sorted(place.ports.items(), key=lambda item: -item[1].total())
    return [(port, dict(counts)) for port, counts in ports[:TOP_PORTS]]


def _described(place: PlaceSurvey) -> dict[str, Any]:
    vlan, inner, vni = place.place
    return {
        "vlan": vlan or None,
        "inner_vlan": inner or None,
        "vni": vni if vni >= 0 else None,
        "tunnels": dict(place.tunnels),
        "packets": place.packets,
        "bytes": place.size,
        "longest_frame": place.longest,
        "tcp_segments": place.segments,
        "not_analysed": {reason.removeprefix("lost_"): count for reason, count in place.reasons.items()},
        "udp_ports": dict(place.udp_ports.most_common(TOP_PORTS)),
        "flows": place.flows,
        "protocols": dict(place.protocols),
        "server_ports": [{"port": port, "flows": flows} for port, flows in _top_ports(place)],
        "tls_server_names": dict(place.names.most_common()),
        "one_sided_flows": place.one_sided,
        "flows_without_syn": place.no_syn,
        "duplicates": place.duplicates,
        "truncated": place.truncated,
        "bad_checksums": place.bad_checksums,
        "seen_bytes": place.seen_bytes,
        "lost_bytes": place.lost_bytes,
        "loss": place.loss,
        "left_out_by": dict(place.filtered),
    }
