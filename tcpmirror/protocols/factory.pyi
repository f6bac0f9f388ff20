from collections.abc import Callable

from tcpmirror.model.exchange import Exchange
from tcpmirror.model.stream import SinkFactory
from tcpmirror.protocols.decryption import Decryption
from tcpmirror.settings.tree import Limits

class ExchangeFactory(SinkFactory):
    requests: int
    responses: int
    exchanges: int
    unanswered: int
    response_only: int
    not_http_bytes: int
    http_errors: int
    http2_flows: int
    websocket_flows: int
    websocket_messages: int
    tls_flows: int
    tls_bytes: int
    decryption: Decryption | None
    def __init__(
        self,
        emit: Callable[[Exchange], object],
        limits: Limits,
        *,
        response_timeout_ns: int,
        parse_responses: bool = ...,
        hash_bodies: bool = ...,
    ) -> None: ...
