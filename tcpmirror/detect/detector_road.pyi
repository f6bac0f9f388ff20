from collections.abc import Callable, Sequence

from tcpmirror.detect.compiled import Expression
from tcpmirror.detect.detector import Views
from tcpmirror.detect.ignoring import Ignored, Ignoring
from tcpmirror.detect.text_search import FormSearch
from tcpmirror.model.exchange import Exchange, Request
from tcpmirror.model.finding import Finding

class DetectorRoad:
    inspected: int
    tier2: int
    others: tuple[Callable[[Exchange], list[Finding]], ...]
    ignoring: Ignoring | None
    ignored: list[Ignored]
    opened: Sequence[Expression]
    def __init__(self, views: Views, gates: FormSearch, responses: FormSearch) -> None: ...
    def inspect(self, exchange: Exchange) -> list[Finding]: ...
    def is_suspect(self, request: Request) -> bool: ...
