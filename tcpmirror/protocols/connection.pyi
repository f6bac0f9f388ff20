from collections import deque

from tcpmirror.model.stream import FlowInfo, StreamSink
from tcpmirror.protocols.client_hello import ClientHello
from tcpmirror.protocols.factory import ExchangeFactory

class ProtocolFactory(ExchangeFactory):
    hellos: deque[tuple[str, ClientHello]]

class Connection(StreamSink):
    def __init__(self, factory: ProtocolFactory, flow: FlowInfo) -> None: ...
