"""`tcpmirror doctor`: looks at an interface or a capture file and says why a sensor would see nothing, or less than all."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import IO, Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tcpmirror.capture.bpf import build_filter
from tcpmirror.capture.interface_facts import InterfaceFacts, interface_facts, may_capture
from tcpmirror.capture.pcap_source import FileSource, KernelStats, LiveSource
from tcpmirror.errors import EnvironmentFault
from tcpmirror.processes.diagnosis import Advice, diagnose
from tcpmirror.processes.key_log import decryption_of_files, secrets_of_files
from tcpmirror.processes.sniffing import HTTP1, HTTP2, TLS, UNKNOWN
from tcpmirror.processes.survey import PlaceSurvey, Survey
from tcpmirror.settings.tree import Settings, Source

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
            "interface": None if self.interface is None else asdict(self.interface),
            "kernel": asdict(self.kernel),
            "places": [_described(place) for place in _by_size(self.survey)],
            "advice": [asdict(advice) for advice in self.advice],
        }


def examine_file(path: str, settings: Settings, source: Source | None, key_log: str = "") -> Examination:
    """Look at a capture file; EnvironmentFault when it cannot be read (a cut one is read as far as it goes).

    TLS is decrypted with the secrets that it holds, and those of *key_log*, if one is named.
    """
    file = FileSource(path)
    secrets = secrets_of_files([path], key_log)
    survey = Survey(file.link_type, settings, source, source.bpf if source else "", decryption_of_files(secrets))
    cut: list[Advice] = []
    try:
        while file.receive(survey):
            pass
    except EnvironmentFault as problem:
        cut = [
            Advice("cut-file", "problem", path, str(problem), "Write the capture again; what came before the cut was read.")
        ]
    finally:
        file.close()
    survey.finish()
    found = diagnose(path, survey, source, None, KernelStats())
    return Examination(path, (survey.last_ns - survey.first_ns) / 1e9, survey, None, KernelStats(), cut + found)


def examine_interfaces(
    names: list[str], seconds: float, settings: Settings, source_of: Callable[[str], Source | None]
) -> list[Examination]:
    """Look at interfaces for *seconds*, all at the same time; EnvironmentFault when one cannot be opened."""
    if not may_capture():
        raise EnvironmentFault(
            "capturing needs root or CAP_NET_RAW: run with sudo, or setcap cap_net_raw+ep on the interpreter"
        )
    sources = [source_of(name) for name in names]
    opened = [LiveSource(_wide(name, source)) for name, source in zip(names, sources, strict=True)]
    surveys = [
        Survey(live.link_type, settings, source, build_filter(source) if source else "")
        for live, source in zip(opened, sources, strict=True)
    ]
    faults: dict[str, list[Advice]] = {name: [] for name in names}
    until = time.monotonic() + seconds
    try:
        while time.monotonic() < until and not all(faults.values()):
            for name, live, survey in zip(names, opened, surveys, strict=True):
                _receive(name, live, survey, faults[name])
    except KeyboardInterrupt:
        pass  # what was seen so far is told
    finished: list[Examination] = []
    for name, live, survey, source in zip(names, opened, surveys, sources, strict=True):
        kernel = live.stats()
        live.close()
        survey.finish()
        facts = interface_facts(name)
        advice = faults[name] + diagnose(name, survey, source, facts, kernel)
        finished.append(Examination(name, seconds, survey, facts, kernel, advice))
    return finished


def _wide(name: str, source: Source | None) -> Source:
    """Return a source that leaves nothing out, cutting frames where the configured one would."""
    wide = Source(interface=name)
    return wide if source is None else replace(wide, snaplen=source.snaplen, promiscuous=source.promiscuous)


def _receive(name: str, live: LiveSource, survey: Survey, faults: list[Advice]) -> None:
    if faults:
        return
    try:
        live.receive(survey)
    except OSError as problem:
        faults.append(Advice("interface-gone", "problem", name, str(problem), "The sensor waits until it is back."))


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
    total = place.seen_bytes + place.lost_bytes
    return (
        f"{vlan}.{inner}" if inner else str(vlan or "-"),
        str(vni) if vni >= 0 else "-",
        f"{place.packets:,}",
        f"{100 * place.segments / place.packets:.0f} %",
        f"{place.flows:,}",
        *(f"{place.protocols[protocol]:,}" for protocol in (HTTP1, HTTP2, TLS, UNKNOWN)),
        f"{place.one_sided:,}",
        f"{place.duplicates:,}",
        f"{100 * place.lost_bytes / total:.1f} %" if total else "-",
        ", ".join(f"{port}" for port, _ in _top_ports(place)),
    )


def _top_ports(place: PlaceSurvey) -> list[tuple[int, dict[str, int]]]:
    ports = sorted(place.ports.items(), key=lambda item: -item[1].total())
    return [(port, dict(counts)) for port, counts in ports[:TOP_PORTS]]


def _described(place: PlaceSurvey) -> dict[str, Any]:
    vlan, inner, vni = place.place
    total = place.seen_bytes + place.lost_bytes
    return {
        "vlan": vlan or None,
        "inner_vlan": inner or None,
        "vni": vni if vni >= 0 else None,
        "tunnels": dict(place.tunnels),
        "packets": place.packets,
        "bytes": place.bytes,
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
        "loss": place.lost_bytes / total if total else 0.0,
        "left_out_by": dict(place.filtered),
    }
