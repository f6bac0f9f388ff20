"""The commands that the shell grammar knows, by kind, and the words that stand for them in patterns."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import yaml

KINDS: Final[dict[str, tuple[str, ...]]] = {
    kind: tuple(dict.fromkeys(names.split()))
    for kind, names in yaml.safe_load((Path(__file__).parent / "commands.yaml").read_text(encoding="utf-8")).items()
}
_PLACE: Final = re.compile(rb"\{\{(\w+)\}\}")
# Hyperscan reads a choice faster than Python does, whatever its order; sorted it keeps its compiled form's name.
_CHOICES: Final = {
    kind.encode(): b"(?:" + b"|".join(re.escape(name.encode()) for name in sorted(set(names), reverse=True)) + b")"
    for kind, names in (*KINDS.items(), ("commands", sum(KINDS.values(), ())))
}


def with_commands(pattern: bytes) -> bytes:
    """Return *pattern* with ``{{kind}}`` replaced by a choice of the commands of that kind (``commands``: of all).

    KeyError: there is no such kind.
    """
    return _PLACE.sub(lambda match: _CHOICES[match.group(1)], pattern)
