"""Breached passwords are found by a prefix of their hash."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from tcpmirror.behavior.breached import PREFIX, breached_passwords
from tcpmirror.errors import EnvironmentFault


def sha1(password: str) -> str:
    return hashlib.sha1(password.encode(), usedforsecurity=False).hexdigest()


def test_the_most_common_passwords_are_known_without_a_file() -> None:
    known = breached_passwords()
    assert len(known) == 30_000
    assert b"123456" in known and b"password" in known
    assert b"correct horse battery staple" not in known


def test_who_asks_tells_a_prefix_only_and_compares_the_rest(tmp_path: Path) -> None:
    digest = sha1("tr0ub4dor")
    file = tmp_path / "breached"
    file.write_text(f"{digest.upper()}:17\n{sha1('other')}\n")
    known = breached_passwords(str(file))
    assert digest[PREFIX:16] in known.range(digest[:PREFIX])
    assert b"tr0ub4dor" in known and b"123456" not in known


FAULTY = {"no such file": None, "no hash": "hello\n", "cut": "abcdef0123\n"}


@pytest.mark.parametrize("text", FAULTY.values(), ids=FAULTY)
def test_what_is_no_file_of_hashes_is_refused(tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "breached"
    if text is not None:
        file.write_text(text)
    with pytest.raises(EnvironmentFault, match="breached_passwords"):
        breached_passwords(str(file))
