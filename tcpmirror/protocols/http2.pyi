from tcpmirror.model.stream import FlowInfo, StreamSink
from tcpmirror.protocols.factory import ExchangeFactory

class Http2Connection(StreamSink):
    index: int
    def __init__(self, factory: ExchangeFactory, flow: FlowInfo, is_joined: bool) -> None: ...
