"""Mirror health: what the doctor says of a place, said of a running sensor from its own counters, with each heartbeat."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any, Final

from tcpmirror.export.metrics import ProcessPage, total
from tcpmirror.export.tallies import Origin, Tallies
from tcpmirror.processes.advice import Advice, loss_advice, no_syn_advice, one_sided_advice
from tcpmirror.processes.look import read_look
from tcpmirror.telemetry.ledger import Ledger, read_ledgers
from tcpmirror.telemetry.notes import Note

PLACES_LIMIT: Final = 50
NAMES_SHOWN: Final = 5  # TLS server names of a place, at most so many characters of each:
NAME_SHOWN: Final = 80
HEALTH_BYTES: Final = 56 << 10  # a heartbeat holds 64 KiB, and tells more than this
PROTOCOLS: Final = {
    "HTTP messages": ("requests", "responses"),
    "HTTP/2 flows": ("http2_flows",),
    "WebSocket flows": ("websocket_flows",),
    "TLS flows": ("tls_flows",),
}
TROUBLE: Final = {
    "nic_drop": "The card or its driver drops packets: it has more to take than it can.",
    "kernel_drop": "The kernel drops packets, because capture does not keep up: raise `buffer_size`, or give it more CPU.",
    "unwatched": "Packets passed while no capture process was there: `status` says why it died.",
    "ring_full": "Workers do not keep up: raise `limits.segment_ring` or `workers`.",
    "shed": "Workers do not keep up, and whole flows are skipped: raise `workers`, or mirror less.",
    "truncated": "Packets are cut short: raise `snap_len`, or the packet length of the mirror session.",
    "unknown_link": "Frames of an unknown link type: capture on an Ethernet, Linux cooked or raw IP interface.",
    "depth": "Packets have more encapsulations than `limits.encapsulation_depth`.",
    "skipped": "Packets that killed a worker twice are left out; please report it with the log.",
    "simulated": "Faults on purpose are on (`--simulate`).",
}


def mirror_health(pages: tuple[ProcessPage, ...], tallies: Tallies, notes: Iterable[Note] = ()) -> dict[str, Any]:
    """Return ledgers, protocols, places and advice as JSON values; the places with the most bytes, PLACES_LIMIT of them.

    *notes*: what capture processes found out about their configuration.
    """
    ledgers = read_ledgers(*([each.page for each in pages if each.kind == kind] for kind in ("capture", "worker")))
    mirror = tallies.mirror.copy()
    busiest = sorted(mirror, key=lambda origin: -mirror[origin]["seen_bytes"] - mirror[origin]["lost_bytes"])
    advice = [*_of_packets(ledgers[0]), *_of_flows(pages)]
    for origin in busiest:
        advice += _of_place(origin, mirror[origin])
    told = [asdict(one) for one in advice] + [one for note in notes for one in read_look(note)]
    order = ("problem", "warning", "note")
    health: dict[str, Any] = {
        "ledgers": [ledger.described() for ledger in ledgers],
        "protocols": {
            name: sum(total(pages, "worker", counter) for counter in counters) for name, counters in PROTOCOLS.items()
        },
        "places": [_place(origin, mirror[origin], tallies) for origin in busiest[:PLACES_LIMIT]],
        "advice": sorted(told, key=lambda one: order.index(one["level"]))[:PLACES_LIMIT],
    }
    return _fitted(health)


def _place(origin: Origin, counts: Counter[str], tallies: Tallies) -> dict[str, Any]:
    names = tallies.names.get(origin, Counter[str]()).most_common(NAMES_SHOWN)
    return {
        "place": place_text(origin),
        **counts,
        "protocols": dict(tallies.protocols.get(origin, {})),
        "names": {name[:NAME_SHOWN]: count for name, count in names},
    }


def _fitted(health: dict[str, Any]) -> dict[str, Any]:
    """Return *health* without as many of its last places and pieces of advice as are too much for a heartbeat."""
    while len(json.dumps(health)) > HEALTH_BYTES:
        max(health["places"], health["advice"], key=len).pop()
    return health


def place_text(origin: Origin) -> str:
    """Return source, VLAN and VNI as `eth1, VLAN 100.42, VNI 7`."""
    source, vlan, vni = origin
    return ", ".join((source, *((f"VLAN {vlan}",) if vlan else ()), *((f"VNI {vni}",) if vni else ())))


def _of_packets(packets: Ledger) -> Iterator[Advice]:
    if not packets.taken_in:
        yield Advice(
            "no-packets", "problem", "all sources", "Not one packet has come.", "Run tcpmirror doctor -i INTERFACE."
        )
    for reason, todo in TROUBLE.items():
        count = packets.reasons[reason]
        if count:
            share = 100 * count / packets.taken_in
            level = "problem" if share >= 1 else "warning"
            words = reason.replace("_", " ")
            yield Advice(
                reason, level, "all sources", f"{words}: {count:,} of {packets.taken_in:,} packets ({share:.2f} %).", todo
            )
    duplicates = packets.reasons["duplicates"]
    if duplicates * 100 > packets.taken_in:
        yield Advice(
            "duplicates", "warning", "all sources", f"{duplicates:,} of {packets.taken_in:,} packets came twice.",
            "Both ends of a link are mirrored. Results stay right, the work doubles: mirror one of them.",
        )  # fmt: skip
    if packets.difference:
        yield Advice(
            "difference", "problem", "all sources", f"{packets.difference:,} packets are in no place of the ledger.",
            "A fault of this program: please report it.",
        )  # fmt: skip


def _of_flows(pages: tuple[ProcessPage, ...]) -> Iterator[Advice]:
    segments, messages = total(pages, "worker", "segment_bytes"), total(pages, "worker", "requests")
    if total(pages, "capture", "packets") and not total(pages, "capture", "segments"):
        yield Advice(
            "no-tcp", "problem", "all sources", "Packets come, and not one TCP segment that is wanted is in them.",
            "Run tcpmirror doctor -i INTERFACE -c FILE: it names the setting that leaves them out.",
        )  # fmt: skip
    elif segments and not messages and not total(pages, "worker", "responses"):
        yield Advice(
            "no-http", "problem", "all sources", "TCP comes, and no HTTP is in it.",
            "Mirror where requests are in clear text: behind the TLS terminator, or between proxy and application.",
        )  # fmt: skip
    if flows := total(pages, "worker", "tls_flows"):
        yield Advice(
            "encrypted", "note", "all sources", f"{flows:,} flows are TLS.",
            "What is in them cannot be analysed: mirror behind the TLS terminator.",
        )  # fmt: skip


def _of_place(origin: Origin, counts: Counter[str]) -> Iterator[Advice]:
    where = place_text(origin)
    yield from loss_advice(where, counts["seen_bytes"], counts["lost_bytes"])
    yield from one_sided_advice(where, counts["one_sided_flows"], counts["flows"])
    yield from no_syn_advice(where, counts["no_syn_flows"], counts["flows"])
