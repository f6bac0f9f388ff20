"""Point: one value of an exchange and the way it was reached."""

from __future__ import annotations

from typing import NamedTuple


class Point(NamedTuple):
    """One decoded value.

    ``path`` names parsers and keys from the outside in, such as ``("post", "json_doc", "hash", "user", "base64")``:
    tags are lower case, keys of maps stand as they were sent, indices of arrays as decimal digits. ``value`` is the decoded
    bytes. The request side begins with ``uri``, ``path``, ``action_name``, ``action_ext``, ``get``, ``header``, ``post``,
    ``method``; the response side with ``response_status``, ``response_header`` or ``response_body``.
    """

    path: tuple[str, ...]
    value: bytes


def point_text(path: tuple[str, ...]) -> str:
    """Return the path as people write it: ``[post][json_doc][hash][user]``."""
    return "".join(f"[{part}]" for part in path)
