"""What every request of one running cloud shares."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from tcpmirror.cloud.database import Database
from tcpmirror.cloud.enrichment.book import SourceBook
from tcpmirror.cloud.enrichment.marking import Marking
from tcpmirror.cloud.last_uses import LastUses
from tcpmirror.cloud.retention import Retention
from tcpmirror.cloud.sampling import Sampler
from tcpmirror.cloud.sign_in import SignIn
from tcpmirror.telemetry.counters import CounterPage
from tcpmirror.telemetry.names import CLOUD


@dataclass(slots=True)
class Service:
    """The store, the counters (incremented on the event loop only) and the clock, in nanoseconds since 1970."""

    database: Database
    counters: CounterPage = field(default_factory=lambda: CounterPage.private(CLOUD))
    clock: Callable[[], int] = time.time_ns
    retention: Retention = field(default_factory=Retention)
    last_uses: LastUses = field(default_factory=LastUses)
    book: SourceBook = field(default_factory=SourceBook)
    sampler: Sampler = field(default_factory=Sampler)
    marking: Marking = field(default_factory=Marking)
    sign_in: SignIn = field(init=False)

    def __post_init__(self) -> None:
        self.sign_in = SignIn(self.database)
