"""Response heads that no RFC allows and browsers read all the same, mended to what the most forgiving of them see.

Only heads with a bare CR, a NUL or a folded line come here. A tap has to see what the victim's browser executes, so the
reading that finds more framing and more coding wins; a body that does not begin like a chunk is then taken as it is.
"""

from __future__ import annotations

import re
from typing import Final

_TOKEN: Final = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_CR_BEFORE_HEADER: Final = re.compile(rb"\r(?=" + _TOKEN + rb"[ \t]*:)")
_BARE_CR: Final = re.compile(rb"\r(?!\n)")
# A folded line that would be such a header without its blank: some clients take it for one.
_FOLDED_FRAMING: Final = re.compile(
    rb"\n[ \t]+(?=(?:transfer-encoding|content-encoding|content-length)[ \t]*:)", re.IGNORECASE
)
_FIRST_LINE: Final = re.compile(rb"[^\r\n]*")


def mended(head: bytes) -> bytes:
    """Return *head* with a bare CR before a header made a line end, any other a blank, and NULs left out.

    In the first line NULs become blanks.
    """
    first = _FIRST_LINE.match(head)
    size = first.end() if first else 0
    rest = head[size:].replace(b"\0", b"")
    rest = _BARE_CR.sub(b" ", _CR_BEFORE_HEADER.sub(b"\r\n", rest))
    return head[:size].replace(b"\0", b" ") + _FOLDED_FRAMING.sub(b"\n", rest)
