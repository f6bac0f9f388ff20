"""GraphQL documents (GraphQL specification, section 2): the string arguments become points of their own."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from tcpmirror.decode.text import markup

if TYPE_CHECKING:
    from tcpmirror.decode.walk import Path, Walk

_DOCUMENT: Final = re.compile(rb"\s*(?:(?:query|mutation|subscription)\b[^{]{0,512})?\{\s*[_A-Za-z.#]")
_STRING: Final = re.compile(rb'"((?:[^"\\\n]|\\.)*)"')


def looks_like(path: Path, value: bytes) -> bool:
    """Tell whether *value*, the parameter or key ``query``, is a GraphQL document."""
    return path[-1] == "query" and _DOCUMENT.match(value) is not None


def read(walk: Walk, path: Path, value: bytes, depth: int) -> None:
    walk.add((*path, "gql_query"), value)
    for index, match in enumerate(_STRING.finditer(value)):
        walk.visit((*path, "gql_query", "gql_arg", str(index)), markup(match.group(1)), depth)
