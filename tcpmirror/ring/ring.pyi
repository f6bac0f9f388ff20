from typing_extensions import Buffer

HEADER_BYTES: int
KIND_SEGMENT: int
KIND_SOURCE_END: int
KIND_REPORT: int
KIND_LINE: int
KIND_DRAIN: int
KIND_DIGEST: int
KIND_IGNORED: int
KIND_APIS: int
KIND_PROTOCOLS: int
KIND_BEHAVIOR: int
KIND_SESSIONS: int
KIND_WEAKNESSES: int

def ring_bytes(capacity: int) -> int: ...

class RingWriter:
    """The producing end of a single-producer single-consumer byte ring in shared memory."""

    def __init__(self, memory: Buffer) -> None: ...
    def write(self, kind: int, payload: bytes) -> bool:
        """Append a record; False when it does not fit now (nothing was written)."""
    @property
    def fill(self) -> float: ...
    @property
    def largest_payload(self) -> int: ...

class RingReader:
    """The consuming end. `read` shows the next record, `advance` takes it off the ring.

    A consumer that dies between the two finds the record again.
    """

    def __init__(self, memory: Buffer) -> None: ...
    def read(self) -> tuple[int, bytes] | None: ...
    def advance(self) -> None: ...
    @property
    def position(self) -> int: ...
    @property
    def fill(self) -> float: ...
    @property
    def is_empty(self) -> bool: ...
    corruptions: int

class Doorbell:
    """One per consumer, rung by any number of producers (a futex word in shared memory)."""

    SIZE: int
    def __init__(self, memory: Buffer) -> None: ...
    def ring(self) -> None: ...
    def ticket(self) -> int:
        """Return the count to hand to `wait`: take it *before* looking at the rings."""
    def wait(self, ticket: int, timeout_ms: int) -> bool:
        """Sleep until rung after *ticket* was taken, a signal, or the time-out; True when rung."""
