"""Rule packs: YAML in, validated rules out; whatever is wrong is told with file, line and key."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml
from yaml.constructor import SafeConstructor

from tcpmirror.detect.commands import KINDS, with_commands
from tcpmirror.detect.grammars import GRAMMARS
from tcpmirror.detect.site import WHERE
from tcpmirror.errors import SettingsError
from tcpmirror.model.attack import ATTACK_TYPES
from tcpmirror.model.finding import SEVERITIES
from tcpmirror.settings.policy_keys import IGNORES, MASKS
from tcpmirror.settings.reading import Reading
from tcpmirror.settings.schema import MISSING, ListOf
from tcpmirror.settings.tree import Ignore, Mask

# libyaml, which PyYAML has on every platform with wheels, reads the packs in a tenth of the time.
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
BUILT_IN: Final = Path(__file__).parent / "rules"
# What a rule judges unless it says otherwise; names of headers and the method have rules of their own.
DEFAULT_POINTS: Final = (
    ("uri",),
    ("path",),
    ("action_name",),
    ("get",),
    ("get_name",),
    ("header",),
    ("post",),
    ("post_name",),
)
# What computes signs that patterns cannot tell: modules of these names, `limits` in `detector`, `answers` in `error_probe`.
DETECTORS: Final = ("tokens", "entities", "graphql", "limits", "answers")
_WITHOUT_EXAMPLES: Final = ("limits", "answers")  # they need bytes, or an answer, that no example holds
_REFERENCE: Final = re.compile(r"https?://[^\s]+")
_TEXT: Final = "tag:yaml.org,2002:str"
_ID: Final = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)+")


@dataclass(frozen=True, slots=True)
class Rule:
    """One sign of one attack type.

    ``title`` says what was seen, ``why`` what it would do and how to tell a false alarm. ``detector``: the name of what
    computes the sign instead of patterns, empty for patterns. ``own``: not one of the built-in rules; ``file`` and ``line``:
    where it stands. ``foreign``: what has to belong to another site, see `site`. ``experimental``: what it finds is counted
    and not reported.

    ``confidence``: what it is worth, 0 to 1; see `verdict`. ``patterns``: Hyperscan expressions, any of which is the sign;
    ``must``/``must_not``: expressions that the same value must also, must not hold; ``gates``: what the first tier looks for
    instead of ``patterns``; ``points``: path prefixes it applies to; ``keys``: the parameter's name has to match in full;
    ``files``: judges uploaded files too; ``documents``: worth as much inside a long text as in a short value.
    """

    id: str
    type: str
    title: str
    why: str
    severity: str
    confidence: float
    cwe: tuple[int, ...]
    patterns: tuple[bytes, ...]
    must: tuple[bytes, ...]
    must_not: tuple[bytes, ...]
    gates: tuple[bytes, ...]
    points: tuple[tuple[str, ...], ...]
    keys: re.Pattern[str] | None
    files: bool
    documents: bool
    matching: tuple[bytes, ...]
    harmless: tuple[bytes, ...]
    line: int
    capec: tuple[int, ...] = ()
    references: tuple[str, ...] = ()
    detector: str = ""
    grammar: str = ""
    foreign: str = ""
    file: str = ""
    own: bool = False
    experimental: bool = False

    @property
    def is_for_responses(self) -> bool:
        return self.points[0][0].startswith("response")


@dataclass(frozen=True, slots=True)
class Pack:
    """All rules in force, ids unique; ``ignores``: what is not to be reported of what they find; ``masks``: nor told.

    ``specifications``: (host, name, OpenAPI document) with which requests are compared.
    """

    rules: tuple[Rule, ...]
    ignores: tuple[Ignore, ...] = ()
    masks: tuple[Mask, ...] = ()
    specifications: tuple[tuple[str, str, str], ...] = ()


def load_pack(*folders: Path) -> Pack:
    """Return the built-in rules and those of *folders* (files ``*.yaml``); SettingsError tells what is wrong with one."""
    return join_packs(own_texts(folders))


def own_texts(folders: Iterable[Path]) -> list[tuple[str, str]]:
    """Return (file, text) of every pack in *folders*, in order of folder and name; SettingsError: one cannot be read."""
    found = []
    for folder in folders:
        if not folder.is_dir():
            raise SettingsError(str(folder), 0, "rules_dir", str(folder), "a folder of rule packs (*.yaml)")
        for file in sorted(folder.glob("*.yaml")):
            try:
                found.append((str(file), file.read_text(encoding="utf-8")))
            except (OSError, UnicodeDecodeError) as error:
                raise SettingsError(str(file), 0, "(document)", None, "a readable file in UTF-8", str(error)) from error
    return found


def join_packs(own: Iterable[tuple[str, str]]) -> Pack:
    """Return the built-in rules and, behind them, those of the packs *own*: (file, text)."""
    rules: dict[str, Rule] = {}
    ignores: list[Ignore] = []
    masks: list[Mask] = []
    specifications: list[tuple[str, str, str]] = []
    built_in = [(str(file), file.read_text(encoding="utf-8")) for file in sorted(BUILT_IN.glob("*.yaml"))]
    for is_own, packs in ((False, built_in), (True, own)):
        for file, text in packs:
            read = read_pack(file, text, is_own)
            ignores += read.ignores
            masks += read.masks
            specifications += read.specifications
            for rule in read.rules:
                if rule.id in rules:
                    taken = rules[rule.id]
                    problem = f"{rule.id!r} stands in {taken.file}:{taken.line} already"
                    raise SettingsError(file, rule.line, "id", rule.id, "an id that no other rule has", problem)
                rules[rule.id] = rule
    return Pack(tuple(rules.values()), tuple(ignores), tuple(masks), tuple(specifications))


def read_rules(file: str, text: str, own: bool = True) -> list[Rule]:
    """Return the rules in the YAML *text* of *file*; SettingsError tells the first that cannot be used."""
    return list(read_pack(file, text, own).rules)


def read_pack(file: str, text: str, own: bool = True) -> Pack:
    """Return what the YAML *text* of *file* holds; SettingsError tells the first thing that cannot be used."""
    pack, problems = examine_pack(file, text, own)
    if problems:
        raise problems[0]
    return pack


def examine_pack(file: str, text: str, own: bool = True) -> tuple[Pack, list[SettingsError]]:
    """Return what can be used of the YAML *text* of *file*, and what is wrong with the rest."""
    try:
        node = yaml.compose(text, Loader=_LOADER)
    except yaml.MarkedYAMLError as error:
        line = min(error.problem_mark.line, text.count("\n")) + 1 if error.problem_mark else 0
        return Pack(()), [SettingsError(file, line, "(document)", None, "YAML", error.problem or "not YAML")]
    except yaml.YAMLError as error:
        return Pack(()), [SettingsError(file, 0, "(document)", None, "YAML", str(error))]
    rules: list[Rule] = []
    problems: list[SettingsError] = []
    try:
        top = _Section(file, node, "(document)")
        ignores: tuple[Ignore, ...] = _entries(file, top.node("ignore"), IGNORES, "ignore", problems)
        masks: tuple[Mask, ...] = _entries(file, top.node("mask"), MASKS, "mask", problems)
        documents = _specifications(file, top)
        listed = top.node("rules")
        if listed is None and any(top.node(key) is not None for key in ("ignore", "mask", "specifications")):
            top.finish()
            return Pack((), ignores, masks, documents), problems
        common = _common(top)
        if not isinstance(listed, yaml.SequenceNode) or not listed.value:
            raise SettingsError(file, top.line, "rules", None, "a list of rules")
        top.finish()
    except SettingsError as problem:
        return Pack(()), [*problems, problem]
    for index, item in enumerate(listed.value):
        try:
            rules.append(_rule(_Section(file, item, f"rules[{index}]"), common, own))
        except SettingsError as problem:
            problems.append(problem)
    return Pack(tuple(rules), ignores, masks, documents), problems


def _entries(file: str, node: yaml.Node | None, kind: ListOf, key: str, problems: list[SettingsError]) -> tuple[Any, ...]:
    """Return the entries under *key*, read as those of the settings are."""
    if node is None:
        return ()
    reading = Reading(file, 4)
    found = reading.value(kind, node, key)
    problems += reading.problems
    return () if found is MISSING else tuple(found)


def _specifications(file: str, top: _Section) -> tuple[tuple[str, str, str], ...]:
    """Return (host, name, document) of each entry under ``specifications``."""
    node = top.node("specifications")
    if node is None:
        return ()
    if not isinstance(node, yaml.SequenceNode):
        raise top.fail("specifications", None, "a list of host, name and document")
    found = []
    for index, item in enumerate(node.value):
        section = _Section(file, item, f"specifications[{index}]")
        found.append((section.text("host"), section.text("name"), section.text("document")))
        section.finish()
    return tuple(found)


@dataclass(frozen=True, slots=True)
class _Common:
    """What holds for every rule of a file that does not say otherwise."""

    type: str
    why: str
    capec: tuple[int, ...]
    references: tuple[str, ...]


def _common(top: _Section) -> _Common:
    return _Common(
        top.choice("type", tuple(ATTACK_TYPES)), top.text("why", ""), top.numbers("capec", ()), _references(top, ())
    )


class _Section:
    """One mapping of the file, read key by key; `finish` refuses keys nobody asked for."""

    def __init__(self, file: str, node: yaml.Node | None, key: str) -> None:
        self.file = file
        self.key = key
        self.line = node.start_mark.line + 1 if node is not None else 0
        if not isinstance(node, yaml.MappingNode):
            raise SettingsError(file, self.line, key, None, "a mapping", "not a mapping")
        self._nodes: dict[str, yaml.Node] = {name.value: value for name, value in node.value}
        self._asked: set[str] = set()

    def fail(self, key: str, value: object, accepted: str, problem: str = "") -> SettingsError:
        node = self._nodes.get(key)
        line = node.start_mark.line + 1 if node is not None else self.line
        return SettingsError(self.file, line, f"{self.key}.{key}", value, accepted, problem)

    def node(self, key: str) -> yaml.Node | None:
        self._asked.add(key)
        return self._nodes.get(key)

    def value(self, key: str) -> object:
        node = self.node(key)
        if isinstance(node, yaml.ScalarNode) and node.tag == _TEXT:
            return node.value
        return None if node is None else SafeConstructor().construct_object(node, deep=True)

    def text(self, key: str, default: str | None = None) -> str:
        value = self.value(key)
        if value is None and default is not None:
            return default
        if not isinstance(value, str) or not value.strip():
            raise self.fail(key, value, "a text")
        return value.strip()

    def choice(self, key: str, accepted: tuple[str, ...], default: str | None = None) -> str:
        value = self.text(key, default)
        if value not in accepted:
            raise self.fail(key, value, ", ".join(accepted))
        return value

    def flag(self, key: str) -> bool:
        value = self.value(key)
        if value is not None and not isinstance(value, bool):
            raise self.fail(key, value, "true or false")
        return bool(value)

    def texts(self, key: str) -> tuple[str, ...]:
        value = self.value(key)
        value = [value] if isinstance(value, str) else value
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self.fail(key, value, "a text or a list of texts")
        return tuple(value)

    def numbers(self, key: str, default: tuple[int, ...]) -> tuple[int, ...]:
        value = self.value(key)
        if value is None:
            return default
        if not isinstance(value, list) or not all(isinstance(item, int) and item > 0 for item in value):
            raise self.fail(key, value, "a list of numbers")
        return tuple(value)

    def finish(self) -> None:
        for key in self._nodes:
            if key not in self._asked:
                raise self.fail(key, None, ", ".join(sorted(self._asked)), "unknown key")


def _rule(section: _Section, common: _Common, own: bool) -> Rule:
    rule_id = section.text("id")
    if not _ID.fullmatch(rule_id):
        raise section.fail("id", rule_id, "lower-case words joined by hyphens")
    section.key = rule_id
    patterns = _patterns(section, "patterns") + tuple(_base64_patterns(section.texts("base64_words")))
    detector = section.choice("detector", DETECTORS, "") if section.node("detector") is not None else ""
    if bool(patterns) == bool(detector):
        raise section.fail("patterns", None, "at least one pattern, or a `detector`")
    kind = section.choice("type", tuple(ATTACK_TYPES), common.type)
    matching, harmless = _examples(section) if detector not in _WITHOUT_EXAMPLES else ((), ())
    rule = Rule(
        id=rule_id,
        type=kind,
        title=section.text("title"),
        why=section.text("why", common.why),
        severity=section.choice("severity", SEVERITIES, "high"),
        confidence=_confidence(section),
        cwe=section.numbers("cwe", ATTACK_TYPES[kind][2]),
        patterns=patterns,
        must=_patterns(section, "must"),
        must_not=_patterns(section, "must_not"),
        gates=_patterns(section, "gates"),
        points=tuple(tuple(point.split(".")) for point in section.texts("points")) or DEFAULT_POINTS,
        keys=_keys(section),
        files=section.flag("files"),
        documents=section.flag("documents"),
        matching=matching,
        harmless=harmless,
        line=section.line,
        capec=section.numbers("capec", common.capec),
        references=_references(section, common.references),
        detector=detector,
        grammar=section.choice("grammar", tuple(GRAMMARS), "") if section.node("grammar") is not None else "",
        foreign=section.choice("foreign", WHERE, "") if section.node("foreign") is not None else "",
        file=section.file,
        own=own,
        experimental=section.flag("experimental"),
    )
    section.finish()
    return rule


def _references(section: _Section, default: tuple[str, ...]) -> tuple[str, ...]:
    found = section.texts("references")
    for text in found:
        if not _REFERENCE.fullmatch(text):
            raise section.fail("references", text, "URLs beginning with https:// or http://")
    return found or default


def _confidence(section: _Section) -> float:
    value = section.value("confidence")
    if not isinstance(value, int | float) or not 0 < value <= 1:
        raise section.fail("confidence", value, "a number above 0, at most 1")
    return float(value)


def _patterns(section: _Section, key: str) -> tuple[bytes, ...]:
    texts = section.texts(key)
    try:
        return tuple(with_commands(text.encode("latin-1", "backslashreplace")) for text in texts)
    except KeyError as error:
        accepted = ", ".join(f"{{{{{kind}}}}}" for kind in (*KINDS, "commands"))
        raise section.fail(key, texts, accepted, f"no commands are named {error}") from error


def _base64_patterns(words: Iterable[str]) -> Iterable[bytes]:
    """Yield what each word looks like inside Base64, at each of the three places it can have in a group of three bytes."""
    for word in words:
        for lead in range(3):
            coded = base64.b64encode(b"\0" * lead + word.encode())
            # The first and last characters also carry bits of what stands around the word.
            start = (0, 2, 3)[lead]
            stop = len(coded) - (0, 3, 2)[(lead + len(word)) % 3]
            yield b"(?-i)" + re.escape(coded[start:stop])


def _keys(section: _Section) -> re.Pattern[str] | None:
    value = section.text("keys", "-")
    if value == "-":
        return None
    try:
        return re.compile(value, re.IGNORECASE)
    except re.error as error:
        raise section.fail("keys", value, "a regular expression", str(error)) from error


def _examples(section: _Section) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    node = section.node("examples")
    if node is None:
        raise section.fail("examples", None, "values under `match` and `no_match`", "missing")
    examples = _Section(section.file, node, f"{section.key}.examples")
    matching, harmless = _example_bytes(examples, "match"), _example_bytes(examples, "no_match")
    if not matching or not harmless:
        raise section.fail("examples", None, "at least one under `match` and one under `no_match`")
    examples.finish()
    return matching, harmless


def _example_bytes(section: _Section, key: str) -> tuple[bytes, ...]:
    return tuple(text.encode() for text in section.texts(key))
