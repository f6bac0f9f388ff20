import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcpmirror.errors import SettingsError
from tcpmirror.settings.document import FILE_BYTES, NODES, compose, pairs

BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 10)
)

REFUSED = {
    "tab before a key": ("version: 4\nlog:\n\tlevel: info\n", 3, "a tab"),
    "unquoted colon at the end": ("goreplay:\n  filter: eth0:\n", 2, "needs quotes"),
    "open quote": ("a: 'x\n", 2, "not YAML"),
    "two documents": ("a: 1\n---\nb: 2\n", 2, "a second document"),
    "empty": ("", 1, "no settings"),
    "comments only": ("# nothing\n", 1, "no settings"),
    "null": ("~\n", 1, "no settings"),
    "a list": ("- a\n", 1, "found a list"),
    "a text": ("hello\n", 1, "the text 'hello'"),
    "billion laughs": (BOMB, 1, "aliases make more than"),
    "an alias that holds itself": ("a: &a [*a]\n", 1, "holds itself"),
    "unknown alias": ("a: *b\n", 1, "undefined alias"),
    "deep nesting": ("a: " + "[" * 2000 + "]" * 2000, 1, "levels deep"),
    "very many values": ("a: [" + "x," * (NODES + 1) + "]", 1, "values"),
    "control character": ("a: 1\nb: \x01\n", 2, "U+0001"),
    "too big": ("#" * (FILE_BYTES + 1), 0, "too big"),
    "unknown directive": ("%YAML 9.9\n---\na: 1\n", 1, "not YAML"),
}


@pytest.mark.parametrize(("text", "line", "words"), REFUSED.values(), ids=REFUSED)
def test_document_is_refused_with_its_line_and_plain_words(text: str, line: int, words: str) -> None:
    started = time.monotonic()
    with pytest.raises(SettingsError) as caught:
        compose(text, "f.yaml")
    assert (caught.value.line, caught.value.file) == (line, "f.yaml")
    assert words in str(caught.value)
    assert time.monotonic() - started < 10


def test_merged_keys_stand_behind_own_ones() -> None:
    root = compose("base: &base {x: 1, y: 2}\nuse:\n  <<: *base\n  y: 3\n", "f")
    use = pairs(root)[1][1]
    assert [(key.value, value.value) for key, value in pairs(use)] == [("y", "3"), ("x", "1")]


@given(st.text(max_size=200) | st.text(alphabet="a:-[]{}&*!|>'\"%@`,? \n\t#<", max_size=80))
def test_no_text_raises_anything_but_a_settings_error(text: str) -> None:
    try:
        compose(text, "f")
    except SettingsError as error:
        assert str(error)
