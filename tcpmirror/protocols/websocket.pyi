from tcpmirror.model.exchange import Request, Response
from tcpmirror.model.stream import FlowInfo, StreamSink
from tcpmirror.protocols.factory import ExchangeFactory

class WebSocketConnection(StreamSink):
    index: int
    def __init__(
        self, factory: ExchangeFactory, flow: FlowInfo, client_side: int, handshake: Request | None, answer: Response
    ) -> None: ...
