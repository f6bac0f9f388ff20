from tcpmirror.model.exchange import Exchange
from tcpmirror.model.finding import Finding
from tcpmirror.sessions.digest import SessionDigest
from tcpmirror.sessions.keys import SessionKeys

class Tracker:
    refused: int
    observed: int
    def __init__(self, keys: SessionKeys, sessions: int = 16_384, events: int = 50_000) -> None: ...
    def observe(self, exchange: Exchange, findings: list[Finding], source: str | None = None) -> bytes | None: ...
    def take(self) -> list[SessionDigest]: ...
