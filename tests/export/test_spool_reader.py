"""Several readers of one spool: each at its own pace, none at another's cost."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tcpmirror.export.spool import Spool

MIB = 1 << 20
NAMES = ("cloud", "siem", "chat")


def open_spool(directory: Path, quota: int = 64 * MIB, names: tuple[str, ...] = NAMES) -> Spool:
    return Spool(directory, quota, 600, fsync=False, names=names)


def fill(spool: Spool, first: int, count: int) -> None:
    for number in range(first, first + count):
        spool.append(b"record %d " % number + bytes(40))


def take(spool: Spool, name: str, count: int) -> list[int]:
    """Read and acknowledge up to *count* records; return their numbers."""
    taken: list[int] = []
    reader = spool.reader(name)
    while len(taken) < count and (part := reader.read(count - len(taken), MIB)) is not None:
        reader.acknowledge(part)
        taken += [int(record.split()[1]) for record in part.records]
    return taken


def test_each_reader_gets_everything(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    fill(spool, 0, 50)
    for name in NAMES:
        assert take(spool, name, 1000) == list(range(50))
        assert spool.reader(name).backlog == 0


def test_a_segment_stays_until_the_slowest_has_passed_it(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    fill(spool, 0, 50)
    files = len(list(tmp_path.glob("*.seg")))
    take(spool, "cloud", 1000)
    take(spool, "siem", 1000)
    assert len(list(tmp_path.glob("*.seg"))) == files
    take(spool, "chat", 1000)
    assert len(list(tmp_path.glob("*.seg"))) == 1


def test_the_quota_costs_only_those_that_are_behind(tmp_path: Path) -> None:
    spool = open_spool(tmp_path, quota=4000)
    taken: list[int] = []
    for first in range(0, 400, 10):
        fill(spool, first, 10)
        taken += take(spool, "cloud", 1000)
    assert taken == list(range(400))
    assert spool.reader("cloud").dropped == 0
    late = take(spool, "siem", 1000)
    assert late == list(range(400 - len(late), 400))
    assert spool.reader("siem").dropped == 400 - len(late) > 0


def test_a_reader_that_is_new_begins_with_the_oldest_on_disk(tmp_path: Path) -> None:
    spool = open_spool(tmp_path, names=("cloud",))
    fill(spool, 0, 30)
    spool.close()
    again = open_spool(tmp_path)
    assert take(again, "siem", 1000) == list(range(30))


def test_a_reader_that_is_no_more_holds_nothing_back(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    fill(spool, 0, 30)
    take(spool, "siem", 3)
    spool.close()
    again = open_spool(tmp_path, names=("cloud",))
    assert not (tmp_path / "position-siem.json").exists()
    take(again, "cloud", 1000)
    assert again.state().segments <= 1


def test_a_damaged_segment_is_one_for_all_readers(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    fill(spool, 0, 3)
    (path,) = tmp_path.glob("*.seg")
    data = bytearray(path.read_bytes())
    data[60] ^= 1
    path.write_bytes(data)
    for name in NAMES:
        assert take(spool, name, 1000) == [1, 2]
    assert spool.state().corrupt == 1


def test_an_unknown_reader_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        open_spool(tmp_path).reader("nobody")


STEPS = st.one_of(
    st.tuples(st.just("append"), st.integers(1, 20)),
    st.tuples(st.sampled_from(NAMES), st.integers(1, 30)),
    st.tuples(st.just("crash"), st.just(0)),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(STEPS, max_size=40))
def test_whatever_happens_each_reader_gets_every_record_once_in_order(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]
) -> None:
    directory = tmp_path_factory.mktemp("spool")
    spool, written = open_spool(directory), 0
    taken: dict[str, list[int]] = {name: [] for name in NAMES}
    for step, amount in steps:
        if step == "append":
            fill(spool, written, amount)
            written += amount
        elif step == "crash":
            spool.close()
            spool = open_spool(directory)
        else:
            taken[step] += take(spool, step, amount)
        for name in NAMES:
            assert spool.reader(name).backlog == written - len(taken[name])
    for name in NAMES:
        assert taken[name] + take(spool, name, 10_000) == list(range(written))
