"""YAML text -> a tree of nodes that know their line, within bounds, with faults in words an operator understands.

Nothing is constructed from the text (no tags, no types): the schema decides what a scalar means.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import yaml

from tcpmirror.errors import SettingsError

FILE_BYTES: Final = 1 << 20  # a settings file of a hundred routes has some 20 KiB
DEPTH: Final = 40  # routes nest by two levels each
NODES: Final = 50_000  # after aliases are followed: stops "billion laughs" (nine levels of nine aliases are 387 million)
MERGE_TAG: Final = "tag:yaml.org,2002:merge"
TAG_PREFIX: Final = "tag:yaml.org,2002:"


def line_of(node: yaml.Node) -> int:
    """Return the line of *node*, counted from 1."""
    return int(node.start_mark.line) + 1


def tag_of(node: yaml.Node) -> str:
    """Return `str`, `int`, `bool`, `null` ... for the types YAML knows, an unknown tag as it stands."""
    return str(node.tag).removeprefix(TAG_PREFIX)


def is_null(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and tag_of(node) == "null"


def shown(node: yaml.Node) -> object:
    """Return what an error message should show of *node*."""
    if isinstance(node, yaml.ScalarNode):
        return node.value if len(node.value) <= 200 else node.value[:200] + "…"
    return "a list" if isinstance(node, yaml.SequenceNode) else "a map"


class _BoundError(yaml.MarkedYAMLError):
    """YAML, but more of it than settings need."""


class _Loader(yaml.SafeLoader):
    """Composes at most `NODES` nodes, at most `DEPTH` deep, so that composing cannot exhaust the stack."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.depth = 0
        self.nodes = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        self.depth += 1
        self.nodes += 1
        if self.depth > DEPTH:
            raise self._fault(f"nested more than {DEPTH} levels deep")
        if self.nodes > NODES:
            raise self._fault(f"more than {NODES:,} values")
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def _fault(self, problem: str) -> _BoundError:
        return _BoundError(problem=problem, problem_mark=self.get_mark())


def compose(text: str, file: str) -> yaml.MappingNode:
    """Return the root map of *text*; SettingsError if it is no YAML, no map, or too big."""
    if len(text.encode(errors="surrogatepass")) > FILE_BYTES:
        raise SettingsError(
            file, 0, "(file)", f"{len(text):,} characters", f"at most {FILE_BYTES >> 20} MiB", "the file is too big"
        )
    root = _compose_node(text, file)
    if root is None or is_null(root):
        raise SettingsError(file, 1, "(root)", "", "a map of settings, as in `version: 4`", "the file holds no settings")
    if not isinstance(root, yaml.MappingNode):
        raise SettingsError(
            file, line_of(root), "(root)", shown(root), "a map of settings, as in `version: 4`", _found(root)
        )
    if (size := _expanded_size(root, {}, set())) > NODES:
        problem = "an alias holds itself" if size >= CYCLE else f"aliases make more than {NODES:,} values of it"
        raise SettingsError(file, line_of(root), "(file)", "", "a file without such aliases", problem)
    return root


def _compose_node(text: str, file: str) -> yaml.Node | None:
    loader: _Loader | None = None
    try:
        loader = _Loader(text)
        return loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 0
        raise SettingsError(file, line, "(file)", "", "YAML", _in_words(error)) from error
    except yaml.YAMLError as error:
        raise SettingsError(file, _reader_line(text, error), "(file)", "", "YAML in UTF-8", _reader_words(error)) from error
    finally:
        if loader is not None:
            loader.dispose()


def _reader_line(text: str, error: yaml.YAMLError) -> int:
    """Return the line of a character YAML forbids; 0 if the error does not say where it is."""
    position = getattr(error, "position", None)
    return text.count("\n", 0, position) + 1 if isinstance(position, int) else 0


def _reader_words(error: yaml.YAMLError) -> str:
    character = getattr(error, "character", None)
    if character is None:
        return " ".join(str(error).split())
    return f"the character U+{character if isinstance(character, int) else ord(character):04X} may not stand in YAML"


def _in_words(error: yaml.MarkedYAMLError) -> str:
    problem = error.problem or error.context or "not YAML"
    if isinstance(error, _BoundError):
        return problem
    if "'\\t'" in problem:
        return "a tab; YAML takes spaces only before a key"
    if "mapping values" in problem:
        return "a second colon in one line; a text with a colon at its end needs quotes, as in `filter: 'eth0:'`"
    if "single document" in (error.context or ""):
        return "a second document (`---`); one file holds one set of settings"
    return f"not YAML: {problem}" + (f" ({error.context})" if error.context and error.context != problem else "")


def _found(node: yaml.Node) -> str:
    return f"found {shown(node)}" if not isinstance(node, yaml.ScalarNode) else f"found the text {shown(node)!r}"


CYCLE: Final = 1 << 62  # larger than any sum of honest nodes


def _expanded_size(node: yaml.Node, sizes: dict[int, int], open_nodes: set[int]) -> int:
    """Return how many nodes *node* has with every alias written out; at least `CYCLE` if one holds itself."""
    if id(node) in open_nodes:
        return CYCLE
    if id(node) not in sizes:
        open_nodes.add(id(node))
        sizes[id(node)] = 1 + sum(_expanded_size(child, sizes, open_nodes) for child in _children(node))
        open_nodes.discard(id(node))
    return sizes[id(node)]


def _children(node: yaml.Node) -> Iterator[yaml.Node]:
    if isinstance(node, yaml.SequenceNode):
        yield from node.value
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield key
            yield value


def pairs(node: yaml.MappingNode) -> list[tuple[yaml.Node, yaml.Node]]:
    """Return the keys and values of *node* in order, with `<<: *anchor` merged in where *node* has no such key itself."""
    own = [(key, value) for key, value in node.value if key.tag != MERGE_TAG]
    seen = {key.value for key, _ in own if isinstance(key, yaml.ScalarNode)}
    merged: list[tuple[yaml.Node, yaml.Node]] = []
    for key, value in node.value:
        if key.tag != MERGE_TAG:
            continue
        for source in value.value if isinstance(value, yaml.SequenceNode) else [value]:
            if not isinstance(source, yaml.MappingNode):
                merged.append((key, value))  # not a map: left for the schema to reject by its name `<<`
                continue
            for inner_key, inner_value in pairs(source):
                if not isinstance(inner_key, yaml.ScalarNode) or inner_key.value not in seen:
                    merged.append((inner_key, inner_value))
                    seen.add(str(inner_key.value))
    return own + merged
