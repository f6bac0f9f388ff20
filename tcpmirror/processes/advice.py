"""Advice: one thing that stands out about a mirror, in plain words, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

FEW: Final = 3  # flows or packets that may be chance


@dataclass(frozen=True, slots=True)
class Advice:
    """``level``: problem (traffic is not analysed), warning (less than all is), note (worth knowing)."""

    code: str
    level: str
    where: str
    what: str
    todo: str


def loss_advice(where: str, seen_bytes: int, lost_bytes: int) -> Iterator[Advice]:
    """Yield what the share of lost bytes says; below a thousandth it says nothing."""
    total = seen_bytes + lost_bytes
    if not lost_bytes or lost_bytes * 1000 < total:
        return
    share = 100 * lost_bytes / total
    yield Advice(
        "mirror-loss", "problem" if share >= 5 else "warning", where,
        f"{share:.1f} % of the bytes that receivers acknowledged never came ({lost_bytes:,} bytes).",
        "The mirror loses packets: its target port is slower than what is mirrored, the session is rate-limited,"
        " or one direction is missing. Mirror less or onto a faster port; drops of this machine are told apart from it.",
    )  # fmt: skip


def one_sided_advice(where: str, one_sided: int, flows: int, missing: str = "") -> Iterator[Advice]:
    """Yield what flows of one direction say; *missing*: what does not come (`requests`, `responses`), if known."""
    if one_sided < FEW or one_sided * 5 < flows:
        return
    seen = {"requests": ", mostly responses", "responses": ", mostly requests"}.get(missing, "")
    so_that = f", so that {missing} come too" if missing else ""
    yield Advice(
        "one-sided", "warning", where,
        f"Of {one_sided:,} of {flows:,} flows one direction only arrives{seen}.",
        f"Mirror both directions (rx and tx) of the port{so_that}; with asymmetric routing mirror both paths.",
    )  # fmt: skip


def no_syn_advice(where: str, no_syn: int, flows: int) -> Iterator[Advice]:
    """Yield what flows without a SYN say."""
    if no_syn < FEW or no_syn * 2 <= flows:
        return
    yield Advice(
        "missing-syn", "warning", where, f"{no_syn:,} of {flows:,} flows with data have no SYN.",
        "Usual in the first seconds, when connections are older than the capture. If it stays so, SYNs are filtered away"
        " or one direction is missing; who is client is then told by the content alone.",
    )  # fmt: skip
