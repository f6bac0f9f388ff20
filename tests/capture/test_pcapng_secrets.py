"""Decryption Secrets Blocks of pcapng files."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import pytest

from tcpmirror.capture.pcapng_secrets import key_log_blocks
from tests.traffic import write_pcapng

KEYS = b"CLIENT_RANDOM " + b"00" * 32 + b" " + b"11" * 48


def written(path: Path, *keys: bytes, order: str = "<") -> Path:
    frames = [(1_700_000_000.0 + number, bytes(60 + number)) for number in range(5)]
    return write_pcapng(path, frames, keys, order)


@pytest.mark.parametrize("order", ["<", ">"])
def test_each_block_is_found_between_the_others(tmp_path: Path, order: str) -> None:
    assert list(key_log_blocks(str(written(tmp_path / "a", KEYS, b"# x", order=order)))) == [KEYS, b"# x"]


def test_in_a_compressed_file_too(tmp_path: Path) -> None:
    plain = written(tmp_path / "a", KEYS)
    packed = tmp_path / "a.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert list(key_log_blocks(str(packed))) == [KEYS]


def test_secrets_of_other_protocols_are_none_of_ours(tmp_path: Path) -> None:
    path = written(tmp_path / "a", KEYS)
    path.write_bytes(path.read_bytes().replace(struct.pack("<I", 0x544C534B), struct.pack("<I", 0x57474B4C)))
    assert list(key_log_blocks(str(path))) == []


@pytest.mark.parametrize("is_packed", [False, True])
def test_a_damaged_file_gives_what_came_before(tmp_path: Path, is_packed: bool) -> None:
    whole = written(tmp_path / "a", KEYS, KEYS).read_bytes()
    path = tmp_path / "b"
    for at in range(len(whole)):
        for damaged in (whole[:at], whole[:at] + b"\xff\0\0\xff" + whole[at + 4 :]):
            path.write_bytes(gzip.compress(damaged, 0) if is_packed else damaged)
            assert len(list(key_log_blocks(str(path)))) <= 2


@pytest.mark.parametrize("content", [b"", b"\x0a", b"\x1f\x8b", b"\xd4\xc3\xb2\xa1" + bytes(20), b"\x1f\x8bjunk"])
def test_what_is_no_pcapng_has_none(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a"
    path.write_bytes(content)
    assert list(key_log_blocks(str(path))) == []
    assert list(key_log_blocks(str(tmp_path / "missing"))) == []
    assert list(key_log_blocks("-")) == []
