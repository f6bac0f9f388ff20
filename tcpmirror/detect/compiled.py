"""The patterns of a pack as Hyperscan databases: compiled once, kept on disk under the hash of what they were made from."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from pathlib import Path
from typing import Final

import hyperscan

from tcpmirror.detect.pack import Rule
from tcpmirror.detect.text_search import OnMatch, Scan
from tcpmirror.errors import SettingsError

# Where an installation puts the databases of the rules that it came with.
INSTALLED: Final = Path(sys.prefix) / "share" / "tcpmirror" / "rules"
_DATABASES: Final = b"databases 2"  # to be raised when `_write` writes them in another way
_PLANS: Final = b"needs 3"  # to be raised when `factors` or `alphabet` read patterns in another way
ScanTerminated = hyperscan.ScanTerminated
RefusedPattern = hyperscan.HyperscanError  # what a database with a bad pattern raises; `check_rules` tells which
_FLAGS: Final = hyperscan.HS_FLAG_CASELESS | hyperscan.HS_FLAG_DOTALL | hyperscan.HS_FLAG_SINGLEMATCH
# In the normal form values stand among others: "^" and "$" become what the notations put around a value. A blank begins one
# only behind a mark, as in `Name: value`: between words it would make a beginning of each.
_WIDENED: Final = {
    b"^": rb"(?:^|[\x01\r\n=\x22\x27>&;?\\\[]|[^\w\x80-\xff,.] )",
    b"$": rb"(?:$|[\x01\r\n \x22\x27<&;?#\\\]=])",
}
# A long bounded repetition is counted from each of its beginnings; without a bound one state holds them all.
_BOUNDED: Final = re.compile(rb"(?<!\\)\{(\d*),(\d{2,})\}")
_BOUND: Final = 16
_ANCHOR: Final = re.compile(rb"\\.|\[(?:\\.|\[:\w+:\]|[^\]\\])*\]|\(\?|[\^$]", re.DOTALL)

# Called with (expression index, start, end, flags, context); a true return ends the scan.


class Role(IntEnum):
    """What a matching expression says about its rule."""

    SIGN = 0
    MUST = 1
    MUST_NOT = 2


@dataclass(frozen=True, slots=True)
class Expression:
    pattern: bytes
    rule: int
    role: Role
    group: int  # which of the rule's `must` expressions


class Matcher:
    """One database; ``expressions[i]`` is what the match callback's index *i* means."""

    def __init__(self, expressions: Sequence[Expression], cache_dir: Path | None) -> None:
        self.expressions = tuple(expressions)
        patterns = [item.pattern for item in expressions]
        flags = [_FLAGS] * len(patterns)
        self.cache_names = frozenset([_cache_name(patterns, flags)]) if expressions else frozenset()
        self._database = open_database(patterns, flags, cache_dir) if expressions else None
        self._scratch = hyperscan.Scratch(self._database) if self._database else None

    def scan(self, data: bytes, on_match: OnMatch) -> bool:
        """Report every expression that matches *data*, each once; False if *on_match* ended it. Linear in the data."""
        if self._database is not None and data:
            try:
                self._database.scan(data, match_event_handler=on_match, scratch=self._scratch)
            except ScanTerminated:
                return False
        return True

    def scanner(self, on_match: OnMatch) -> Scan:
        """Return what `scan` does with *on_match* as one call; ScanTerminated if that ended it."""
        return Scan(self._database, self._scratch, on_match)


def value_expressions(rules: Sequence[Rule]) -> list[Expression]:
    """Return the expressions that judge one value."""
    found: list[Expression] = []
    for index, rule in enumerate(rules):
        found += [Expression(pattern, index, Role.SIGN, 0) for pattern in rule.patterns]
        found += [Expression(pattern, index, Role.MUST, group) for group, pattern in enumerate(rule.must)]
        found += [Expression(pattern, index, Role.MUST_NOT, 0) for pattern in rule.must_not]
    return found


def gate_expressions(rules: Sequence[Rule]) -> list[Expression]:
    """Return the expressions for the normal form: each matches whenever the rule could match a value inside it."""
    found: list[Expression] = []
    for index, rule in enumerate(rules):
        found += [Expression(loosened(pattern), index, Role.SIGN, 0) for pattern in rule.gates or rule.patterns]
        found += [Expression(loosened(pattern), index, Role.MUST, group) for group, pattern in enumerate(rule.must)]
    return found


def loosened(pattern: bytes) -> bytes:
    """Return *pattern* with its anchors widened to whatever a value can begin after and end before in the normal form.

    Repetitions of `_BOUND` times or more lose their upper bound: half the cost of a search was counting them.
    """
    return _BOUNDED.sub(_unbounded, _ANCHOR.sub(lambda match: _WIDENED.get(match.group(), match.group()), pattern))


def _unbounded(match: re.Match[bytes]) -> bytes:
    return match.group() if int(match.group(2)) < _BOUND else b"{%s,}" % (match.group(1) or b"0")


def check_rules(rules: Iterable[Rule]) -> None:
    """Raise SettingsError for the first rule with a pattern that Hyperscan refuses."""
    for rule in rules:
        for problem in refused_patterns(rule):
            raise problem


def refused_patterns(rule: Rule) -> Iterator[SettingsError]:
    """Yield what Hyperscan refuses of the patterns of *rule*."""
    groups = {"patterns": rule.patterns, "must": rule.must, "must_not": rule.must_not, "gates": rule.gates}
    for key, patterns in groups.items():
        for pattern in patterns:
            try:
                _compile([pattern, loosened(pattern)])
            except hyperscan.HyperscanError as error:
                text = pattern.decode("latin-1")
                yield SettingsError(
                    rule.file,
                    rule.line,
                    f"{rule.id}.{key}",
                    text,
                    "a Hyperscan pattern",
                    f"{text!r}: {_reason(pattern, error)}",
                )


def _reason(pattern: bytes, error: Exception) -> str:
    """Return what Hyperscan says is wrong with *pattern*, where it says so."""
    try:
        hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK).compile(expressions=[pattern], ids=[0], elements=1, flags=[_FLAGS])
    except hyperscan.HyperscanError as exact:
        return str(exact)
    return str(error)


def database_bytes(pattern: bytes) -> int:
    """Return the size of the automaton of *pattern* alone; RefusedPattern: there is none."""
    size: int = _compile([pattern]).size()
    return size


def _compile(patterns: Sequence[bytes], flags: Sequence[int] = ()) -> hyperscan.Database:
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    count = len(patterns)
    database.compile(
        expressions=list(patterns), ids=list(range(count)), elements=count, flags=list(flags) or [_FLAGS] * count
    )
    return database


def open_database(patterns: Sequence[bytes], flags: Sequence[int], cache_dir: Path | None) -> hyperscan.Database:
    """Return the database of *patterns*: as installed, else from *cache_dir*, else compiled and kept there.

    Compiling takes seconds, so of several processes that need the same database one compiles and the others wait for it.
    """
    name = _cache_name(patterns, flags)
    database = _read(INSTALLED / name)
    if database is None and cache_dir is not None:
        database = _read(cache_dir / name)
        if database is not None:
            _note_use(cache_dir / name)
    if database is not None or cache_dir is None:
        return database or _compile(patterns, flags)
    with _only_one(cache_dir):
        database = _read(cache_dir / name)
        if database is None:
            database = _compile(patterns, flags)
            _write(cache_dir / name, hyperscan.dumpb(database))
    return database


def kept_text(facts: Sequence[bytes], make: Callable[[], str], cache_dir: Path | None) -> tuple[str, str]:
    """Return the file name and text of what *make* makes of *facts*: as installed, else from *cache_dir*, else made now."""
    name = _digest((_PLANS, *facts)) + ".plan"
    for file in (INSTALLED / name, *([cache_dir / name] if cache_dir else [])):
        text = _text(file)
        if text is not None:
            _note_use(file)
            return name, text
    text = make()
    if cache_dir is not None:
        content = text.encode("ascii")
        _write(cache_dir / name, hashlib.sha256(content).digest() + content)
    return name, text


def _cache_name(patterns: Sequence[bytes], flags: Sequence[int]) -> str:
    kinds = str(flags[0]) if len(set(flags)) == 1 else ",".join(map(str, flags))
    return _digest((_DATABASES, _version(), kinds.encode(), *patterns)) + ".hs"


@lru_cache(maxsize=1)
def _version() -> bytes:
    version: str = hyperscan.__version__  # type: ignore[attr-defined]
    return version.encode()


def _digest(facts: Iterable[bytes]) -> str:
    return hashlib.sha256(b"\0".join(facts)).hexdigest()[:32]


@contextmanager
def _only_one(cache_dir: Path) -> Iterator[None]:
    """Hold the cache's lock; where none can be had (a full or read-only disk), go on without."""
    try:
        cache_dir.mkdir(parents=True, exist_ok=True)
        lock = (cache_dir / "lock").open("wb")
    except OSError:
        yield
        return
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _read(file: Path) -> hyperscan.Database | None:
    """Return the database in *file*; None if there is none, or not a whole one for this processor.

    What Hyperscan writes holds the length and a checksum, which it compares when it reads: another would be work done twice
    over fifty megabytes at each start.
    """
    try:
        return hyperscan.loadb(file.read_bytes(), hyperscan.HS_MODE_BLOCK)
    except (OSError, hyperscan.HyperscanError):
        return None


def _text(file: Path) -> str | None:
    """Return the text that `kept_text` wrote to *file* behind its checksum; None if it is not there as it was."""
    try:
        content = file.read_bytes()
    except OSError:
        return None
    return content[32:].decode("ascii") if content[:32] == hashlib.sha256(content[32:]).digest() else None


def _note_use(file: Path) -> None:
    """Make the file's time that of its last use, by which those that nobody uses any more are found."""
    with suppress(OSError):  # another user's file, or a disk that is read only
        os.utime(file)


def _write(file: Path, content: bytes) -> None:
    """Write *content* so that a reader sees all or nothing; a full disk only costs the cache."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=file.parent, prefix=".hs-", delete=False) as part:
            part.write(content)
            os.fchmod(part.fileno(), 0o644)  # the sensor may run as another user than who installed it
    except OSError:
        return
    try:
        os.replace(part.name, file)  # noqa: PTH105
    except OSError:
        Path(part.name).unlink(missing_ok=True)
