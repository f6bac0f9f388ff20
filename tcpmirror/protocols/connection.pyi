from collections import deque
from collections.abc import Callable

from tcpmirror.model.exchange import Exchange
from tcpmirror.model.stream import FlowInfo, StreamSink
from tcpmirror.protocols.client_hello import ClientHello
from tcpmirror.protocols.decryption import Decryption
from tcpmirror.protocols.factory import ExchangeFactory
from tcpmirror.settings.tree import Limits

class ProtocolFactory(ExchangeFactory):
    def __init__(
        self,
        emit: Callable[[Exchange], object],
        limits: Limits,
        *,
        response_timeout_ns: int,
        parse_responses: bool = ...,
        hash_bodies: bool = ...,
        decryption: Decryption | None = ...,
    ) -> None: ...
    hellos: deque[tuple[str, ClientHello]]

class Connection(StreamSink):
    def __init__(self, factory: ProtocolFactory, flow: FlowInfo) -> None: ...
