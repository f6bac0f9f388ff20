"""A document that was cut anywhere is closed there, and keeps all that came before."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcpmirror.decode.json_scan import closed
from tcpmirror.decode.normal import Normalizer
from tcpmirror.decode.points import request_points
from tcpmirror.model.exchange import Request
from tcpmirror.settings.tree import Limits

LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
DOCUMENTS = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
).filter(lambda document: isinstance(document, dict | list))


WORDS = ["a", "role", "x" * 15, "y" * 16, "k" * 63, "k" * 64, "\\u00e4", "\\", "\0", "\xff", "\n", ": ", ", "]
PIECES = [
    *'{}[]:,"\\ \n0',
    '"',
    ", ",
    ": ",
    "17",
    "-0.5e3",
    "12345678901234567",
    "true",
    "null",
    "NaN",
    "nul",
    "1.",
    "01",
    *WORDS,
]
PIECES += (
    [f'"{word}"' for word in WORDS]
    + [f', "{word}": ' for word in WORDS]
    + ['{"rows": [{', "}, {", "}]}", "[1, 2, ", '["', '"]']
)
NOISE = st.lists(st.sampled_from(PIECES), max_size=40).map("".join) | st.binary(max_size=80).map(
    lambda data: data.decode("latin-1")
)


class Members(list[tuple[str, object]]):
    """The members of an object, also those whose key comes again."""


def texts(document: object) -> Iterator[str]:
    """Yield keys and strings in order."""
    if isinstance(document, str):
        yield document
    elif isinstance(document, dict | Members):
        for key, value in document.items() if isinstance(document, dict) else document:
            yield key
            yield from texts(value)
    elif isinstance(document, list):
        for value in document:
            yield from texts(value)


@given(document=DOCUMENTS, is_ascii=st.booleans(), indent=st.sampled_from([None, 2]), share=st.floats(0, 1))
def test_wherever_it_is_cut_the_texts_before_stay(
    document: object, is_ascii: bool, indent: int | None, share: float
) -> None:
    whole = json.dumps(document, ensure_ascii=is_ascii, indent=indent).encode("utf-8", "surrogatepass")
    cut = whole[: 1 + int(share * (len(whole) - 1))]
    made = closed(cut)
    assert made is not None
    kept = list(texts(json.loads(made.decode("utf-8", "ignore"), strict=False, object_pairs_hook=Members)))
    expected = list(texts(document))
    while kept and kept[-1] == "" and kept != expected[: len(kept)]:
        kept.pop()  # a key or a text of which nothing had come
    if is_ascii and kept:
        assert kept[:-1] == expected[: len(kept) - 1]
        assert expected[len(kept) - 1].startswith(kept[-1]) or rb"\ud" in cut[-14:].lower()


@given(document=DOCUMENTS)
def test_a_whole_document_stays_as_it_is(document: object) -> None:
    whole = json.dumps(document).encode()
    assert closed(whole) == whole


def members(text: str) -> object:
    """Return the document *text* as RFC 8259 has it, each object as its members; ValueError if it is none."""

    def refuse(constant: str) -> object:
        raise ValueError(constant)

    return json.loads(text, strict=False, object_pairs_hook=Members, parse_constant=refuse)


def is_document(text: str) -> bool:
    try:
        members(text)
    except ValueError:
        return False
    return True


def keys(document: object) -> list[str]:
    """Return the names of all members, each once, in order."""
    found: dict[str, None] = {}
    if isinstance(document, Members):
        for key, value in document:
            found |= dict.fromkeys([key, *keys(value)])
    elif isinstance(document, list):
        for value in document:
            found |= dict.fromkeys(keys(value))
    return list(found)


def names_of(body: bytes) -> bytes | None:
    """Return the names that were noted of a request's *body*."""
    request = Request(b"POST / HTTP/1.1\r\n\r\n", body)
    Normalizer().normal_form(request)
    return request.member_names


@given(text=NOISE)
def test_what_is_no_document_is_taken_for_none(text: str) -> None:
    data = text.encode("latin-1")
    assert (closed(data) == data) == is_document(text)


@given(document=DOCUMENTS, indent=st.sampled_from([None, 2]), at=st.floats(0, 1), gone=st.integers(0, 3), noise=NOISE)
def test_nor_is_a_document_with_something_wrong_in_it(
    document: object, indent: int | None, at: float, gone: int, noise: str
) -> None:
    text = json.dumps([document, document], indent=indent)
    place = int(at * len(text))
    text = text[:place] + noise + text[place + gone :]
    data = text.encode("latin-1")
    assert (closed(data) == data) == is_document(text)


@given(text=NOISE, separators=st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", " :\t")]), document=DOCUMENTS)
def test_names_are_noted_once(text: str, separators: tuple[str, str], document: object) -> None:
    body = json.dumps([{text: document, "n": 1}, document, {text: 2}], separators=separators, ensure_ascii=False)
    data = body.encode("utf-8", "surrogatepass")
    expected = keys(members(data.decode("latin-1")))
    if "\\" in body or len(expected) > 32 or sum(map(len, expected)) > 900:
        return
    noted = ("{" + "".join(f'"{name}":' for name in expected)).encode("latin-1")
    assert names_of(data) == (noted if max(map(len, expected), default=0) < 64 else None)


VALUES = st.recursive(
    st.sampled_from([None, True, 0, 17, -1.5, "", "text", "}, {", "k" * 40, "\u00e4"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=5,
)
ROWS = st.lists(
    st.fixed_dictionaries({"id": VALUES}, optional={"a": VALUES, "k" * 27: VALUES, "\u00e4": VALUES}), max_size=8
)


def written(document: object, blanks: Iterator[str]) -> str:
    """Return *document* in JSON with *blanks* between its tokens."""
    if isinstance(document, dict):
        members = [
            f"{next(blanks)}{json.dumps(key)}{next(blanks)}:{next(blanks)}{written(value, blanks)}{next(blanks)}"
            for key, value in document.items()
        ]
        return "{" + (",".join(members) or next(blanks)) + "}"
    if isinstance(document, list):
        return "[" + ",".join(f"{next(blanks)}{written(value, blanks)}{next(blanks)}" for value in document) + "]"
    return json.dumps(document)


@given(rows=ROWS, narrow=st.lists(st.sampled_from(["", "", "", "", " ", "\n "]), min_size=1, max_size=30))
def test_members_that_follow_each_other_as_before_are_read_as_the_first(rows: object, narrow: list[str]) -> None:
    """Between wide gaps each is read anew."""
    forms = []
    for blanks in (itertools.cycle(narrow), itertools.repeat(" " * 40)):
        request = Request(b"POST / HTTP/1.1\r\n\r\n", written({"rows": rows}, blanks).encode())
        forms.append((Normalizer().normal_form(request), request.member_names))
    assert forms[0] == forms[1]


# Bytes that stood between two members before, in a place where they mean something else.
MISPLACED = {
    "a member of an array": '{"a": 1, "b": 2, "c": {"a": [1, "b": 2]}}',
    "a member of an array, behind an array": '{"a": [1], "b": 2, "c": {"a": [[1], "b": 2]}}',
    "a member of an array, behind an object": '{"c": {"a": 1}, "b": 2, "d": [{"a": 1}, "b": 2]}',
    "an object in an object": '[{"a": 1}, {"a": {"a": 1}, {"a": 2}}]',
    "an end of nothing": '[{"a": 1}, {"a": 1}, {"a": [1}, {"a": 2}]',
}


@pytest.mark.parametrize("text", MISPLACED.values(), ids=MISPLACED)
def test_a_member_follows_only_where_it_may(text: str) -> None:
    assert not is_document(text)
    assert names_of(text.encode() + b" " * 40) is None


UNNOTED = {
    "an escape in a name": b'{"a\\n":1}',
    "an escape in a value": b'[{"a":"\\""}]',
    "more names than are noted": json.dumps({str(number): 1 for number in range(33)}).encode(),
    "longer names than are noted": json.dumps({str(number) * 25: 1 for number in range(10, 32)}).encode(),
    "a name that is too long": json.dumps({"k": {"k" * 64: 1}}).encode(),
    "no document": b'{"a":1',
    "blanks before it": b' {"a":1}',
    "a form": b"a=1",
}


@pytest.mark.parametrize("body", UNNOTED.values(), ids=UNNOTED)
def test_names_that_are_not_all_known_are_not_noted(body: bytes) -> None:
    assert names_of(body) is None


@pytest.mark.parametrize("deep", [127, 128, 129])
@pytest.mark.parametrize(
    ("begin", "end"), [("[", "]"), ('{"a":', "}"), ('[{"a": ', "}]")], ids=["arrays", "objects", "both"]
)
def test_how_deep_a_document_may_be(deep: int, begin: str, end: str) -> None:
    times = deep if len(end) == 1 else deep // 2
    data = (begin * times + "1" + end * times).encode()
    assert (closed(data) == data) == (times * len(end) <= 128)


CUT = {
    "before a value": (b'{"a":', b'{"a":null}'),
    "in a constant": (b'{"a":[1,tr', b'{"a":[1,null]}'),
    "in a number": (b"[12, -", b"[12, null]"),
    "behind a comma of an object": (b'{"a":1, ', b'{"a":1, "":null}'),
    "behind a comma of an array": (b"[1,", b"[1,null]"),
    "in a key": (b'{"a":1,"passw', b'{"a":1,"passw":null}'),
    "behind a key": (b'{"a":1,"b" ', b'{"a":1,"b" :null}'),
    "in a string": (b'{"a":["\\u00e4x\\u00', b'{"a":["\\u00e4x"]}'),
    "in an escape": (b'["a\\', b'["a"]'),
    "at once": (b'[{"', b'[{"":null}]'),
}


@pytest.mark.parametrize(("cut", "expected"), CUT.values(), ids=CUT)
def test_how_it_is_closed(cut: bytes, expected: bytes) -> None:
    assert closed(cut) == expected


NONE = {
    "nothing": b"",
    "no document": b"hello",
    "a lone string": b'"abc',
    "an odd end": b'{"a":1]',
    "words": b"{select * from users where the name is not a document at all and this goes on for some time",
    "a bad escape": b'{"a":"\\q and on',
}


@pytest.mark.parametrize("data", NONE.values(), ids=NONE)
def test_what_begins_no_document_is_left_alone(data: bytes) -> None:
    assert closed(data) is None


def test_both_tiers_read_a_document_that_was_cut() -> None:
    payload = "<img src=x onerror=alert('1')>"
    body = json.dumps({"rows": [{"note": payload, "n": number} for number in range(40)]}).encode()
    request = Request(b"POST / HTTP/1.1\r\nContent-Type: application/json\r\n\r\n", body[:1000])
    request.body_length = len(body)
    points = request_points(request, Limits()).points
    assert ("post", "json_doc", "hash", "rows", "array", "0", "hash", "note") in [point.path for point in points]
    assert payload.encode() in [point.value for point in points]
    form = Normalizer().normal_form(request)
    assert form is not None
    assert b'{"note"' not in b"".join(form), "read as a document, not as a text"
