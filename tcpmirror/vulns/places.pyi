from tcpmirror.model.exchange import Exchange, Request, Response
from tcpmirror.model.finding import Finding
from tcpmirror.vulns.signs import Sign

PLACES: int
FIRST: int
OWNED_WORDS: tuple[str, ...]

class Places:
    known: int
    def seen(self, request: Request, response: Response) -> int: ...

class PlaceRoad:
    def look(self, exchange: Exchange, findings: list[Finding], /) -> list[Sign]: ...

def may_be_owned(request: Request, response: Response) -> bool: ...
