"""Databases and lists asked as one. Any thread may ask; one at a time looks for changes."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tcpmirror.cloud.enrichment.databases import SourceDatabase, signature_of
from tcpmirror.cloud.enrichment.entries import SourceLists
from tcpmirror.cloud.enrichment.reputation import ReputationList
from tcpmirror.cloud.enrichment.source import NOTHING, Source
from tcpmirror.cloud.search.keys import number_of_address
from tcpmirror.errors import EnvironmentFault
from tcpmirror.settings.tree import SourceList

_log = logging.getLogger(__name__)
_KEPT: Final = 50_000  # answers; a scan comes from few addresses, a flood from many that come once
REMOTE_NS: Final = 3600 * 10**9  # a list at a URL is asked for once an hour


@dataclass(frozen=True, slots=True)
class Shelf:
    """One database or list, for people: what it is, where, and what is wrong with it."""

    name: str
    origin: str
    about: str
    problem: str


class SourceBook:
    """All databases and lists; the first that says something of a field is believed.

    A file that is missing or wrong raises nothing: what it would have said is unknown, and `shelves` tells.
    """

    def __init__(self, databases: Iterable[str] = (), lists: Iterable[SourceList] = ()) -> None:
        self._paths = tuple(Path(path) for path in databases)
        self._lists = tuple(ReputationList(one.kind, one.origin) for one in lists)
        self._databases: dict[Path, SourceDatabase] = {}
        self._problems: dict[Path, str] = {}
        self._answers: dict[str, Source] = {}
        self._remote_ns: int | None = None
        self._looking = threading.Lock()
        self.lists: SourceLists | None = None  # as ingestion last read them
        self.edition = 0  # grows when answers may differ from those before
        self._look_at_files()

    @property
    def is_empty(self) -> bool:
        return not self._paths and not self._lists

    def source(self, address: str) -> Source:
        """Return what is known of *address*; nothing if it is none."""
        if self.is_empty:
            return NOTHING
        known = self._answers.get(address)
        if known is None:
            known = self._looked_up(address)
            if len(self._answers) >= _KEPT:
                self._answers = {}
            self._answers[address] = known
        return known

    def look(self, now_ns: int) -> None:
        """Take what changed: files at once, lists at URLs once an hour."""
        with self._looking:
            self._look_at_files()
            if self._remote_ns is None or now_ns - self._remote_ns >= REMOTE_NS:
                self._remote_ns = now_ns
                self._take([one for one in self._lists if one.is_remote])

    def shelves(self) -> list[Shelf]:
        """Return every database and list as people want to see it."""
        found = []
        for path in self._paths:
            database = self._databases.get(path)
            found.append(Shelf("database", str(path), database.about if database else "", self._problems.get(path, "")))
        for one in self._lists:
            left_out = f", {one.networks.left_out} lines left out" if one.networks.left_out else ""
            found.append(Shelf(one.kind, one.origin, f"{len(one.networks):,} ranges{left_out}", one.problem))
        return found

    def _looked_up(self, address: str) -> Source:
        found = NOTHING
        for database in tuple(self._databases.values()):
            found = found.joined(database.source(address))
        try:
            number = number_of_address(address)
        except ValueError:
            return NOTHING
        listed = tuple(one.kind for one in self._lists if number in one.networks)
        return found.joined(Source(kinds=listed)) if listed else found

    def _look_at_files(self) -> None:
        self._take([one for one in self._lists if not one.is_remote])
        for path in self._paths:
            known = self._databases.get(path)
            if known is not None and known.signature == signature_of(path):
                continue
            try:
                self._databases[path] = SourceDatabase(path)
            except EnvironmentFault as fault:
                self._tell(path, str(fault))
                continue
            self._problems.pop(path, None)
            self._changed()

    def _take(self, lists: list[ReputationList]) -> None:
        for one in lists:
            before = one.problem
            if one.look():
                self._changed()
            if one.problem and one.problem != before:
                _log.warning("source list %s", one.problem)

    def _tell(self, path: Path, problem: str) -> None:
        if self._problems.get(path) != problem:
            _log.warning("%s", problem)
        self._problems[path] = problem

    def _changed(self) -> None:
        self.edition += 1
        self._answers = {}
