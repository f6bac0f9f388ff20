from tcpmirror.model.overlap import Overlap

class FlowInfo:
    client_ip: bytes
    server_ip: bytes
    client_port: int
    server_port: int
    source: int
    vlan: int
    inner_vlan: int
    vni: int
    tunnel: int
    flow_hash: int
    is_client_known: bool
    first_index: int
    anomalies: int
    overlaps: tuple[Overlap, ...]
    def __init__(
        self,
        client_ip: bytes = ...,
        client_port: int = ...,
        server_ip: bytes = ...,
        server_port: int = ...,
        is_client_known: bool = ...,
    ) -> None: ...

class StreamSink:
    deadline_ns: int
    held_bytes: int
    def feed(self, side: int, chunk: bytes, time_ns: int = ...) -> None: ...
    def skip(self, side: int, length: int, time_ns: int = ...) -> None: ...
    def finish(self, side: int, how: int = ..., time_ns: int = ...) -> None: ...
    def lighten(self) -> None: ...
    def expire(self, now_ns: int) -> None: ...

class SinkFactory:
    def open_flow(self, flow: FlowInfo) -> StreamSink: ...

class SilentFactory(SinkFactory): ...
