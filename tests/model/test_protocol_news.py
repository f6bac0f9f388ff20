"""News of protocols: encode and decode are inverse, and nothing else is news."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcpmirror.model.protocol_news import ProtocolNews, decode_protocols, encode_protocols

counts = st.dictionaries(st.text(max_size=20), st.integers(0, 2**63), max_size=5).map(Counter)


@given(st.tuples(*[st.integers(-1, 2**24)] * 4), counts, counts)
def test_what_was_encoded_is_decoded(place: tuple[int, int, int, int], protocols: Counter[str], names: Counter[str]) -> None:
    news = ProtocolNews(place, protocols, names)
    assert decode_protocols(encode_protocols(news)) == news


@pytest.mark.parametrize("record", [b"", b"{}", b"[1,2,3]", b"[1,2,3,4,5,6]", b'[1,2,3,"x",{},{}]', b"\xff", b"[" * 100_000])
def test_anything_else_is_refused(record: bytes) -> None:
    with pytest.raises(ValueError):
        decode_protocols(record)
