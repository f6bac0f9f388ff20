"""Path templates from the statistics of traffic: which segments are values, which are names of things.

The paths of a host form a tree. Whether the texts under one node are values is asked of all of them together, from the root
down, and what turns out to be a value is merged before its own children are looked at:

* *What follows.* After a value comes the same as after any other value in its place: the same methods, the same segments in
  about the same shares. After the name of a collection comes what only that collection has. A text that differs from
  the rest (G-test with an effect size) is a name.
* *How open the set is.* Values go on arriving: some were seen once only (I. J. Good, "The population frequencies of
  species", Biometrika 40, 1953). The names under a node are few, and each is seen again.
* *How many of them hold digits,* which names of collections rarely do.

The look of a single segment decides only what no route would hold (`shape`). A decision to call a place a value is kept
(*learned*); what the operator says (*corrections*) goes before everything.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from tcpmirror.discovery.shape import raw_shape

Path = tuple[str, ...]  # segments after the first slash; a value is ``{}``, with a file extension ``{}.json``

VALUE: Final = "{}"
_VERSION: Final = re.compile(r"[vV]\d+([._]\d+)*((alpha|beta|rc)\d*)?")
_MIN_VALUES: Final = 3  # fewer texts are no sample
_CERTAIN: Final = 8  # of a text before its company can be judged
_DIVERGENT_BITS: Final = 0.45  # of what follows a text, against what follows the rest
_G_LIMIT: Final = 20.0  # twice the log likelihood ratio; per degree of freedom 2 more
_ROUNDS: Final = 24
_OPEN_SHARE: Final = 0.1  # of the texts seen once
_USUAL_SHARE: Final = 0.05  # of what follows texts seen often, for it to be what follows a value there
_MANY: Final = 12  # texts with digits that are each seen again: fewer may be `load_1`, `load_5`, `load_15`
_ALIKE_BITS: Final = 1.0  # of entropy in what follows, before likeness says anything
_TELLING: Final = 120  # requests, divided by the texts, before likeness within chance says anything
_MIXED_SHARE: Final = 0.15  # of the texts with digits


@dataclass(slots=True)
class Node:
    """What was seen below one place: the next segments, and how often a request of each method ended here."""

    children: dict[str, Node] = field(default_factory=dict)
    ends: Counter[str] = field(default_factory=Counter)
    count: int = 0

    def add(self, segments: Sequence[str], methods: Mapping[str, int]) -> None:
        amount, node = sum(methods.values()), self
        node.count += amount
        for segment in segments:
            node = node.children.setdefault(segment, Node())
            node.count += amount
        node.ends.update(methods)

    def following(self, values: Collection[str] = ()) -> Counter[str]:
        """Return how often each thing came next: a segment, all of *values* as one, or the end by a method (no slash)."""
        found = Counter(self.ends)
        for name, child in self.children.items():
            found["/{}" if name in values else f"/{name}"] += child.count
        return found


@dataclass(slots=True)
class Decided:
    """A tree in which each place is a name or a value."""

    names: dict[str, Decided] = field(default_factory=dict)
    values: dict[str, Decided] = field(default_factory=dict)  # by file extension, mostly ``""``
    value_texts: dict[str, str] = field(default_factory=dict)  # texts that are values -> extension

    def template(self, path: Path) -> Path:
        """Return *path* with ``{}`` for its values; a text never seen is a value where only values are expected."""
        found, node = [], self
        for place, segment in enumerate(path):
            if segment in node.names:
                node = node.names[segment]
                found.append(segment)
                continue
            extension = node.value_texts.get(segment, segment[2:] if segment.startswith(VALUE) else "")
            if extension not in node.values or not (segment in node.value_texts or segment.startswith(VALUE)):
                return (*found, *path[place:])
            node = node.values[extension]
            found.append(VALUE + extension)
        return tuple(found)


def decide(
    paths: Mapping[Path, Mapping[str, int]], learned: Iterable[Path] = (), corrections: Iterable[Path] = ()
) -> Decided:
    """Return the tree for *paths* with the requests of each by method.

    *learned*: templates known from before; *corrections*: the operator's. Any segment of theirs in braces is a value.
    """
    root = Node()
    for path, methods in paths.items():
        root.add(path, methods)
    return _decided(root, [_bare(path) for path in learned], [_bare(path) for path in corrections])


def templates(
    paths: Mapping[Path, Mapping[str, int]], learned: Iterable[Path] = (), corrections: Iterable[Path] = ()
) -> dict[Path, Path]:
    """Return the template of each of *paths*."""
    tree = decide(paths, learned, corrections)
    return {path: tree.template(path) for path in paths}


def _bare(path: Path) -> Path:
    return tuple(re.sub(r"\{[^}]*\}", VALUE, segment) for segment in path)


def _decided(node: Node, learned: list[Path], corrections: list[Path]) -> Decided:
    texts = {name: child for name, child in node.children.items() if not name.startswith(VALUE)}
    value_texts = _value_texts(node, texts, learned, corrections)
    groups: dict[str, list[Node]] = {name[2:]: [child] for name, child in node.children.items() if name.startswith(VALUE)}
    for text in value_texts:
        groups.setdefault("", []).append(texts[text])
    found = Decided(value_texts=dict.fromkeys(value_texts, ""))
    for name, child in texts.items():
        if name not in value_texts:
            found.names[name] = _decided(child, _below(learned, name), _below(corrections, name))
    for extension, members in groups.items():
        name = VALUE + extension
        found.values[extension] = _decided(_merged(members), _below(learned, name), _below(corrections, name))
    return found


def _below(templates_: list[Path], name: str) -> list[Path]:
    return [path[1:] for path in templates_ if len(path) > 1 and path[0] == name]


def _value_texts(node: Node, texts: dict[str, Node], learned: list[Path], corrections: list[Path]) -> set[str]:
    """Return which of *texts* are values here."""
    named = {path[0] for path in corrections if path}
    open_texts = {name: child for name, child in texts.items() if name not in named}
    if VALUE in named:
        return set(open_texts)
    before = {path[0] for path in learned if path}
    numbers = {name for name in open_texts if raw_shape(name) in ("small", "date")}
    words = {
        name: child for name, child in open_texts.items() if name and name not in numbers and not _VERSION.fullmatch(name)
    }
    found = _alike(words, node.children.get(VALUE), VALUE in before) - before
    if found or VALUE in node.children or VALUE in before or len(numbers) >= _MIN_VALUES:
        found |= numbers
    return found


def _alike(words: dict[str, Node], values: Node | None, is_learned: bool, is_deep: bool = True) -> set[str]:
    """Return the words that are values: those that are like each other, if there is more to say for it."""
    together = list(words.values()) if values is None else [*words.values(), values]
    below = _values_below(together) if is_deep else set[str]()
    following = {name: child.following(below) for name, child in words.items()}
    whole: Counter[str] = Counter()
    for child in together:
        whole.update(child.following(below))
    _leave_out(following, whole)
    if is_learned or _are_values(following) or (is_deep and _are_choices({name: words[name] for name in following}, below)):
        return set(following)
    if values is None:
        return set()
    return {name for name in following if raw_shape(name) == "mixed" and words[name].count < max(_CERTAIN, values.count)}


def _values_below(nodes: list[Node]) -> set[str]:
    """Return which texts below *nodes* look like values, taken together: what tells names apart must not drown in them."""
    merged = _merged(nodes, 2)
    texts = {name: child for name, child in merged.children.items() if name and not name.startswith(VALUE)}
    numbers = {name for name in texts if raw_shape(name) in ("small", "date")}
    words = {name: child for name, child in texts.items() if name not in numbers and not _VERSION.fullmatch(name)}
    return numbers | _alike(words, merged.children.get(VALUE), is_learned=False, is_deep=False)


def _leave_out(following: dict[str, Counter[str]], whole: Counter[str]) -> None:
    """Take the texts that differ from the rest out of *following* and *whole*, the most different first."""
    left_out: dict[str, Counter[str]] = {}
    for _ in range(_ROUNDS):
        excess = {name: _difference(counts, whole) for name, counts in following.items()}
        most = max(excess.values(), default=0.0)
        if most <= 0.0:
            break
        for name, nats in excess.items():
            if nats >= most / 2:
                left_out[name] = following.pop(name)
                whole -= left_out[name]
    for name, counts in left_out.items():  # what only differed from the company it was in
        if following and _difference(counts, whole + counts) <= 0.0:
            following[name] = counts
    for name in following.keys() & left_out.keys():
        whole.update(left_out[name])


def _difference(counts: Counter[str], whole: Counter[str]) -> float:
    """Return by how many nats what follows one text differs from what follows the rest of *whole*; 0.0: it does not."""
    total = counts.total()
    rest = whole.total() - total
    if total < _CERTAIN or rest <= 0:
        return 0.0
    kinds, seen = len(whole), len(counts)
    nats = 0.0
    for event, count in counts.items():
        expected = (whole[event] - count + 0.5) / (rest + 0.5 * kinds)
        nats += count * math.log(count / total / expected)
    by_chance = seen / 2.0  # of nats, for so many kinds (G. A. Miller, "Note on the bias of information estimates", 1955)
    is_other = nats > _G_LIMIT / 2 + 2.0 * by_chance and (nats - by_chance) / total / math.log(2.0) > _DIVERGENT_BITS
    return nats if is_other else 0.0


def _are_values(following: dict[str, Counter[str]]) -> bool:
    size = len(following)
    if size < _MIN_VALUES:
        return False
    once = _seen_once(following)
    mixed = sum(raw_shape(name) == "mixed" for name in following)
    return once >= max(2, _OPEN_SHARE * size) or (size >= _MANY and mixed >= max(2, _MIXED_SHARE * size))


def _seen_once(following: dict[str, Counter[str]]) -> int:
    """Return how many texts were seen once and followed by what also follows those seen often, where there are such.

    What somebody tries below a few collections is seen once, too, and nothing comes after it.
    """
    often = sum((counts for counts in following.values() if counts.total() >= _CERTAIN), Counter[str]())
    singles = [next(iter(counts)) for counts in following.values() if counts.total() == 1]
    return sum(not often or often[event] >= _USUAL_SHARE * often.total() for event in singles)


def _are_choices(words: dict[str, Node], below: set[str]) -> bool:
    """Tell whether two texts or more are choices of one parameter: a closed set, but what follows each is the same two deep.

    Collections that are used alike have different shares all the same, so this asks for likeness within chance.
    """
    following = {name: _two_deep(child, below) for name, child in words.items()}
    if len(following) < 2 or min(counts.total() for counts in following.values()) < _TELLING / len(following):
        return False
    whole = sum(following.values(), Counter[str]())
    if len(whole) < _MIN_VALUES:
        return False
    total = whole.total()
    entropy = -sum(count / total * math.log2(count / total) for count in whole.values())
    if entropy < _ALIKE_BITS or total < 4 * len(whole) * len(following):
        return False
    nats = sum(
        count * math.log(count * total / (counts.total() * whole[event]))
        for counts in following.values()
        for event, count in counts.items()
    )
    by_chance = (len(whole) - 1) * (len(following) - 1) / 2.0
    return nats < by_chance + 1.5 * math.sqrt(by_chance)


def _two_deep(node: Node, below: set[str]) -> Counter[str]:
    found = Counter(node.ends)
    for name, child in node.children.items():
        place = "/{}" if name in below else f"/{name}"
        for event, count in child.following().items():
            is_value = raw_shape(event[1:]) != "word" and event.startswith("/")
            found[f"{place} {'/{}' if is_value or event.startswith('/{}') else event}"] += count
    return found


def _merged(nodes: list[Node], depth: int = 1 << 30) -> Node:
    """Return one node with all that *nodes* have, to *depth* levels below; they stay as they are."""
    if len(nodes) == 1:
        return nodes[0]
    found = Node()
    parts: dict[str, list[Node]] = {}
    for node in nodes:
        found.count += node.count
        found.ends.update(node.ends)
        for name, child in node.children.items():
            parts.setdefault(name, []).append(child)
    if depth:
        found.children = {name: _merged(members, depth - 1) for name, members in parts.items()}
    return found
