from collections.abc import Callable, Container, Sequence

from tcpmirror.behavior.counter import Counter
from tcpmirror.model.exchange import Exchange
from tcpmirror.model.finding import Finding
from tcpmirror.settings.tree import Control, ProfileException

CELLS: int

class Watch:
    evicted: int
    observed: int
    used: int
    def __init__(
        self,
        controls: Sequence[Control],
        own: int,
        breached: Container[bytes] = ...,
        asks: bool = ...,
        application_of: Callable[[str, str], int] = ...,
        confidence: int = ...,
        exceptions: Sequence[ProfileException] = ...,
    ) -> None: ...
    def observe(
        self, exchange: Exchange, findings: list[Finding], session: bytes | None = None, source: bytes | None = None
    ) -> None: ...
    def take(self) -> list[tuple[Counter, Exchange | None]]: ...
