"""The type of a parameter, out of what its values were: JSON Schema (2020-12) as OpenAPI 3.1 uses it."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

from tcpmirror.discovery.digest import HASHES, WORDS, ParameterDigest
from tcpmirror.discovery.values import value_hash

RARE: Final = 0.01  # a kind that fewer values had is an accident
_ENUM_COUNT: Final = 20  # values seen before a few words are called an enumeration
_NUMBERS: Final = ("int32", "int64", "integer", "float", "double")
_INTEGERS: Final = frozenset({"int32", "int64", "integer"})
_FORMATS: Final = {  # of texts: (OpenAPI format, further keywords)
    "uuid": {"format": "uuid"},
    "date": {"format": "date"},
    "date-time": {"format": "date-time"},
    "email": {"format": "email"},
    "ipv4": {"format": "ipv4"},
    "ipv6": {"format": "ipv6"},
    "uri": {"format": "uri"},
    "base64": {"contentEncoding": "base64"},
    "file": {"format": "binary"},
}
_TEXTS: Final = ("string", "digits", "jwt", *_FORMATS)


def schema_of(digest: ParameterDigest) -> dict[str, Any]:
    """Return the schema of one value: `type` is a text, or a list with `null` where it may be null."""
    kinds = _kinds(digest)
    found = _scalar(digest, kinds)
    if "null" in digest.kinds:
        found["type"] = [found["type"], "null"] if "type" in found else "null"
        if "enum" in found:
            found["enum"] = [*found["enum"], None]
    return found


def type_text(digest: ParameterDigest) -> str:
    """Return the type in one word or two, such as ``int32``, ``uuid``, ``string (enum)``, ``string, null``."""
    schema = schema_of(digest)
    kind = schema.get("type", "any")
    name = str(kind[0] if isinstance(kind, list) else kind)
    shown = schema.get("format") or schema.get("contentEncoding") or name
    if "enum" in schema:
        shown = f"{shown} (enum)"
    return f"{shown}, null" if isinstance(kind, list) else str(shown)


def _kinds(digest: ParameterDigest) -> Counter[str]:
    """Return the kinds that are no accident; empty texts and nulls have no say where there are others."""
    said = Counter({kind: count for kind, count in digest.kinds.items() if kind not in ("null", "empty")})
    least = RARE * said.total()
    return Counter({kind: count for kind, count in said.items() if count >= least})


def _scalar(digest: ParameterDigest, kinds: Counter[str]) -> dict[str, Any]:
    names = set(kinds)
    if not names:
        return {"type": "string"} if "empty" in digest.kinds else {}
    if names <= set(_NUMBERS):
        return _number(digest, names)
    if names == {"boolean"}:
        return {"type": "boolean"}
    if names in ({"object"}, {"array"}):
        return {"type": names.pop()}
    if names & {"object", "array"}:
        return {}
    if len(names) == 1 and (format_ := _FORMATS.get(next(iter(names)))):
        return {"type": "string", **format_}
    return {"type": "string", **_text(digest, names)}


def _number(digest: ParameterDigest, names: set[str]) -> dict[str, Any]:
    widest = max(names, key=_NUMBERS.index)
    found: dict[str, Any] = {"type": "integer" if names <= _INTEGERS else "number"}
    if widest != "integer":
        found["format"] = widest
    if digest.low is not None and digest.high is not None:
        found |= {"minimum": digest.low, "maximum": digest.high}
    return found


def _text(digest: ParameterDigest, names: set[str]) -> dict[str, Any]:
    if names == {"string"} and is_enumeration(digest):
        return {"enum": sorted(digest.words)}
    if digest.short is None or digest.long is None or not names <= set(_TEXTS):
        return {}
    return {"minLength": 0 if "empty" in digest.kinds else digest.short, "maxLength": digest.long}


def is_enumeration(digest: ParameterDigest) -> bool:
    """Tell whether the words are all the values there were: their hashes are the ones seen."""
    if not 2 <= len(digest.words) <= WORDS or len(digest.hashes) >= HASHES or digest.kinds["string"] < _ENUM_COUNT:
        return False
    return {value_hash(word) for word in digest.words} == digest.hashes
