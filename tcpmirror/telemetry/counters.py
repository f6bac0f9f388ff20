"""Counters in shared memory: one page a process, one writer a page, read by whoever has the memory.

A counter is an unsigned 64-bit integer on an 8-byte boundary, so a reader sees an old value or a new one, never half of each
(true of every 64-bit machine CPython runs on). Nothing is locked and nothing is sent.
"""

from __future__ import annotations

PAGE_BYTES = 4096


class CounterPage:
    """The counters of one process.

    ``view`` is the memory as unsigned 64-bit integers; compiled code takes it as ``uint64_t[::1]`` and increments the slots
    that `slot` names.
    """

    __slots__ = ("_slots", "names", "view")

    def __init__(self, memory: memoryview, names: tuple[str, ...]) -> None:
        if len(names) * 8 > len(memory):
            raise ValueError(f"{len(names)} counters do not fit into {len(memory)} bytes")
        self.names = names
        self.view = memory.cast("B").cast("Q")
        self._slots = {name: index for index, name in enumerate(names)}

    @classmethod
    def private(cls, names: tuple[str, ...]) -> CounterPage:
        """Return a page in this process's own memory, for tests and single-process commands."""
        return cls(memoryview(bytearray(PAGE_BYTES)), names)

    def slot(self, name: str) -> int:
        """Return the index of *name* in `view`; KeyError if this kind of process has no such counter."""
        return self._slots[name]

    def add(self, name: str, amount: int = 1) -> None:
        self.view[self._slots[name]] += amount

    def set(self, name: str, value: int) -> None:
        self.view[self._slots[name]] = value

    def get(self, name: str) -> int:
        return self.view[self._slots[name]]

    def snapshot(self) -> dict[str, int]:
        """Return every counter by name, as of one moment: the page is copied at once."""
        words = memoryview(self.view.tobytes()).cast("Q")
        return {name: words[index] for name, index in self._slots.items()}
