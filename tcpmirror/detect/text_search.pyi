from collections.abc import Callable, Iterable, Sequence
from typing import Any

import hyperscan

OnMatch = Callable[[int, int, int, int, object], bool | None]

class Scan:
    def __init__(
        self, database: hyperscan.Database | None, scratch: hyperscan.Scratch | None, on_match: OnMatch
    ) -> None: ...
    def __call__(self, text: bytes) -> None: ...

class TextSearch:
    def __init__(
        self,
        at_once: Iterable[Scan],
        searches: Iterable[tuple[Scan, ...]],
        asked_for: dict[int, Scan],
        asked: set[int],
        is_sorted: bool,
    ) -> None: ...
    def __call__(self, text: bytes) -> None: ...

class FormSearch:
    seen: list[Any]
    def __init__(self, parts: Sequence[Iterable[TextSearch]]) -> None: ...
    def __call__(self, form: tuple[bytes, ...]) -> int: ...
    def each_of(self, texts: tuple[bytes, ...]) -> list[Any]: ...
