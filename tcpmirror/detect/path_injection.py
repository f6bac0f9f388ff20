"""Where does a value lead as the name of a file? Decided on its tokens (see `path`), resolved as a server would.

A path that stays below the folder it is joined to is a name like any other, whatever steps it takes on the way. One that
leaves it climbs; one that ends, after all steps, at a file that tells a system's or an application's secrets reads them.
Pages and sources address scripts, styles and pictures by steps up as well, so a climb to one of those has to be a long one.
"""

from __future__ import annotations

import re
from typing import Final

from tcpmirror.detect.path import tokens

_LOOK: Final = 4096  # bytes of a value
_UP: Final = "UJD"
_PLAIN_CLIMB: Final = 2  # steps above where a value begins that no address of a page needs
_LONG_CLIMB: Final = 5  # more than sources take to one another
_PATH: Final = re.compile(r"[^x?0]+")
_NAME: Final = "[ERSTAaLnhe]"
# From a root, a drive or a scheme that reads files.
_SYSTEM: Final = re.compile(
    rf"(?:P?/|[Pd]/?)(?:E(?:/{_NAME})*/[STAaL]|R(?:/{_NAME})*/(?:S|A(?:/|$)|E/[ST])|S$)|[Pd]/?(?:E/|R/.*[LTa]$)|/(?:{_NAME}/)+S$|E/(?:{_NAME}/)*S$"
)
_SECRET: Final = re.compile(r"(?:S|A|a)(?:/|$)|[ER]/.*[STALah]|E|R/R")


def climbs(value: bytes) -> bool:
    """Tell whether *value* leaves the folder that it is joined to, by more steps than pages and sources take."""
    return any(_climbs(path) for path in _paths(value))


def reaches_secret(value: bytes) -> bool:
    """Tell whether *value* climbs and ends at a file or folder that tells secrets, or deep in a system's own folders."""
    return any(_leaves(path) > 0 and _SECRET.search(_resolved(path)) for path in _paths(value))


def names_system_file(value: bytes) -> bool:
    """Tell whether *value* is the name of a system's file from its root on, whatever steps are taken on the way."""
    return any(_SYSTEM.match(_resolved(path)) is not None for path in _paths(value))


def skeleton(value: bytes) -> str:
    """Return what is judged, for people: the paths in *value*, resolved."""
    return " ".join(_resolved(path) for path in _paths(value) if "/" in path or path[0] in _UP)


def _paths(value: bytes) -> list[str]:
    return _PATH.findall(tokens(value[:_LOOK]))


def _steps(path: str) -> list[str]:
    return [step for step in path.split("/") if step not in ("", ".")]


def _leaves(path: str) -> int:
    """Return how many steps above its own folder *path* goes at most."""
    depth = most = 0
    for step in _steps(path):
        # What stands in front of a step in the same name is what an application or a filter put there.
        depth += -1 if step[-1] in _UP else 1
        most = max(most, -depth)
    return most


def _climbs(path: str) -> bool:
    above = _leaves(path)
    if above < 1:
        return "J/" in path or "D/" in path
    if path.endswith("e"):
        return above >= _LONG_CLIMB or "J" in path or "D" in path
    return above >= _PLAIN_CLIMB or "J" in path or "D" in path


def _resolved(path: str) -> str:
    """Return *path* with the steps that lead nowhere taken out, those above its folder kept in front."""
    kept: list[str] = []
    for step in _steps(path):
        if step[-1] in _UP and len(step) == 1 and kept and kept[-1][-1] not in _UP:
            kept.pop()
        else:
            kept.append(step)
    return ("/" if path.startswith("/") else "") + "/".join(kept)
