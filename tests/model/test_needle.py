"""A word is found wherever it stands."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tcpmirror.model.needle import holds

LETTERS = st.lists(st.sampled_from(b"abc"), max_size=120).map(bytes)


@given(text=LETTERS, word=LETTERS.map(lambda letters: letters[:5]))
def test_it_says_what_the_language_says(text: bytes, word: bytes) -> None:
    assert holds(text, word) == (word in text)


@given(before=st.binary(max_size=70), behind=st.binary(max_size=70))
def test_what_is_put_in_is_found(before: bytes, behind: bytes) -> None:
    assert holds(before + b"passw" + behind, b"assw")
