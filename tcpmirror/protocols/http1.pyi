from collections.abc import Callable

from tcpmirror.model.exchange import Exchange
from tcpmirror.model.stream import FlowInfo, SinkFactory, StreamSink
from tcpmirror.settings.tree import Limits

class Http1Factory(SinkFactory):
    requests: int
    responses: int
    exchanges: int
    unanswered: int
    response_only: int
    not_http_bytes: int
    http_errors: int
    def __init__(
        self,
        emit: Callable[[Exchange], object],
        limits: Limits,
        *,
        response_timeout_ns: int,
        parse_responses: bool = ...,
        hash_bodies: bool = ...,
    ) -> None: ...

class Http1Connection(StreamSink):
    def __init__(self, factory: Http1Factory, flow: FlowInfo) -> None: ...
