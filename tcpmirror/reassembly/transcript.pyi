from tcpmirror.model.stream import FlowInfo, SinkFactory, StreamSink

class Transcript(StreamSink):
    events: list[tuple[str, int, bytes | int]]
    flow: FlowInfo
    def __init__(self, flow: FlowInfo) -> None: ...
    def stream(self, side: int) -> bytes: ...

class TranscriptFactory(SinkFactory):
    opened: list[Transcript]
    def __init__(self) -> None: ...
