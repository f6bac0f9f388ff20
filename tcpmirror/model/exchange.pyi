from tcpmirror.model.disagreement import Disagreement
from tcpmirror.model.overlap import Overlap

TUNNEL_NAMES: tuple[str, ...]

def ip_text(packed: bytes) -> str: ...
def endpoint_text(packed: bytes, port: int) -> str: ...

class KnownBody:
    body: bytes
    clean_for: int

class Message:
    head: bytes
    body: bytes
    body_length: int
    wire_length: int
    body_sha256: bytes | None
    time_ns: int
    end_ns: int
    anomalies: int
    known: KnownBody | None
    def __init__(self, head: bytes = ..., body: bytes = ..., time_ns: int = ...) -> None: ...
    @property
    def headers(self) -> tuple[tuple[bytes, bytes], ...]: ...
    def header(self, name: bytes) -> bytes | None: ...

class Request(Message):
    method: bytes
    target: bytes
    version: bytes
    disagreement: Disagreement | None
    member_names: bytes | None
    def names_or_body(self) -> bytes: ...
    def __init__(
        self,
        head: bytes = ...,
        body: bytes = ...,
        time_ns: int = ...,
        method: bytes = ...,
        target: bytes = ...,
        version: bytes = ...,
    ) -> None: ...

class Response(Message):
    status: int
    version: bytes
    def __init__(
        self, head: bytes = ..., body: bytes = ..., time_ns: int = ..., status: int = ..., version: bytes = ...
    ) -> None: ...

class Exchange:
    request: Request | None
    response: Response | None
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
    index: int
    overlaps: tuple[Overlap, ...]
    anomalies: int
    def __init__(
        self,
        request: Request | None = ...,
        response: Response | None = ...,
        client_ip: bytes = ...,
        client_port: int = ...,
        server_ip: bytes = ...,
        server_port: int = ...,
    ) -> None: ...
    @property
    def client(self) -> str: ...
    @property
    def server(self) -> str: ...
    @property
    def time_ns(self) -> int: ...
    @property
    def duration_ns(self) -> int | None: ...
    @property
    def protocol(self) -> str: ...
    @property
    def host(self) -> str | None: ...
    @property
    def encapsulation(self) -> str: ...
