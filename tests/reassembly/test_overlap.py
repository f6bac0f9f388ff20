"""Overlapping segments: what is kept is what a pure model of each receiver keeps, and what was not is shown."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tcpmirror.model.anomaly import Anomaly
from tcpmirror.model.overlap import EVIDENCE_BYTES, OVERLAP_POLICIES, Overlap, overlap_texts
from tcpmirror.reassembly.overlap import RULES
from tests.reassembly.test_flow_table import ACK, FIN, SERVER, Wire

SIZE = 48  # of the model's stream


def newer_wins(policy: str, new: tuple[int, int], old: tuple[int, int]) -> bool:
    """Whether the bytes that *new* and *old* (start, end) share are taken from *new*."""
    (start, end), (old_start, old_end) = new, old
    match policy:
        case "first" | "windows":
            return False
        case "last":
            return True
        case "bsd" | "macos" | "windows-2003":
            return start < old_start
        case "linux":
            return start < old_start or (start == old_start and end > old_end)
        case "old-linux":
            return start < old_start or (start == old_start and end >= old_end)
        case "solaris" | "hpux":
            return end > old_end or (end == old_end and start <= old_start)
    raise AssertionError(policy)


@dataclass
class Model:
    """One direction, a byte at a time: each place that is not delivered holds (byte, number of its segment)."""

    policy: str
    held: dict[int, tuple[int, int]] = field(default_factory=dict)
    delivered: bytearray = field(default_factory=bytearray)

    def runs(self) -> list[tuple[int, int]]:
        """The stretches of bytes that one segment left, as (start, end)."""
        found: list[tuple[int, int]] = []
        for at in sorted(self.held):
            if found and found[-1][1] == at and self.held[at][1] == self.held[at - 1][1]:
                found[-1] = (found[-1][0], at + 1)
            else:
                found.append((at, at + 1))
        return found

    def take(self, number: int, start: int, data: bytes) -> None:
        skipped = max(0, len(self.delivered) - start)
        new = (start + skipped, start + len(data))
        if new[0] >= new[1]:
            return
        losing = {
            at
            for run in self.runs()
            if run[0] < new[1] and new[0] < run[1] and not newer_wins(self.policy, new, run)
            for at in range(*run)
        }
        for at in range(*new):
            if at not in losing:
                self.held[at] = (data[at - start], number)
        while len(self.delivered) in self.held:
            self.delivered.append(self.held.pop(len(self.delivered))[0])

    def finish(self) -> bytes:
        """What is seen at the end, `?` for each byte that was lost before one that was not."""
        end = max(self.held, default=len(self.delivered) - 1) + 1
        tail = (self.held.get(at, (ord("?"),))[0] for at in range(len(self.delivered), end))
        return bytes(self.delivered) + bytes(tail)


SEGMENTS = st.lists(
    st.tuples(st.integers(0, SIZE - 1), st.binary(min_size=1, max_size=16)),
    min_size=1,
    max_size=14,
)


@pytest.mark.parametrize("policy", OVERLAP_POLICIES)
@given(segments=SEGMENTS, isn=st.sampled_from([0, 1000, 2**31 - 20, 2**32 - 20]))
@settings(max_examples=150, deadline=None)
def test_any_overlaps_give_what_the_model_of_the_receiver_gives(policy: str, segments, isn: int) -> None:
    wire, model = Wire(client_isn=isn, overlap_policy=policy), Model(policy)
    wire.open()
    for number, (at, data) in enumerate(segments):
        wire.send(0, at, data, ack=0)
        model.take(number, at, data)
        assert (wire.stream(0) if wire.factory.opened else b"") == model.delivered
    wire.finish()
    assert wire.stream(0) == model.finish()


@pytest.mark.parametrize("policy", OVERLAP_POLICIES)
@given(
    data=st.binary(min_size=1, max_size=SIZE),
    cuts=st.lists(st.tuples(st.integers(0, SIZE), st.integers(1, 20)), max_size=20),
    lost=st.sets(st.integers(0, SIZE - 1), max_size=6),
    order=st.randoms(use_true_random=False),
)
@settings(max_examples=60, deadline=None)
def test_where_no_copies_differ_no_policy_matters(policy: str, data: bytes, cuts, lost: set[int], order) -> None:
    """Cut anyhow, repeated, reordered, dropped: the stream is the data, with a gap for each byte that was never sent."""
    wire = Wire(overlap_policy=policy)
    wire.open()
    pieces = [(at, data[at : at + size]) for at, size in [*cuts, *((at, 5) for at in range(0, len(data), 5))]]
    pieces = [(at, piece) for at, piece in pieces if piece and not lost & set(range(at, at + len(piece)))]
    order.shuffle(pieces)
    for at, piece in pieces:
        wire.send(0, at, piece, ack=0)
    wire.finish()
    seen = {place for at, piece in pieces for place in range(at, at + len(piece))}
    expected = bytes(data[at] if at in seen else ord("?") for at in range(max(seen, default=-1) + 1))
    assert (wire.stream(0) if pieces else b"") == expected
    assert wire.table.overlap_conflicts == 0


@given(segments=SEGMENTS)
@settings(max_examples=200, deadline=None)
def test_every_byte_is_in_one_sum(segments) -> None:
    for policy in ("first", "last", "linux", "solaris"):
        wire = Wire(overlap_policy=policy, memory_limit=1 << 20)
        wire.open()
        sent = 0
        for at, data in segments:
            wire.send(0, at, data, ack=0)
            sent += len(data)
            table = wire.table
            assert table.stream_bytes + table.retransmitted_bytes + table.ignored_bytes + table.reorder_held_bytes == sent
        wire.finish()
        assert wire.table.held_bytes == 0
        assert wire.table.reorder_held_bytes == 0


def test_every_policy_that_can_be_set_has_a_rule() -> None:
    assert set(RULES) == set(OVERLAP_POLICIES)


# id -> the copy that comes first and the second, each (start, bytes); what each rule keeps of them behind a hole of one byte
FIGURES = {
    "the same place": ((1, b"AAAA"), (1, b"BBBB"), {"first": b"AAAA", "bsd": b"AAAA", "linux": b"AAAA", "old-linux": b"BBBB", "solaris": b"BBBB", "last": b"BBBB"}),
    "the same start, longer": ((1, b"AA"), (1, b"BBBB"), {"first": b"AABB", "bsd": b"AABB", "linux": b"BBBB", "solaris": b"BBBB"}),
    "before and into": ((3, b"AAA"), (1, b"BBBB"), {"first": b"BBAAA", "bsd": b"BBBBA", "linux": b"BBBBA", "solaris": b"BBAAA", "last": b"BBBBA"}),
    "into and behind": ((1, b"AAAA"), (3, b"BBBB"), {"first": b"AAAABB", "bsd": b"AAAABB", "solaris": b"AABBBB", "last": b"AABBBB"}),
    "inside": ((1, b"AAAAAA"), (3, b"BB"), {"first": b"AAAAAA", "linux": b"AAAAAA", "solaris": b"AAAAAA", "last": b"AABBAA"}),
    "around": ((3, b"AA"), (1, b"BBBBBB"), {"first": b"BBAABB", "bsd": b"BBBBBB", "linux": b"BBBBBB", "solaris": b"BBBBBB"}),
}  # fmt: skip


@pytest.mark.parametrize("figure", FIGURES.values(), ids=FIGURES)
def test_the_figures_of_the_literature(figure) -> None:
    first, second, outcomes = figure
    for policy, kept in outcomes.items():
        wire = Wire(overlap_policy=policy)
        wire.open()
        wire.send(0, *first, ack=0)
        wire.send(0, *second, ack=0)
        wire.send(0, 0, b".", ack=0)
        assert wire.stream(0) == b"." + kept, policy


def test_the_rule_is_that_of_the_receiver() -> None:
    hosts = (("10.0.0.0/8", "last"), (f"{ipaddress.ip_address(SERVER)}/32", "first"), ("2001:db8::/32", "solaris"))
    wire = Wire(overlap_policy="bsd", overlap_hosts=hosts)
    wire.open()
    for side in (0, 1):
        wire.send(side, 1, b"old", ack=0)
        wire.send(side, 1, b"new", ack=0)
        wire.send(side, 0, b".", ack=0)
    assert (wire.stream(0), wire.stream(1)) == (b".old", b".new")


@pytest.mark.parametrize(
    ("policy", "kept", "other"), [("first", b"path=/safe", b"path=/evil"), ("last", b"path=/evil", b"path=/safe")]
)
def test_both_copies_are_shown(policy: str, kept: bytes, other: bytes) -> None:
    wire = Wire(overlap_policy=policy)
    wire.open()
    wire.send(0, 4, b"path=/safe", ack=0)
    wire.send(0, 4, b"path=/evil", ack=0)
    wire.send(0, 0, b"GET ", ack=0)
    flow = wire.factory.opened[0].flow
    assert flow.overlaps == (Overlap("10.0.0.1:4000", 4, kept, other),)
    assert flow.anomalies >> Anomaly.OVERLAP_CONFLICT & 1
    assert wire.table.overlap_conflicts == 1
    (line,) = overlap_texts(flow.overlaps)
    assert line == f"overlap conflict: 10.0.0.1:4000 byte 4: kept {str(kept)[1:]}, other {str(other)[1:]}"


def test_a_repetition_that_differs_from_what_was_delivered_is_shown() -> None:
    wire = Wire()
    wire.open()
    wire.send(0, 0, b"GET /", ack=0)
    wire.send(1, 0, b"HTTP/1.1 200 forged\r\n\r\n", ack=5)
    wire.send(0, 5, ack=23)
    wire.send(1, 0, b"HTTP/1.1 404 Not there\r\n\r\nmore", ack=5)
    assert wire.stream(1) == b"HTTP/1.1 200 forged\r\n\r\n\r\n\r\nmore"[:23] + b"HTTP/1.1 404 Not there\r\n\r\nmore"[23:]
    (overlap,) = wire.factory.opened[0].flow.overlaps
    assert (overlap.sender, overlap.offset) == ("10.0.0.2:80", 0)
    assert (overlap.kept[9:12], overlap.other[9:12]) == (b"200", b"404")


def test_a_keep_alive_with_a_byte_of_rubbish_is_no_conflict() -> None:
    wire = Wire()
    wire.open()
    wire.send(0, 0, b"GET /", ack=0)
    wire.send(0, 4, b"\0", ack=0)
    wire.send(0, 4, b"", ack=0)
    assert wire.stream(0) == b"GET /"
    assert wire.table.overlap_conflicts == 0


def test_evidence_is_bounded() -> None:
    wire = Wire()
    wire.open()
    for at in range(1, 3000, 300):
        wire.send(0, at, b"a" * 300, ack=0)
        wire.send(0, at, b"b" * 300, ack=0)
    wire.send(0, 0, b".", ack=0)
    overlaps = wire.factory.opened[0].flow.overlaps
    assert wire.table.overlap_conflicts == 10
    assert len(overlaps) == 4
    assert {(len(one.kept), len(one.other)) for one in overlaps} == {(EVIDENCE_BYTES, EVIDENCE_BYTES)}
    (line,) = overlap_texts([Overlap("[2001:db8:1234:5678:9abc:def0:1234:5678]:65535", 2**32 - 1, bytes(64), bytes(64))])
    assert len(line) <= 512
    assert line.isascii()


def test_bytes_that_the_capture_cut_off_lose_to_bytes_seen() -> None:
    wire = Wire()
    wire.open()
    wire.send(0, 1, b"ab", ack=0, missing=2)
    wire.send(0, 1, b"abcd", ack=0)
    wire.send(0, 0, b".", ack=0)
    assert wire.stream(0) == b".abcd"
    assert wire.table.overlap_conflicts == 0


def test_a_fin_in_the_middle_of_held_data_is_not_believed() -> None:
    wire = Wire()
    wire.open()
    wire.send(0, 2, b"cdef", ack=0)
    wire.send(0, 3, flags=FIN | ACK, ack=0)
    wire.send(0, 0, b"ab", ack=0)
    assert wire.stream(0) == b"abcdef"
    assert wire.factory.opened[0].flow.anomalies >> Anomaly.FALSE_END & 1


def test_an_unknown_policy_is_an_error() -> None:
    with pytest.raises(KeyError):
        Wire(overlap_policy="plan9")
