"""`exact` where it was built (the sanitized tree), plain calls elsewhere."""

from __future__ import annotations

from importlib.util import find_spec

from tcpmirror.capture.receiver import FrameReceiver
from tcpmirror.decap.decapsulator import Decapsulator
from tcpmirror.model.stream import StreamSink

if find_spec("tests.fuzz.exact"):
    from tests.fuzz.exact import decode, feed, take
else:

    def feed(sink: StreamSink, side: int, data: bytes, time_ns: int) -> None:
        sink.feed(side, data, time_ns)

    def take(receiver: FrameReceiver, time_ns: int, frame: bytes, link_type: int) -> None:
        receiver(time_ns, frame)

    def decode(decapsulator: Decapsulator, frame: bytes) -> tuple[str, int, int, int]:
        reason, segment = decapsulator.read_frame(frame)
        if segment is None:
            return reason, 0, 0, 0
        return reason, frame.rfind(segment["payload"]), len(segment["payload"]), segment["missing"]


__all__ = ["decode", "feed", "take"]
