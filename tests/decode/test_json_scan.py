"""A document that was cut anywhere is closed there, and keeps all that came before."""

from __future__ import annotations

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
