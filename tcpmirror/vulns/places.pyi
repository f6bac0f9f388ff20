from tcpmirror.model.exchange import Exchange
from tcpmirror.model.finding import Finding
from tcpmirror.vulns.signs import Sign

FIRST: int

class Places:
    looked_at: int
    def look(self, exchange: Exchange, findings: list[Finding]) -> list[Sign]: ...

def is_owned(target: bytes) -> bool: ...
