from collections import deque

from tcpmirror.model.stream import FlowInfo, StreamSink
from tcpmirror.protocols.client_hello import ClientHello
from tcpmirror.protocols.factory import ExchangeFactory

class TlsConnection(StreamSink):
    def __init__(self, factory: ExchangeFactory, flow: FlowInfo, hellos: deque[tuple[str, ClientHello]]) -> None: ...
