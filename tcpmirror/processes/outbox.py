"""What waits in the exporter for the cloud beside reports: one thread adds, another sends.

What was sent and not acknowledged is sent again under the same id, so the cloud takes it once.
"""

from __future__ import annotations

import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterable, Iterator
from typing import ClassVar, Final, Generic, Protocol, TypeVar

import zstandard

CALL_BYTES: Final = 8 << 20  # of JSON in one call


class Keyed(Protocol):
    """A row that merges with those of the same key."""

    @property
    def key(self) -> Hashable: ...


Key = TypeVar("Key", bound=Hashable)
Row = TypeVar("Row", bound=Keyed)


class Outbox(ABC):
    """The calls that are to be made, one after the other."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: list[tuple[bytes, int]] = []  # of which the first is under way

    def next(self) -> tuple[bytes, int] | None:
        """Return the body of the next call to the cloud and how many rows it holds; the same until `done`."""
        if not self._calls:
            compress = zstandard.ZstdCompressor(level=3).compress
            self._calls += [(compress(record), rows) for record, rows in self._take()]
        return self._calls[0] if self._calls else None

    def done(self) -> None:
        """The cloud has taken what `next` returned, or never will."""
        self._calls.pop(0)

    @abstractmethod
    def _take(self) -> Iterator[tuple[bytes, int]]:
        """Yield what is to be sent now, as records under ids of their own, with the number of their rows."""


class MergingOutbox(Outbox, Generic[Key, Row]):
    """Rows of all workers, merged by their keys; a cloud that is away costs no disk, and memory for `most` keys."""

    most: ClassVar[int]  # waiting at once; rows of further keys are left out

    def __init__(self) -> None:
        super().__init__()
        self._waiting: dict[Key, Row] = {}

    def add(self, record: bytes) -> int:
        """Merge the rows of *record*; return how many. ValueError if it is no record of such."""
        rows = self._read(record)
        with self._lock:
            for row in rows:
                if len(self._waiting) < self.most or row.key in self._waiting:
                    self._merge(self._waiting, row)
        return len(rows)

    def _take(self) -> Iterator[tuple[bytes, int]]:
        with self._lock:
            taken, self._waiting = self._waiting, {}
        return self._records(taken.values())

    @abstractmethod
    def _read(self, record: bytes) -> list[Row]: ...

    @abstractmethod
    def _merge(self, table: dict[Key, Row], row: Row) -> None: ...

    @abstractmethod
    def _records(self, rows: Iterable[Row]) -> Iterator[tuple[bytes, int]]: ...


def new_id() -> str:
    """Return an id that no other record has."""
    return os.urandom(16).hex()
