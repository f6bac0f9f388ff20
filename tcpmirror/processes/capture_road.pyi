from collections.abc import Callable

from tcpmirror.capture.filter_program import FilterProgram
from tcpmirror.capture.receiver import FrameReceiver
from tcpmirror.decap.decapsulator import Decapsulator
from tcpmirror.decap.duplicates import DuplicateTable
from tcpmirror.decap.fragments import FragmentJoiner
from tcpmirror.ring.ring import Doorbell, RingWriter
from tcpmirror.ring.shedding import Shedder
from tcpmirror.telemetry.counters import CounterPage

class CaptureRoad(FrameReceiver):
    is_patient: bool
    is_discarding: bool
    is_stopping: bool
    domain: int
    while_waiting: Callable[[], None] | None
    def __init__(
        self,
        decapsulator: Decapsulator,
        hash_key: bytes,
        writers: list[RingWriter],
        bells: list[Doorbell],
        page: CounterPage,
        shedder: Shedder,
        fragments: FragmentJoiner,
        is_patient: bool = ...,
        duplicates: DuplicateTable | None = ...,
    ) -> None: ...
    def simulate(self, gap: float, ring_full: float) -> None: ...
    def keep_apart(self, vlans: bool, vnis: bool) -> None: ...
    def take_share(self, index: int, count: int, key: bytes) -> None: ...
    def use(self, decapsulator: Decapsulator, domain: int) -> None: ...
    def filter_inner(self, frames: FilterProgram | None, packets: FilterProgram | None) -> None: ...
    def flush(self) -> None: ...
    def end_source(self) -> None: ...
    def announce(self, kind: int, payload: bytes) -> None: ...
