"""What a value does to the page that prints it: the words for the marks that `markup` reads, and what rules make of them.

Honest markup, as editors send it, shows text, links, tables and pictures: it runs nothing, loads no page into
the page and leaves no attribute. That is what tells it from an injection, not the number of its tags.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from tcpmirror.detect import markup

# What a text shows as code rather than says: fenced blocks and back-quoted spans of Markdown.
_QUOTED: Final = re.compile(rb"```.*?```|``[^`\n]+``|`[^`\n]+`", re.DOTALL)
_SENTENCE: Final = re.compile(rb"[a-z\x80-\xff]{2,20}[,;:]? [a-z\x80-\xff]{2,20} [A-Za-z\x80-\xff]{2,20}[ .,:;!?]")
# A tag that a sentence talks about: bare, words of the language before and behind it.
_NAMED: Final = re.compile(rb"(?<=[a-z,.;:] )</?[a-z]{1,10}\d?>(?=(?:[,.;:)]? [a-z]{2,20}){3})", re.IGNORECASE)
# A player as sites give it out to be put into a page: a frame of a size, from an address with its scheme.
_PLAYER: Final = re.compile(
    rb"<iframe(?=[^<>]*\ssrc=[\"']https://[\w.-]+\.[a-z]{2,10}/[^\"'\s<>]*[\"'])(?=[^<>]*\swidth=[\"']?\d{2,4}(?:px|%)?[\"'\s])"
    rb"(?=[^<>]*\sheight=[\"']?\d{2,4}(?:px|%)?[\"'\s>])(?![^<>]*\s(?:on\w+|srcdoc|style)\s*=)[^<>]*>\s*</iframe>",
    re.IGNORECASE,
)
_CODE: Final = re.compile(
    rb"<(code|pre|kbd|samp|tt)(?:\s[^<>]*)?>[^<]{0,4096}</\1>", re.IGNORECASE
)  # what a page shows as code
_RICH_TAGS: Final = 4  # end tags of a text with structure; what attacks load stands alone
_PROBE_BYTES: Final = 300
_PROBE: Final = re.compile(
    rb"\bx\W?s\W?s|alert|prompt\b|confirm\b|eval\b|document\.|script:\s*(?!void|;|history|window|\s*[\"\'])|fromcharcode|\bhack(?:ed|er)",
    re.IGNORECASE,
)
_IMPORT: Final = re.compile(rb"@import\s{0,8}(?:url\s{0,8}\()?\s{0,8}[\"']?(?:[a-z]{1,10}:)?//", re.IGNORECASE)
_PAGE: Final = re.compile(
    rb"\s*(?:[^<\s]|<(?:p|div|h[1-6]|html|table|ul|ol|span|br|hr|blockquote|pre|b|i|u|em|strong|a|img|figure|font"
    rb"|!doctype html)[\s/>])",
    re.IGNORECASE,
)
_WORDS: Final = (
    (markup.RUNS, "runs script"),
    (markup.LOADS, "loads from elsewhere"),
    (markup.BREAKS, "leaves what it is printed in"),
    (markup.CLAIMS, "draws over the page"),
    (markup.CONTENT, "text with structure"),
    (markup.FOREIGN, "begins a drawing, formula or style"),
    (markup.ODD, "cut off or mangled"),
)


@lru_cache(maxsize=4)  # several rules ask about one value, one after the other
def _marks(value: bytes) -> int:
    return markup.read(value)


def runs(value: bytes) -> bool:
    """Tell whether *value* runs script as markup.

    What a text in Markdown quotes as code, and a bare tag that a sentence names, is not looked at.
    """
    if not _marks(value) & markup.RUNS:
        return False
    if _SENTENCE.search(value) is None:
        return True
    said = _NAMED.sub(b" ", _QUOTED.sub(b" ", value))
    return said == value or markup.read(said) & markup.RUNS != 0


def loads(value: bytes) -> bool:
    """Tell whether *value* brings a page, plugin, style sheet or drawing, and is no text with structure around it.

    Players, as sites give them out to be put into a page, are none of these, nor are tags that a sentence names.
    """
    marks = _marks(value)
    if marks & markup.RUNS or not marks & (markup.LOADS | markup.FOREIGN | markup.BREAKS):
        return runs(value)
    if marks & markup.CONTENT and value.count(b"</") >= _RICH_TAGS:
        return False
    said = _NAMED.sub(b" ", _PLAYER.sub(b" ", value))
    return said == value or markup.read(said) & (markup.LOADS | markup.FOREIGN | markup.BREAKS | markup.RUNS) != 0


def breaks_out(value: bytes) -> bool:
    """Tell whether *value* leaves an attribute, comment or raw text and goes on as markup or as a handler."""
    return _marks(value) & markup.BREAKS != 0


def claims(value: bytes) -> bool:
    """Tell whether *value* changes a page beyond showing a text: headings, forms, frames, drawings."""
    return _marks(value) & (markup.CLAIMS | markup.LOADS | markup.FOREIGN | markup.RUNS | markup.BREAKS) != 0


def probes(value: bytes) -> bool:
    """Tell whether *value* is a little markup with words that try whether script runs."""
    if len(value) > _PROBE_BYTES or b"&lt;" in value or _PROBE.search(_CODE.sub(b" ", value)) is None:
        return False
    return _marks(value) != 0


def styles(value: bytes) -> bool:
    """Tell whether *value*, printed into a style sheet, runs script or brings the style of another site."""
    return markup.style_runs(value) or (len(value) <= _PROBE_BYTES and _IMPORT.search(value) is not None)


def urls(value: bytes) -> bool:
    """Tell whether *value* is a URL that is script; of those in markup `runs` decides."""
    return markup.runs_as_url(value) and not (b"<" in value and _marks(value) & (markup.CONTENT | markup.CLAIMS))


def shows_text(value: bytes) -> bool:
    """Tell whether *value* is a page's markup already, so that what its elements and entities hold is shown as text.

    A document of XML is not: who reads it takes the texts of its elements for values.
    """
    if b"</" not in value or _PAGE.match(value) is None:
        return False
    marks = _marks(value)
    return marks & markup.CONTENT != 0 and not marks & (markup.RUNS | markup.BREAKS | markup.ODD)


def is_text(value: bytes) -> bool:
    """Tell whether *value* is a text in markup: paragraphs, lists or tables from its first tag on."""
    return _marks(value) & markup.CONTENT != 0 and _PAGE.match(value) is not None and b"</" in value


def described(value: bytes) -> str:
    """Return what `markup` reads in *value*, for people."""
    marks = _marks(value)
    return ", ".join(word for mark, word in _WORDS if marks & mark)
