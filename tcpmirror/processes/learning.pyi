from collections.abc import Callable
from typing import Protocol

from tcpmirror.model.exchange import Exchange
from tcpmirror.model.finding import Finding
from tcpmirror.telemetry.counters import CounterPage
from tcpmirror.vulns.signs import Sign

class ApiLearner(Protocol):
    def observe(self, exchange: Exchange, is_attack: bool, /) -> None: ...

class WeaknessLearner(Protocol):
    def note(self, exchange: Exchange, found: list[Sign], /) -> None: ...
    @property
    def look(self) -> Callable[[Exchange, list[Finding]], list[Sign]]: ...

class SessionLearner(Protocol):
    def observe(self, exchange: Exchange, findings: list[Finding], /) -> bytes | None: ...

class BehaviorLearner(Protocol):
    def observe(self, exchange: Exchange, findings: list[Finding], session: bytes | None, /) -> None: ...

class Learning:
    def __init__(
        self,
        page: CounterPage,
        *,
        apis: ApiLearner | None = None,
        weaknesses: WeaknessLearner | None = None,
        sessions: SessionLearner | None = None,
        behavior: BehaviorLearner | None = None,
    ) -> None: ...
    def __call__(self, exchange: Exchange, findings: list[Finding], is_attack: bool) -> None: ...
