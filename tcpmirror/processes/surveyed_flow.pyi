from collections.abc import Callable

from tcpmirror.model.exchange import Exchange
from tcpmirror.model.stream import FlowInfo
from tcpmirror.processes.census import Census
from tcpmirror.protocols.connection import ProtocolFactory
from tcpmirror.protocols.decryption import Decryption
from tcpmirror.settings.tree import Limits

HTTP1: str
HTTP2: str
WEBSOCKET: str
TLS: str
UNKNOWN: str

class CensusFactory(ProtocolFactory):
    census: Census
    def __init__(
        self,
        emit: Callable[[Exchange], object],
        census: Census,
        limits: Limits,
        *,
        response_timeout_ns: int,
        parse_responses: bool = ...,
        decryption: Decryption | None = ...,
    ) -> None: ...

class SurveyFactory(ProtocolFactory):
    def __init__(
        self,
        emit: Callable[[Exchange], object],
        note: Callable[[FlowInfo, str, int, tuple[bool, bool], list[str]], object],
        limits: Limits,
        *,
        response_timeout_ns: int,
        parse_responses: bool = ...,
        decryption: Decryption | None = ...,
    ) -> None: ...
