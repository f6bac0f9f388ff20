"""Breached passwords, looked up by the first characters of their SHA-1 so that nobody is asked for a whole one.

A range is what begins with the same PREFIX hexadecimal digits (k-anonymity as in L. Li et al., "Protocols for checking
compromised credentials", CCS 2019). The set without a file is that of the most common passwords that the package `zxcvbn`
lists; an operator's own file may be as large as memory allows: eight bytes a hash.
"""

from __future__ import annotations

import hashlib
import importlib.machinery
import importlib.util
from array import array
from bisect import bisect_left
from collections.abc import Iterable
from pathlib import Path

from tcpmirror.errors import EnvironmentFault

PREFIX: int = 5
_HEX: frozenset[str] = frozenset("0123456789abcdefABCDEF")


class BreachedPasswords:
    """A set of SHA-1 hashes, of which the first 64 bits are kept, in order."""

    def __init__(self, hashes: Iterable[str]) -> None:
        self._hashes = array("Q", sorted({int(each[:16], 16) for each in hashes}))

    def __len__(self) -> int:
        return len(self._hashes)

    def __contains__(self, password: object) -> bool:
        if not isinstance(password, bytes):
            return False
        digest = hashlib.sha1(password, usedforsecurity=False).hexdigest()
        return digest[PREFIX:16] in self.range(digest[:PREFIX])

    def range(self, prefix: str) -> list[str]:
        """Return what follows *prefix* (hexadecimal, lower case) in the hashes that begin with it, to the 16th digit."""
        low = int(prefix.ljust(16, "0"), 16)
        high = low + (1 << 4 * (16 - len(prefix)))
        found = self._hashes[bisect_left(self._hashes, low) : bisect_left(self._hashes, high)]
        return [f"{each:016x}"[len(prefix) :] for each in found]


def breached_passwords(path: str = "") -> BreachedPasswords:
    """Return the set in the file *path*, or that of the most common passwords; EnvironmentFault if it cannot be read."""
    if not path:
        return BreachedPasswords(
            hashlib.sha1(each.encode(), usedforsecurity=False).hexdigest() for each in _common_passwords()
        )
    try:
        with Path(path).open(encoding="ascii", errors="replace") as lines:
            return BreachedPasswords(_hash_of(line, number, path) for number, line in enumerate(lines, 1) if line.strip())
    except OSError as problem:
        raise EnvironmentFault(f"behavior.breached_passwords: {path} cannot be read: {problem}") from problem


def _common_passwords() -> list[str]:
    """Return the list in `zxcvbn`: its module alone, as the package's others take longer to load than the list."""
    package = importlib.util.find_spec("zxcvbn")
    places = package.submodule_search_locations if package is not None else None
    spec = importlib.machinery.PathFinder.find_spec("frequency_lists", places) if places else None
    if spec is None or spec.loader is None:
        raise EnvironmentFault(
            "behavior.breached_passwords: the package zxcvbn, which holds the built-in list, is not whole"
        )
    lists = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(lists)
    common: list[str] = lists.FREQUENCY_LISTS["passwords"]
    return common


def _hash_of(line: str, number: int, path: str) -> str:
    digest = line.strip()[:40]
    if len(digest) != 40 or not _HEX.issuperset(digest):
        raise EnvironmentFault(
            f"behavior.breached_passwords: {path}, line {number}: accepted: a SHA-1 in 40 hexadecimal digits"
        )
    return digest.lower()
