"""A pasted request judged by the rules, built-in and own: by `tcpmirror rules explain`, in a process of its own."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from tcpmirror.console.parts import Text, block, link
from tcpmirror.console.rule_book import rule_book
from tcpmirror.console.text import shortened, type_name, visible
from tcpmirror.model.point import point_text

REQUEST_LIMIT: Final = 64 * 1024
_PATIENCE_S: Final = 120.0  # where the rules were not compiled for this machine yet, that is done first
# What is pasted is judged by the command that operators have, with nothing of the console's to lose.
_EXPLAIN: Final = (
    sys.executable,
    "-c",
    "import sys; from tcpmirror.cli import main; sys.exit(main(['rules', 'explain', '-', '--json', *sys.argv[1:]]))",
)
_turn = asyncio.Lock()


@dataclass(frozen=True, slots=True)
class Tried:
    """What `tcpmirror rules explain` says of a request; ``problem``: why it says nothing."""

    told: dict[str, Any]
    problem: str = ""


async def try_request(text: str, packs: Mapping[str, str]) -> Tried:
    """Return the explanation of a request or value by the built-in rules and *packs* (YAML by name), one at a time."""
    async with _turn:
        with tempfile.TemporaryDirectory(prefix="tcpmirror-trial-") as directory:
            arguments = await asyncio.to_thread(_with_packs, Path(directory), packs)
            return await _explained(text, arguments)


async def _explained(text: str, arguments: tuple[str, ...]) -> Tried:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*_EXPLAIN, *arguments, stdin=pipe, stdout=pipe, stderr=pipe)
    try:
        given = text[:REQUEST_LIMIT].encode("utf-8", "surrogateescape")
        output, complaint = await asyncio.wait_for(process.communicate(given), _PATIENCE_S)
    except TimeoutError:
        process.kill()
        await process.wait()
        return Tried({}, f"The judging took over {_PATIENCE_S:.0f} seconds.")
    if process.returncode:
        return Tried({}, complaint.decode("utf-8", "replace").strip()[-400:] or "This cannot be read.")
    first = output.decode().splitlines()[0] if output.strip() else "{}"
    return Tried(json.loads(first))


def _with_packs(directory: Path, packs: Mapping[str, str]) -> tuple[str, ...]:
    """Write *packs* and settings that name them; return what the command is to be told of it."""
    if not packs:
        return ()
    own = directory / "rules"
    own.mkdir()
    for name, text in packs.items():
        (own / f"{name}.yaml").write_text(text)
    settings = directory / "settings.yaml"
    source = {"enabled": True, "path": "/dev/null"}
    tree = {
        "version": 4,
        "mode": "tcp-capture-v2",
        "tcp_stream": {"from_file": [source]},
        "inspection": {"rules_dir": str(own)},
    }
    settings.write_text(yaml.safe_dump(tree))
    return "-c", str(settings)


def show_tried(tried: Tried) -> None:
    """Build what is told of a request: the verdict, then each value with a word of a rule about it."""
    if tried.problem:
        Text("p", visible(tried.problem), "tm-warn")
        return
    findings = tried.told.get("findings", [])
    if not findings:
        Text("p", "No attack was found in it.", "tm-advice tm-fine")
    for finding in findings[:20]:
        with block("div", "tm-advice tm-problem"):
            Text("b", type_name(finding["type"]))
            Text("span", f" at {visible(point_text(tuple(finding['point'])))[:300]}, {finding['confidence']:.0%}, by ")
            _rule_name(finding["rule"])
            Text("div", shortened(finding["payload"], 400), "tm-mono")
    _points([point for point in tried.told.get("points", []) if point["rules"]])


def _rule_name(name: str) -> None:
    if name in rule_book():
        link(name, f"/rules/{name}")
    else:
        Text("b", name)


def _points(points: list[dict[str, Any]]) -> None:
    if not points:
        return
    with block("details", "tm-details"):
        Text("summary", "Every rule with a word to say, value by value")
        for point in points[:30]:
            Text("h3", visible(str(point["point"]))[:300])
            Text("pre", shortened(str(point["value"]), 600), "tm-pre")
            with block("ul", "tm-list"):
                for word in point["rules"][:20]:
                    with block("li"):
                        Text("b" if word["counts"] else "span", word["id"])
                        why = f"counts {word['weight']:.2f}" if word["counts"] else shortened(word["reason"], 200)
                        Text("span", f": {why}", "tm-quiet")
