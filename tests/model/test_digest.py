from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcpmirror.model.digest import MirrorNews, decode_digest, encode_digest

COUNT = st.integers(0, 2**64 - 1)
VLAN = st.integers(0, 4095)
ROWS = st.lists(
    st.builds(MirrorNews, st.integers(-1, 255), VLAN, VLAN, st.integers(-1, 2**24 - 1), COUNT, COUNT, COUNT, COUNT, COUNT)
)


@given(ROWS)
def test_decode_is_the_inverse_of_encode(rows: list[MirrorNews]) -> None:
    assert decode_digest(encode_digest(rows)) == rows


@given(st.binary(max_size=200).filter(lambda record: len(record) % 56))
def test_a_cut_digest_is_refused(record: bytes) -> None:
    with pytest.raises(ValueError, match="whole rows"):
        decode_digest(record)
