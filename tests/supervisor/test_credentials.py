"""The credentials of the embedded cloud: made once, private, whole or not there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tcpmirror.errors import EnvironmentFault
from tcpmirror.supervisor.credentials import CREDENTIALS_FILE, PASSWORD_FILE, Credentials, forget_password, load_or_create


def test_first_time_makes_both_and_later_times_find_them(tmp_path: Path) -> None:
    made = load_or_create(tmp_path)
    assert len(made.deploy_token) >= 32
    assert len(made.admin_password) >= 16
    assert load_or_create(tmp_path) == made, "until it is shown, the password stays the same"
    forget_password(tmp_path)
    forget_password(tmp_path)
    assert load_or_create(tmp_path) == Credentials(made.deploy_token, "")


def test_files_are_private_and_nothing_else_is_left(tmp_path: Path) -> None:
    load_or_create(tmp_path)
    assert {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {
        CREDENTIALS_FILE: 0o600,
        PASSWORD_FILE: 0o600,
    }
    assert list(json.loads((tmp_path / CREDENTIALS_FILE).read_text())) == ["deploy_token"]


def test_a_start_cut_short_between_the_two_files_begins_anew(tmp_path: Path) -> None:
    first = load_or_create(tmp_path)
    (tmp_path / CREDENTIALS_FILE).unlink()
    (tmp_path / f"{CREDENTIALS_FILE}.part").write_text('{"deploy')
    second = load_or_create(tmp_path)
    assert second.admin_password
    assert second.deploy_token != first.deploy_token


def test_no_text_shows_them(tmp_path: Path) -> None:
    made = load_or_create(tmp_path)
    assert made.deploy_token not in repr(made)
    assert made.admin_password not in repr(made)


BROKEN = {
    "cut": b'{"deploy_token": "abc',
    "not an object": b"[]",
    "another object": b'{"token": "x"}',
    "empty token": b'{"deploy_token": ""}',
    "number": b'{"deploy_token": 7}',
    "not text": b"\xff\xfe",
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_file_is_named_and_not_overwritten(tmp_path: Path, case: str) -> None:
    (tmp_path / CREDENTIALS_FILE).write_bytes(BROKEN[case])
    with pytest.raises(EnvironmentFault, match=CREDENTIALS_FILE):
        load_or_create(tmp_path)
    assert (tmp_path / CREDENTIALS_FILE).read_bytes() == BROKEN[case]


def test_a_directory_that_is_none_is_an_environment_fault(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("")
    with pytest.raises(EnvironmentFault, match=r"supervisor\.state_dir"):
        load_or_create(tmp_path / "state")
