"""Disagreement: a request of which servers in a row may read different ends (RFC 9112, section 11.2)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

REQUEST_LINE: Final = re.compile(
    rb"[\r\n]{0,4}([A-Za-z][A-Za-z_-]{0,31} [^\s\x00-\x20][^\r\n]{0,8192} HTTP/\d(?:\.\d)?)\s{0,4}[\r\n]"
)


REST_BYTES: Final = 512  # of what follows the shorter reading


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Two readings of one request.

    ``name``: both as the field writes them, the one that goes further first, such as ``CL.TE``. ``readings``: (what is
    believed, bytes of body on the wire that follow from it) for each; None for an end that has not come. ``rest``: what
    stands behind the shorter one (at most 512 bytes): one server takes it for the next request.
    """

    name: str
    readings: tuple[tuple[str, int | None], tuple[str, int | None]]
    rest: bytes

    @property
    def smuggled(self) -> str | None:
        """The first line of the request hidden in the other, or None if there is no whole one."""
        match = REQUEST_LINE.match(self.rest)
        return match.group(1).decode("latin-1") if match else None

    @property
    def text(self) -> str:
        """Both readings in words, and the request in between."""
        said = "; ".join(
            f"{reader}: body of {length} bytes" if length is not None else f"{reader}: body goes on"
            for reader, length in self.readings
        )
        return f"{said}; then {self.smuggled or self.rest[:80].decode('latin-1')!r}" if self.rest else said
