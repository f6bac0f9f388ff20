"""Rules in ModSecurity's language: `tcpmirror rules import-seclang`, and the engine that runs them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path

from tcpmirror.detect.seclang.engine import Engine, Judges, Options
from tcpmirror.detect.seclang.ruleset import Refused, Ruleset, load_ruleset, parse_ruleset, written
from tcpmirror.detect.sql_injection import breaks_out, is_statement
from tcpmirror.errors import EXIT_OK, EXIT_SETTINGS, EnvironmentFault
from tcpmirror.settings.tree import SecLang

REQUEST_PHASES = (0, 1, 2)  # 0: it could not be read so far


def seclang_engine(
    settings: SecLang, shows: Callable[[str, bytes], bool], cache_dir: Path | None, text: str | None = None
) -> Engine:
    """Return an engine with the rules in *text*, or else of ``settings.directory``.

    The SQL grammar stands for @detectSQLi, *shows* of tcpmirror's own rules for @detectXSS.

    SettingsError: there are no rules, or a file cannot be read.
    """
    options = Options(settings.paranoia_level, settings.threshold)
    judges: Judges = {"sqli": _is_sql, "xss": partial(shows, "xss")}
    ruleset = load_ruleset(Path(settings.directory)) if text is None else parse_ruleset(text)
    return Engine(ruleset, options, judges, cache_dir)


def _is_sql(value: bytes) -> bool:
    """Of the answers that there are this one agrees best with libinjection's; see docs/rules.md."""
    return breaks_out(value) or is_statement(value)


def import_seclang(path: Path, out: Path | None, as_json: bool) -> int:
    """Load the rules at *path*, print what was left out and why, and write what was loaded to *out* as one file.

    Exit code 3 where nothing could be loaded.
    """
    ruleset = load_ruleset(path)
    refused = [item for item in ruleset.refused if item.phase in REQUEST_PHASES]
    if out is not None:
        try:
            out.write_text(written(ruleset), encoding="utf-8", errors="surrogateescape")
        except OSError as error:
            raise EnvironmentFault(f"{out}: cannot be written: {error.strerror}") from error
    if as_json:
        facts = {
            "files": len(ruleset.files),
            "rules": len(ruleset.rules),
            "refused": [asdict(item) for item in ruleset.refused],
        }
        print(json.dumps(facts))
    else:
        print(_page(ruleset, refused))
    return EXIT_OK if ruleset.rules else EXIT_SETTINGS


def _page(ruleset: Ruleset, refused: list[Refused]) -> str:
    loaded = len(ruleset.rules)
    share = 100 * loaded / ((loaded + len(refused)) or 1)
    lines = [f"{len(ruleset.files)} files: {loaded} of {loaded + len(refused)} request rules loaded ({share:.1f} %)"]
    lines += [f"{item.file}:{item.line}: rule {item.id or '?'} not loaded: {item.reason}" for item in refused]
    groups = Counter((item.file, item.phase, item.reason) for item in ruleset.refused if item not in refused)
    lines += [f"{file}: {count} rules of phase {phase} not loaded: {why}" for (file, phase, why), count in groups.items()]
    by_action = Counter(rule.action for rule in ruleset.rules)
    lines.append("actions: " + ", ".join(f"{name} {count}" for name, count in by_action.most_common()))
    return "\n".join(lines)
