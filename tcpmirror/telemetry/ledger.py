"""Ledgers: what came in, in packets, in payload bytes and in exchanges, against where each of it ended.

``taken_in = analysed + sum(reasons) + waiting``, always: a ledger with a `difference` is a fault of this program. The counts
of one page are of one moment, and pages are read against the flow of the traffic (workers before captures), so that what
is under way between two of them counts as waiting and never as missing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from tcpmirror.telemetry.counters import CounterPage
from tcpmirror.telemetry.names import CAPTURE

TRIES: Final = 100  # to find the writer of a page between two packets
AT_ONCE: Final = 5  # of them; then it may be waiting for its processor, and is given time
PAUSE_S: Final = 0.001
LOSSES: Final = tuple(name for name in CAPTURE if name.startswith("lost_"))
PACKET_ENDS: Final = ("segments", "duplicates", "fragments_joined", "fragments_held", *LOSSES)
CAPTURED_BYTE_ENDS: Final = (
    "segment_bytes",
    "duplicate_bytes",
    "shed_bytes",
    "ring_full_bytes",
    "simulated_bytes",
    "interrupted_bytes",
    "discarded_bytes",
)
STREAM_BYTE_ENDS: Final = (
    "stream_bytes",
    "retransmitted_bytes",
    "ignored_bytes",
    "reorder_held_bytes",
    "abandoned_bytes",
    "interrupted_bytes",
    "discarded_bytes",
)
EXCHANGE_ENDS: Final = ("inspected", "bypassed", "uninspected", "inspection_failures")

Counts = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Ledger:
    """One kind of thing. ``reasons``: why some of it was not analysed, with how much; those that are 0 are there too."""

    unit: str  # packets | bytes | exchanges
    taken_in: int
    analysed: int
    waiting: int
    reasons: dict[str, int]

    @property
    def difference(self) -> int:
        """What is in no place, 0 unless this program counts wrong."""
        return self.taken_in - self.analysed - self.waiting - sum(self.reasons.values())

    def described(self) -> dict[str, Any]:
        """Return it as JSON values, without the reasons that did not occur."""
        reasons = {name: count for name, count in self.reasons.items() if count}
        return {
            "unit": self.unit,
            "in": self.taken_in,
            "analysed": self.analysed,
            "waiting": self.waiting,
            "reasons": reasons,
            "difference": self.difference,
        }


def read_ledgers(captures: Iterable[CounterPage], workers: Iterable[CounterPage]) -> tuple[Ledger, Ledger, Ledger]:
    """Return the ledgers of packets, bytes and exchanges as of now."""
    worked = [_settled(page, _worker_difference) for page in workers]
    return ledgers([_settled(page, _capture_difference) for page in captures], worked)


def ledgers(captures: list[dict[str, int]], workers: list[dict[str, int]]) -> tuple[Ledger, Ledger, Ledger]:
    """Return the ledgers over snapshots of all captures and all workers."""
    captured = _summed(captures)
    worked = _summed(workers)
    return _packets(captured, worked), _bytes(captured, worked), _exchanges(worked, len(workers))


class _Sums(dict[str, int]):
    """Sums by counter; one that nobody counted is 0."""

    def __missing__(self, name: str) -> int:
        return 0


def _summed(snapshots: list[dict[str, int]]) -> _Sums:
    sums = _Sums()
    for snapshot in snapshots:
        for name, value in snapshot.items():
            sums[name] += value
    return sums


def _packets(captured: _Sums, worked: _Sums) -> Ledger:
    outside = {
        "nic_drop": captured["interface_dropped"],
        "kernel_drop": captured["kernel_dropped"],
        "unwatched": captured["unwatched"],
    }
    inside = {name.removeprefix("lost_"): captured[name] for name in ("duplicates", "fragments_joined", *LOSSES)}
    return Ledger(
        "packets",
        taken_in=captured["packets"] + sum(outside.values()),
        analysed=worked["segments"] - worked["skipped_records"],
        waiting=captured["fragments_held"] + captured["segments"] - worked["segments"],
        reasons={**outside, **inside, "skipped": worked["skipped_records"]},
    )


def _bytes(captured: _Sums, worked: _Sums) -> Ledger:
    """Payload: of segments that came, and of holes, whose bytes never came."""
    again = worked["retaken_bytes"]  # in hand when a worker died, so they end twice
    under_way = captured["segment_bytes"] + again - worked["published_bytes"]
    return Ledger(
        "bytes",
        taken_in=captured["tcp_bytes"] + worked["gap_bytes"] + again,
        analysed=worked["stream_bytes"] - worked["not_http_bytes"],
        waiting=under_way + worked["reorder_held_bytes"],
        reasons={
            "duplicates": captured["duplicate_bytes"],
            "shed": captured["shed_bytes"],
            "ring_full": captured["ring_full_bytes"],
            "simulated": captured["simulated_bytes"],
            "interrupted": captured["interrupted_bytes"] + worked["interrupted_bytes"],
            "discarded": captured["discarded_bytes"] + worked["discarded_bytes"],
            "retransmitted": worked["retransmitted_bytes"],
            "ignored": worked["ignored_bytes"],
            "abandoned": worked["abandoned_bytes"],
            "encrypted": worked["tls_bytes"],
            "not_http": worked["not_http_bytes"] - worked["tls_bytes"],
            "gap": worked["gap_bytes"] - worked["truncated_bytes"],
            "truncated": worked["truncated_bytes"],
        },
    )


def _exchanges(worked: _Sums, workers: int) -> Ledger:
    """A worker has one exchange in hand at a time, however long the machine lets it wait in the middle of it."""
    in_hand = worked["emitted"] - sum(worked[name] for name in EXCHANGE_ENDS)
    return Ledger(
        "exchanges",
        taken_in=worked["emitted"],
        analysed=worked["inspected"],
        waiting=min(max(0, in_hand), workers),
        reasons={
            "filtered": worked["bypassed"],
            "detection_off": worked["uninspected"],
            "failed": worked["inspection_failures"],
        },
    )


def _settled(page: CounterPage, difference: Callable[[Counts], int]) -> dict[str, int]:
    """Return a snapshot taken while the writer was not in the middle of something, unless it always is."""
    snapshot = page.snapshot()
    for number in range(TRIES):
        if not difference(snapshot):
            break
        if number >= AT_ONCE:
            time.sleep(PAUSE_S)
        snapshot = page.snapshot()
    return snapshot


def _capture_difference(counts: Counts) -> int:
    packets = counts["packets"] - sum(counts[name] for name in PACKET_ENDS)
    return packets or counts["tcp_bytes"] - sum(counts[name] for name in CAPTURED_BYTE_ENDS)


def _worker_difference(counts: Counts) -> int:
    unread = counts["published_bytes"] - sum(counts[name] for name in STREAM_BYTE_ENDS)
    return unread or counts["emitted"] - sum(counts[name] for name in EXCHANGE_ENDS)
