"""A search by literals and families tells what one database of all patterns tells."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from tcpmirror.detect.compiled import INSTALLED, Expression, Matcher, Role, gate_expressions
from tcpmirror.detect.pack import load_pack
from tcpmirror.detect.search import OTHERS, SORTED, Search, Searches, need_of
from tcpmirror.model.alphabet import ALPHABETS

PATTERNS = (
    rb"^\x27\s*or\b",
    rb"xp_cmdshell|sp_executesql",
    rb"\$\{jndi",
    rb"\bid\b",
    rb"<script[\s>]",
    rb"\r\nto:",
    rb"%00",
)
EXPRESSIONS = [Expression(pattern, rule // 2, Role.SIGN, 0) for rule, pattern in enumerate(PATTERNS)]
SEARCH = Search(EXPRESSIONS, None, SORTED)
WHOLE = Matcher(EXPRESSIONS, None)
PIECES = (
    b"' or 1",
    b"exec xp_cmdshell",
    b"sp_executesql",
    b"${jndi:x}",
    b" id ",
    b"<script>",
    b"\r\nTo: a",
    b"%00",
    b"word ",
    b" 4-2: ",
    b"\x01",
)


def told(search: Search, text: bytes, alphabet: int = OTHERS) -> list[int]:
    found: list[int] = []
    search.scanner(lambda index, start, end, flags, context: found.append(index), alphabet)(text)
    return sorted(found)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=6).map(b"".join))
def test_it_finds_what_one_database_of_all_finds_each_once(text: bytes) -> None:
    found: list[int] = []
    WHOLE.scan(text, lambda index, start, end, flags, context: found.append(index))
    assert told(SEARCH, text) == sorted(found)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=6).map(b"".join), st.sampled_from((b"", b"word " * 60)))
def test_it_finds_as_much_in_texts_whose_alphabet_is_known(text: bytes, more: bytes) -> None:
    text += more
    for place, alphabet in enumerate(ALPHABETS):
        if not set(text) - alphabet:
            assert told(SEARCH, text, min(place, OTHERS)) == told(SEARCH, text)


def test_a_search_after_one_that_ended_early_begins_anew() -> None:
    found: list[int] = []

    def note(index: int, start: int, end: int, flags: int, context: object) -> bool:
        found.append(index)
        return index == 3

    scan = SEARCH.scanner(note)
    try:
        scan(b"xp_cmdshell id")
    except Exception as error:  # noqa: BLE001 - Hyperscan's own, by which a scan ends
        assert "ScanTerminated" in type(error).__name__
    found.clear()
    scan(b"words")
    assert found == []


def test_own_expressions_follow_the_built_in_ones(tmp_path: Path) -> None:
    own = [Expression(b"ownword", 9, Role.SIGN, 0)]
    searches = Searches(EXPRESSIONS, own, tmp_path)
    found: list[int] = []
    for scan in searches.scanners(lambda index, start, end, flags, context: found.append(index)):
        scan(b"an ownword and xp_cmdshell")
    assert sorted(found) == [1, len(EXPRESSIONS)]
    assert searches.expressions[-1] == own[0]


def test_another_own_rule_compiles_nothing_of_the_others(tmp_path: Path) -> None:
    own = [Expression(b"ownword%d" % number, number, Role.SIGN, 0) for number in range(3)]
    Searches(EXPRESSIONS, own[:2], tmp_path)
    before = {file.name: file.stat().st_ino for file in tmp_path.glob("*.hs")}
    Searches(EXPRESSIONS, own, tmp_path)
    after = {file.name: file.stat().st_ino for file in tmp_path.glob("*.hs")}
    assert before.items() <= after.items()
    # the new rule's own, the literals of all own rules, and what short texts are searched for
    assert 1 <= len(after) - len(before) <= 3


def test_most_built_in_gates_are_led_by_literals() -> None:
    gates = gate_expressions([rule for rule in load_pack().rules if not rule.is_for_responses])
    led = sum(bool(need_of(item.pattern).literals) for item in gates[::7])
    assert led > 0.6 * len(gates[::7])


def test_what_is_kept_of_patterns_is_read_again(tmp_path: Path) -> None:
    Search(EXPRESSIONS, tmp_path)
    (plan,) = tmp_path.glob("*.plan")
    assert not (INSTALLED / plan.name).exists()
    plan.write_bytes(b"damaged")
    assert told(Search(EXPRESSIONS, tmp_path), b"xp_cmdshell") == [1]
