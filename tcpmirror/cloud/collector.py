"""How often Python looks for cycles of objects in a process of the cloud."""

from __future__ import annotations

import gc
from typing import Final

# A batch makes some 25,000 objects that live until its commit, none of them in a cycle. At CPython's own rule, a look each
# 700 of them, they were walked over and over: a quarter of the time that ingestion took.
_NEW_OBJECTS: Final = 50_000
_LOOKS: Final = (10, 10)  # of the young before the middle-aged are looked at, and of those before all are


def settle_collector() -> None:
    """Leave what is loaded now out of the search for cycles, and look at what is new a batch at a time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_NEW_OBJECTS, *_LOOKS)
