from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tcpmirror.errors import EnvironmentFault
from tcpmirror.export.segment import HEADER_BYTES, RECORD_HEADER_BYTES
from tcpmirror.export.spool import Spool
from tcpmirror.export.stock import CORRUPT_FILES_KEPT

MIB = 1 << 20


def open_spool(directory: Path, quota: int = 64 * MIB, segment: int = 4 * MIB) -> Spool:
    return Spool(directory, quota, segment, fsync=False)


def drain(spool: Spool, at_a_time: int = 10) -> list[bytes]:
    """Read and acknowledge everything."""
    records: list[bytes] = []
    reader = spool.reader()
    while (part := reader.read(at_a_time, MIB)) is not None:
        records.extend(part.records)
        reader.acknowledge(part)
    return records


def records(count: int, size: int = 50) -> list[bytes]:
    return [f"record {number} ".encode().ljust(size, b".") for number in range(count)]


def fill(spool: Spool, wanted: list[bytes]) -> None:
    for record in wanted:
        spool.append(record)
    spool.sync()


def segment_files(directory: Path) -> list[Path]:
    return sorted(directory.glob("*.seg"))


def test_records_come_back_in_order_over_many_segments(tmp_path: Path) -> None:
    spool = open_spool(tmp_path, segment=500)
    fill(spool, records(100))
    assert len(segment_files(tmp_path)) > 10
    assert spool.reader().backlog == 100
    assert drain(spool) == records(100)
    assert spool.reader().backlog == 0


def test_acknowledged_segments_are_deleted(tmp_path: Path) -> None:
    spool = open_spool(tmp_path, segment=500)
    fill(spool, records(100))
    drain(spool)
    assert len(segment_files(tmp_path)) == 1


def test_records_written_after_all_was_read_are_read_too(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    for record in records(20):
        spool.append(record)
        assert drain(spool) == [record]


def test_unacknowledged_records_come_again_after_reopening(tmp_path: Path) -> None:
    spool = open_spool(tmp_path, segment=500)
    fill(spool, records(30))
    part = spool.reader().read(7, MIB)
    assert part is not None
    spool.reader().acknowledge(part)
    spool.reader().read(7, MIB)
    spool.close()
    again = open_spool(tmp_path, segment=500)
    assert again.reader().backlog == 23
    assert drain(again) == records(30)[7:]


def test_a_planned_batch_is_cut_the_same_after_a_crash_although_more_came(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    fill(spool, records(5))
    planned = spool.reader().read(100, MIB)
    assert planned is not None
    spool.reader().plan(planned)
    spool.append(b"one more")
    spool.close()
    assert open_spool(tmp_path).reader().read(100, MIB) == planned


def test_a_read_is_bounded_by_bytes_but_never_empty(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    fill(spool, records(10, size=1000))
    bounded, tiny = spool.reader().read(100, 3000), spool.reader().read(100, 1)
    assert bounded is not None and len(bounded.records) == 3
    assert tiny is not None and len(tiny.records) == 1


def test_parts_of_a_slice_name_their_own_place(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    fill(spool, records(6))
    whole = spool.reader().read(6, MIB)
    assert whole is not None
    first, second = whole.part(0, 2), whole.part(2, 6)
    assert (first.end, second.index, second.end) == (second.offset, 2, whole.end)
    spool.reader().acknowledge(first)
    assert spool.reader().read(4, MIB) == second


def test_an_acknowledgement_out_of_turn_changes_nothing(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    fill(spool, records(6))
    whole = spool.reader().read(6, MIB)
    assert whole is not None
    spool.reader().acknowledge(whole.part(2, 6))
    assert spool.reader().backlog == 6


# -- limits


def test_the_oldest_segment_gives_way_at_the_quota_and_is_counted(tmp_path: Path) -> None:
    spool = open_spool(tmp_path, quota=4000, segment=1000)
    fill(spool, records(200))
    dropped = spool.reader().dropped
    assert spool.state().size <= 4000
    kept = drain(spool)
    assert kept == records(200)[-len(kept) :]
    assert dropped == 200 - len(kept) > 0


def test_records_already_acknowledged_are_not_counted_as_dropped(tmp_path: Path) -> None:
    spool = open_spool(tmp_path, quota=4000, segment=1000)
    fill(spool, records(5))
    part = spool.reader().read(3, MIB)
    assert part is not None
    spool.reader().acknowledge(part)
    fill(spool, records(200))
    kept = drain(spool)
    assert spool.reader().dropped == 202 - len(kept)


def test_a_quota_smaller_than_a_segment_still_keeps_the_newest(tmp_path: Path) -> None:
    spool = open_spool(tmp_path, quota=400, segment=4 * MIB)
    fill(spool, records(50))
    assert records(50)[-1] in drain(spool)


@pytest.mark.parametrize("record", [b"", bytes((64 << 20) + 1)], ids=["empty", "longer than any report"])
def test_an_impossible_record_is_refused(tmp_path: Path, record: bytes) -> None:
    with pytest.raises(ValueError, match="a record has"):
        open_spool(tmp_path).append(record)


# -- who may use it


def test_a_second_process_cannot_open_it(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    opening = f"Spool(Path({str(tmp_path)!r}), 1 << 20, 1 << 20)"
    code = f"from pathlib import Path; from tcpmirror.export.spool import Spool; {opening}"
    second = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "spool.directory" in second.stderr
    assert "in use by another process" in second.stderr
    spool.close()
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_directory_that_cannot_be_made_names_the_setting(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(EnvironmentFault, match=r"spool\.directory"):
        open_spool(tmp_path / "file" / "spool")


def test_files_are_for_their_owner_only(tmp_path: Path) -> None:
    spool = open_spool(tmp_path / "spool")
    fill(spool, records(3))
    drain(spool)
    assert (tmp_path / "spool").stat().st_mode & 0o077 == 0
    assert all(path.stat().st_mode & 0o077 == 0 for path in (tmp_path / "spool").iterdir())


# -- recovery


def written(directory: Path, count: int) -> Path:
    """Return the one segment file of a spool with *count* records that its process left without closing."""
    spool = open_spool(directory)
    fill(spool, records(count))
    spool.close()
    (path,) = segment_files(directory)
    return path


def test_a_cut_at_every_offset_keeps_every_record_before_it(tmp_path: Path) -> None:
    whole = written(tmp_path / "whole", 4).read_bytes()
    size = RECORD_HEADER_BYTES + 50
    for cut in range(len(whole) + 1):
        directory = tmp_path / "cut"
        directory.mkdir()
        (directory / "0000000000000001.seg").write_bytes(whole[:cut])
        spool = open_spool(directory)
        intact = max(0, (cut - HEADER_BYTES) // size)
        assert spool.reader().backlog == intact
        spool.append(b"new after the cut")
        assert drain(spool) == [*records(4)[:intact], b"new after the cut"]
        assert spool.state().corrupt == 0
        spool.close()
        shutil.rmtree(directory)


def test_a_flip_at_every_offset_costs_one_record_at_most(tmp_path: Path) -> None:
    whole = written(tmp_path / "whole", 4).read_bytes()
    for at in range(HEADER_BYTES, len(whole)):
        directory = tmp_path / "flip"
        directory.mkdir()
        damaged = bytearray(whole)
        damaged[at] ^= 0x04
        (directory / "0000000000000001.seg").write_bytes(damaged)
        spool = open_spool(directory)
        kept = drain(spool)
        hit = (at - HEADER_BYTES) // (RECORD_HEADER_BYTES + 50)
        assert kept == [record for number, record in enumerate(records(4)) if number != hit]
        state = spool.state()
        # The length of the last record may be damaged so that it looks as if its writer had stopped half-way.
        assert (state.corrupt, spool.reader().dropped) == (1, 1) or hit == 3
        assert (directory / "0000000000000001.corrupt").exists() == bool(state.corrupt)
        spool.close()
        shutil.rmtree(directory)


def test_a_damaged_header_sets_the_file_aside(tmp_path: Path) -> None:
    path = written(tmp_path, 4)
    path.write_bytes(b"\x00" + path.read_bytes()[1:])
    spool = open_spool(tmp_path)
    assert spool.state().corrupt == 1
    assert path.with_suffix(".corrupt").exists()
    fill(spool, records(1))
    assert drain(spool) == records(1)


def test_damage_in_an_old_segment_is_counted_to_the_record(tmp_path: Path) -> None:
    spool = open_spool(tmp_path, segment=500)
    fill(spool, records(30))
    spool.close()
    path = segment_files(tmp_path)[1]
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    again = open_spool(tmp_path, segment=500)
    assert again.reader().backlog == 30
    assert len(drain(again)) == 29
    assert (again.reader().dropped, again.state().corrupt, again.reader().backlog) == (1, 1, 0)


def test_damage_done_while_it_runs_is_passed_over(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    fill(spool, records(3))
    (path,) = segment_files(tmp_path)
    with path.open("r+b") as file:
        file.seek(HEADER_BYTES + RECORD_HEADER_BYTES)
        file.write(b"XX")
    assert drain(spool) == records(3)[1:]
    spool.append(b"later")
    assert drain(spool) == [b"later"]


def test_evidence_of_damage_is_bounded(tmp_path: Path) -> None:
    for number in range(CORRUPT_FILES_KEPT + 5):
        (tmp_path / f"{number:016d}.seg").write_bytes(b"x" * 64)
    open_spool(tmp_path)
    assert len(list(tmp_path.glob("*.corrupt"))) == CORRUPT_FILES_KEPT


@pytest.mark.parametrize(
    "stored",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"{", id="cut"),
        pytest.param(b"[]", id="no object"),
        pytest.param(json.dumps({"segment": 1, "offset": 33, "index": 1, "planned": 0}).encode(), id="inside a record"),
        pytest.param(json.dumps({"segment": 1, "offset": 10**9, "index": 1, "planned": 0}).encode(), id="past the end"),
        pytest.param(json.dumps({"segment": -4, "offset": 0, "index": 0, "planned": 9}).encode(), id="before the start"),
    ],
)
def test_a_bad_position_repeats_records_and_loses_none(tmp_path: Path, stored: bytes) -> None:
    written(tmp_path, 4)
    (tmp_path / "position.json").write_bytes(stored)
    assert drain(open_spool(tmp_path)) == records(4)


def test_segment_numbers_are_never_used_twice(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    fill(spool, records(2))
    first = spool.reader().read(2, MIB)
    assert first is not None
    spool.reader().acknowledge(first)
    spool.close()
    for path in segment_files(tmp_path):
        path.unlink()
    again = open_spool(tmp_path)
    fill(again, records(2))
    second = again.reader().read(2, MIB)
    assert second is not None and second.segment > first.segment


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("append"), st.integers(1, 400)),
            st.tuples(st.just("take"), st.integers(1, 5)),
            st.tuples(st.just("crash"), st.just(0)),
        ),
        max_size=60,
    )
)
def test_whatever_happens_every_record_comes_once_in_order(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]
) -> None:
    directory = tmp_path_factory.mktemp("spool")
    spool, number = open_spool(directory, segment=600), 0
    taken: list[bytes] = []
    for step, amount in steps:
        if step == "append":
            spool.append(f"{number}:".encode() + b"x" * amount)
            number += 1
        elif step == "take" and (part := spool.reader().read(amount, MIB)) is not None:
            spool.reader().acknowledge(part)
            taken.extend(part.records)
        elif step == "crash":
            spool.close()
            spool = open_spool(directory, segment=600)
        assert spool.reader().backlog == number - len(taken)
    taken.extend(drain(spool))
    assert [int(record.partition(b":")[0]) for record in taken] == list(range(number))


def test_a_killed_writer_leaves_every_record_it_had_taken(tmp_path: Path) -> None:
    code = f"""
import os, signal
from pathlib import Path
from tcpmirror.export.spool import Spool
spool = Spool(Path({str(tmp_path)!r}), 1 << 26, 2000)
for number in range(500):
    spool.append(b"record %d" % number)
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    assert drain(open_spool(tmp_path)) == [b"record %d" % number for number in range(500)]


def test_one_thread_writes_while_another_reads(tmp_path: Path) -> None:
    spool = open_spool(tmp_path, segment=3000)
    wanted = records(3000)
    writer = threading.Thread(target=fill, args=(spool, wanted))
    writer.start()
    found: list[bytes] = []
    while writer.is_alive() or spool.reader().backlog:
        found += drain(spool)
    assert found == wanted


# -- a full disk


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "none", disk], check=False, capture_output=True)
    if mounted.returncode:
        pytest.skip(f"no small file system can be mounted here: {mounted.stderr!r}")
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)


def test_a_full_disk_refuses_whole_records_and_is_counted(small_disk: Path) -> None:
    spool = open_spool(small_disk, segment=32 * 1024)
    taken = []
    with pytest.raises(OSError, match="No space left"):
        for record in records(10_000, size=700):
            spool.append(record)
            taken.append(record)
    assert spool.state().errors == 1
    assert drain(spool) == taken
    spool.append(b"there is room again")
    assert drain(spool) == [b"there is room again"]


def test_a_spool_on_a_full_disk_can_be_opened_and_emptied(small_disk: Path) -> None:
    spool = open_spool(small_disk, segment=32 * 1024)
    with pytest.raises(OSError, match="No space left"):
        fill(spool, records(10_000, size=700))
    backlog = spool.reader().backlog
    spool.close()
    again = open_spool(small_disk, segment=32 * 1024)
    assert len(drain(again)) == backlog > 100
