TIMEOUT_NS: int
REPEAT_NS: int

class FragmentJoiner:
    incomplete: int
    joined: int
    lost: int
    held: int
    def __init__(self, limit: int = 1024, seed: int = 0) -> None: ...
    def add(self, packet: bytes, time_ns: int, tags: int = 0) -> bytes | None: ...
    def clear(self) -> None: ...
