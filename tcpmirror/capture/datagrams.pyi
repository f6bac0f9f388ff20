from tcpmirror.capture.receiver import FrameReceiver

class DatagramReader:
    dropped: int
    received: int
    def __init__(self, descriptor: int, link_type: int) -> None: ...
    def receive(self, receiver: FrameReceiver) -> int: ...
