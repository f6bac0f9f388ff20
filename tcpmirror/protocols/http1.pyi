from tcpmirror.model.stream import FlowInfo, StreamSink
from tcpmirror.protocols.factory import ExchangeFactory

class Http1Factory(ExchangeFactory): ...

class Http1Connection(StreamSink):
    index: int
    def __init__(self, factory: ExchangeFactory, flow: FlowInfo) -> None: ...
