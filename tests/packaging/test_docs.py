"""The documentation can be trusted: its commands exist, its links lead somewhere, what is generated is of today."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tcpmirror import cli
from tcpmirror.console import command as cloud
from tcpmirror.console.mirror_guides import page
from tcpmirror.supervisor import command as supervisor
from tests.packaging.pages import PAGES, ROOT, lines

PARSERS = {
    "tcpmirror": cli._parser,  # the parsers are what the commands accept; running them is what other tests do
    "tcpmirror-supervisor": supervisor._parser,
    "tcpmirror-cloud": cloud._parser,
}
TEXTS = {"tcpmirror rules 1", "tcpmirror settings 1"}  # what signatures cover
INLINE = re.compile(r"`((?:[\w./-]*/)?tcpmirror(?:-supervisor|-cloud)? [^`]+)`")


def commands() -> list[tuple[str, list[str]]]:
    """Return (page, words) of each command of ours in a block of the pages."""
    inline = [(path.name, each) for path in PAGES for each in set(INLINE.findall(path.read_text("utf-8"))) - TEXTS]
    found = []
    for name, line in [*lines("", "console", "sh", "bash"), *inline]:
        if "tcpmirror" not in line or re.search(r"[|>\[{]", line):  # a pipe, or a pattern of several commands
            continue
        words = shlex.split(line, comments=True)
        while words and (words[0] == "sudo" or re.fullmatch(r"[A-Z_]+=.*", words[0])):
            del words[0]
        if len(words) > 1 and not words[0].endswith("/") and Path(words[0]).name in PARSERS:
            found.append((name, words))
    return found


def test_each_command_takes_the_words_it_is_given(capsys: pytest.CaptureFixture[str]) -> None:
    """What prose leaves out of a command (`tcpmirror-cloud run`) is no fault."""
    found = commands()
    assert len(found) > 40
    for name, words in found:
        try:
            PARSERS[Path(words[0]).name]().parse_args(words[1:])
        except SystemExit as end:
            if not end.code or "arguments are required" in capsys.readouterr().err:
                continue
            pytest.fail(f"{name}: {shlex.join(words)}")


def test_the_guides_for_mirrors_are_those_of_the_console() -> None:
    assert (ROOT / "docs/mirror.md").read_text(encoding="utf-8") == page(), (
        "run: python -m tcpmirror.console.mirror_guides > docs/mirror.md"
    )


@pytest.mark.slow
def test_the_site_has_no_broken_link_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    html = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert re.findall(r"<(?:script|img)[^>]*src=\"?https?:|<link rel=\"?stylesheet\"?[^>]*href=\"?https?:", html) == []
