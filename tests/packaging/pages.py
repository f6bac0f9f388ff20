"""The pages of the documentation as tests read them: their fenced blocks, and the commands in these."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
PAGES: Final = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
_FENCE: Final = re.compile(r"^(?P<indent> *)```(?P<kind>\w*)\n(?P<text>.*?)^ *```$", re.MULTILINE | re.DOTALL)


def blocks(*kinds: str) -> Iterator[tuple[str, str]]:
    """Yield (page, text without its indent) of each fenced block of those kinds; "" is one that names none."""
    for path in PAGES:
        for found in _FENCE.finditer(path.read_text(encoding="utf-8")):
            if found["kind"] in kinds:
                yield path.name, re.sub(f"^{found['indent']}", "", found["text"], flags=re.MULTILINE)


def lines(*kinds: str) -> Iterator[tuple[str, str]]:
    """Yield (page, command) of each line in `blocks` that is not empty: continued lines joined, without prompt and comment."""
    for name, text in blocks(*kinds):
        for line in text.replace("\\\n", " ").splitlines():
            if line.strip():
                yield name, re.sub(r"^[$#] |\s+#\s.*$", "", line.strip())


def typed() -> list[str]:
    """Return what the pages tell to type; the guides for mirrors name no kind."""
    return [line for name, line in lines("console", "sh", "") if name == "mirror.md"] + [
        line for name, line in lines("console", "sh") if name != "mirror.md"
    ]
