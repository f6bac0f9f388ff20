"""The operator's masks, compiled: which values of an exchange are to be overwritten.

A mask without an expression or classes means all of the values that it reaches; with them, parts of values.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from tcpmirror.detect.conditions import Where, host_matcher, host_name, is_below, point_parts, text_matcher
from tcpmirror.detect.verdict import key_of
from tcpmirror.model.exchange import Exchange
from tcpmirror.model.sensitive_class import classes_of
from tcpmirror.settings.tree import Mask

Span = tuple[int, int]


class Senses(NamedTuple):
    """What tells sensitive data: ``of_value`` the class of a value under a name, ``within`` (start, end, class) of parts."""

    of_value: Callable[[str, str], str]
    within: Callable[[str], Iterable[tuple[int, int, str]]]


class CompiledMask:
    """One mask. Texts are latin-1: a character is a byte."""

    def __init__(self, item: Mask, senses: Senses) -> None:
        self.name = item.name
        self._senses = senses
        self._host, self._path = host_matcher(item.host), text_matcher(item.path)
        self._where = Where(item.where)
        self._point = point_parts(item.point)
        self._parameter = text_matcher(item.parameter)
        self._pattern = re.compile(item.pattern) if item.pattern else None
        self._classes = classes_of(item.classes)
        self.is_whole = self._pattern is None and not self._classes
        self.is_anywhere = not self._point and self._parameter is None

    def applies(self, exchange: Exchange, host: str, application: int) -> bool:
        """Tell whether the conditions about the request hold; what cannot be judged without it does not keep a mask away."""
        request = exchange.request
        if request is None:
            return True
        path = request.target.partition(b"?")[0].decode("latin-1")
        return (
            (self._host is None or self._host(host_name(host)) is not None)
            and (self._path is None or self._path(path) is not None)
            and self._where.hold(exchange, host, application)
        )

    def reaches(self, path: tuple[str, ...]) -> bool:
        """Tell whether values at *path* are meant."""
        if self._parameter is not None and self._parameter(key_of(path)) is None:
            return False
        return is_below(path, self._point)

    def spans(self, path: tuple[str, ...], value: str) -> Iterator[Span]:
        """Yield the parts of *value* at *path* that are to be overwritten."""
        if not value or not self.reaches(path):
            return
        if self.is_whole:
            yield 0, len(value)
            return
        if self._pattern is not None:
            yield from (match.span() for match in self._pattern.finditer(value) if match.end() > match.start())
        if self._classes:
            if self._senses.of_value(key_of(path), value) in self._classes:
                yield 0, len(value)
            else:
                yield from ((start, end) for start, end, kind in self._senses.within(value) if kind in self._classes)


class Masks:
    """All masks of a worker."""

    def __init__(self, items: Sequence[Mask], senses: Senses) -> None:
        self._masks = tuple(CompiledMask(item, senses) for item in items)

    def __bool__(self) -> bool:
        return bool(self._masks)

    def of(self, exchange: Exchange, host: str, application: int) -> list[CompiledMask]:
        return [mask for mask in self._masks if mask.applies(exchange, host, application)]

    @property
    def all(self) -> tuple[CompiledMask, ...]:
        return self._masks
