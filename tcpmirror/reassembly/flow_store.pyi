from collections.abc import Iterable

from tcpmirror.model.stream import SinkFactory
from tcpmirror.reassembly.origins import Origins

class FlowStore:
    flows: int
    held_bytes: int
    flows_total: int
    flows_evicted: int
    flows_idle: int
    stream_bytes: int
    memory_limit_hits: int
    retransmitted_bytes: int
    out_of_order_segments: int
    overlap_conflicts: int
    gaps: int
    gap_bytes: int
    ignored_bytes: int
    reorder_held_bytes: int
    abandoned_bytes: int
    truncated_bytes: int
    mirror_lost_bytes: int
    origins: Origins
    bodies_shed: int
    source: int
    def __init__(
        self,
        factory: SinkFactory,
        *,
        memory_limit: int,
        flow_limit: int,
        idle_ns: int,
        half_open_ns: int,
        closing_ns: int,
        reorder_bytes: int,
        reorder_segments: int,
        flow_depth: int = ...,
        overlap_policy: str = ...,
        overlap_hosts: Iterable[tuple[str, str]] = ...,
        urgent_inline: bool = ...,
    ) -> None: ...
    def advance(self, now_ns: int) -> None: ...
    def abandon(self) -> None: ...
    def end_all(self, domain: int = ...) -> None: ...
