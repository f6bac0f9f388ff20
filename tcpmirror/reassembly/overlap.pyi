from collections.abc import Iterable

RULES: dict[str, int]

class HostRules:
    def __init__(self, policy: str = ..., networks: Iterable[tuple[str, str]] = ...) -> None: ...
