from collections.abc import Callable
from typing import Any

from tcpmirror.model.exchange import Exchange
from tcpmirror.model.finding import Finding
from tcpmirror.processes.rule_costs import RuleCosts
from tcpmirror.telemetry.counters import CounterPage

class JudgeRoad:
    detector: Any
    keep: Callable[[Exchange, list[Finding]], object]
    access: Any
    is_trivial: bool
    keep_all: bool
    costs: RuleCosts
    def __init__(
        self, page: CounterPage, learn: Callable[[Exchange, list[Finding], bool], None] | None, partial: int
    ) -> None: ...
    def __call__(self, exchange: Exchange) -> None: ...
