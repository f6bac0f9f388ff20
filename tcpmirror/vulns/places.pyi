from tcpmirror.model.exchange import Request, Response

PLACES: int
OWNED_WORDS: tuple[str, ...]

class Places:
    known: int
    def seen(self, request: Request, response: Response) -> int: ...

def may_be_owned(request: Request, response: Response) -> bool: ...
