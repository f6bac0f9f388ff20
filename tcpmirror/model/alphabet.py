"""The alphabets that the first tier sorts texts by: most texts are written in few bytes, and most patterns need rarer ones.

``PROSE``  words and sentences of any language without quotes
``PLAIN``  numbers, dates and names as well
``URL``    targets, forms and addresses as well
``ANY``    every byte
"""

from typing import Final

_WORD: Final = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")
_SEPARATOR: Final = b"\x01"  # between texts

PROSE: Final = _WORD - frozenset(b"0123456789") | frozenset(b" .," + _SEPARATOR) | frozenset(range(128, 256))
PLAIN: Final = PROSE | frozenset(b"0123456789:-")
URL: Final = PLAIN | frozenset(b"/?=&%+@~")
ANY: Final = frozenset(range(256))

ALPHABETS: Final = (PROSE, PLAIN, URL, ANY)  # each holds the one before it
