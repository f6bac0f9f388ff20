"""Faults on purpose, for tests: `--simulate ring-full=1%,gap=1%,memory=64MiB,slow-worker=5ms`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from tcpmirror.errors import SettingsError
from tcpmirror.settings.kinds import Duration, RejectedError, Size
from tcpmirror.settings.tree import MIB, SECOND, Settings

VARIABLE: Final = "TCPMIRROR_SIMULATE"  # so that a settings file read again, in whichever process, keeps the faults
ACCEPTED: Final = "ring-full=SHARE%, gap=SHARE%, memory=SIZE, slow-worker=DURATION, between commas"
STRING: Final = "str"


def simulated(settings: Settings, text: str, where: str = "(command line)", key: str = "simulate") -> Settings:
    """Return *settings* with the faults that *text* names; SettingsError, which says *where* it stood, for another."""
    if text.strip(", "):
        settings = replace(settings, simulate=replace(settings.simulate, faults=text))
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, value = part.partition("=")
        try:
            settings = FAULTS[name](settings, value)
        except (KeyError, RejectedError, ValueError) as problem:
            raise SettingsError(where, 0, key, part, ACCEPTED) from problem
    return settings


def _gap(settings: Settings, value: str) -> Settings:
    return replace(settings, simulate=replace(settings.simulate, gap=_share(value)))


def _ring_full(settings: Settings, value: str) -> Settings:
    return replace(settings, simulate=replace(settings.simulate, ring_full=_share(value)))


def _slow_worker(settings: Settings, value: str) -> Settings:
    slow_ns = Duration(1, 60 * SECOND).parse(value or "5ms", STRING)
    return replace(settings, simulate=replace(settings.simulate, slow_worker_ns=slow_ns))


def _memory(settings: Settings, value: str) -> Settings:
    size = Size(MIB // 16, 1 << 40).parse(value or "64MiB", STRING)
    return replace(settings, limits=replace(settings.limits, streams_bytes=size))


def _share(value: str) -> float:
    share = float((value or "1%").removesuffix("%")) / 100
    if not 0 <= share <= 1:
        raise ValueError(value)
    return share


FAULTS: Final[dict[str, Callable[[Settings, str], Settings]]] = {
    "gap": _gap,
    "ring-full": _ring_full,
    "slow-worker": _slow_worker,
    "memory": _memory,
}
