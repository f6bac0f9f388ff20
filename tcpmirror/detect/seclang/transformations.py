"""The transformations of the language: bytes in, bytes out (ModSecurity's handbook, "Transformation functions")."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Callable
from typing import Final

Transformation = Callable[[bytes], bytes]

_PERCENT: Final = re.compile(rb"%([0-9A-Fa-f]{2})")
_PERCENT_UNI: Final = re.compile(rb"%(?:[uU]([0-9A-Fa-f]{4})|([0-9A-Fa-f]{2}))")
_ENTITY: Final = re.compile(rb"&(?:#[xX]([0-9A-Fa-f]{1,8})|#([0-9]{1,9})|([A-Za-z][A-Za-z0-9]*));?")
_NAMED: Final = {b"quot": b'"', b"amp": b"&", b"lt": b"<", b"gt": b">", b"nbsp": b"\xa0"}
_JS: Final = re.compile(rb"\\(?:u([0-9A-Fa-f]{4})|x([0-9A-Fa-f]{2})|([0-3]?[0-7]{1,2})|(.))", re.DOTALL)
_C_ESCAPE: Final = re.compile(rb"\\(?:x([0-9A-Fa-f]{2})|([0-3]?[0-7]{1,2})|(.))", re.DOTALL)
_LETTERS: Final = {b"a": b"\a", b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}
_CSS: Final = re.compile(rb"\\(?:([0-9A-Fa-f]{1,6})[ \t\r\n\f]?|(\n|\Z)|(.))", re.DOTALL)
_COMMENT: Final = re.compile(rb"/\*.*?(?:\*/|\Z)", re.DOTALL)
_REMOVED_COMMENT: Final = re.compile(rb"(?:/\*.*?(?:\*/|(\Z))|<!--.*?(?:-->|(\Z)))|--.*?(?:\n|\Z)|#.*?(?:\n|\Z)", re.DOTALL)
_COMMENT_MARK: Final = re.compile(rb"/\*|\*/|<!--|-->|--|#")
_BLANKS: Final = re.compile(rb"[\s\xa0]+")
_SPACES: Final = re.compile(rb"\s+")
_HEX: Final = re.compile(rb"0x([0-9A-Fa-f]{2,})")
_CMD_BLANKS: Final = re.compile(rb"[ \t\r\n]+([/(])?")
_SLASHES: Final = re.compile(rb"/{2,}")
_SEQUENCE: Final = re.compile(rb"[\xc0-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}|[\x80-\xff]")
_BASE64: Final = re.compile(rb"[A-Za-z0-9+/]*")


def _low_byte(digits: bytes) -> bytes:
    """Return the byte that ``%uXXXX`` stands for: full-width forms are those of ASCII, of all others the low byte."""
    code = int(digits, 16)
    return bytes([(code & 0xFF) + 0x20 if 0xFF00 < code < 0xFF5F else code & 0xFF])


def url_decode(value: bytes) -> bytes:
    return _PERCENT.sub(lambda match: bytes([int(match[1], 16)]), value.replace(b"+", b" "))


def url_decode_uni(value: bytes) -> bytes:
    value = value.replace(b"+", b" ")
    if b"%" not in value:
        return value
    return _PERCENT_UNI.sub(lambda match: _low_byte(match[1]) if match[1] else bytes([int(match[2], 16)]), value)


def html_entity_decode(value: bytes) -> bytes:
    def decoded(match: re.Match[bytes]) -> bytes:
        if match[1] or match[2]:
            return bytes([(int(match[1], 16) if match[1] else int(match[2])) & 0xFF])
        return _NAMED.get(match[3].lower(), match[0])

    return _ENTITY.sub(decoded, value) if b"&" in value else value


def js_decode(value: bytes) -> bytes:
    def decoded(match: re.Match[bytes]) -> bytes:
        if match[1]:
            return _low_byte(match[1])
        if match[2]:
            return bytes([int(match[2], 16)])
        return bytes([int(match[3], 8)]) if match[3] else _LETTERS.get(match[4], match[4])

    return _JS.sub(decoded, value) if b"\\" in value else value


def escape_seq_decode(value: bytes) -> bytes:
    def decoded(match: re.Match[bytes]) -> bytes:
        if match[1]:
            return bytes([int(match[1], 16)])
        return bytes([int(match[2], 8)]) if match[2] else _LETTERS.get(match[3], match[3])

    return _C_ESCAPE.sub(decoded, value) if b"\\" in value else value


def css_decode(value: bytes) -> bytes:
    def decoded(match: re.Match[bytes]) -> bytes:
        if match[1]:
            return _low_byte(match[1][-4:]) if len(match[1]) > 3 else bytes([int(match[1], 16) & 0xFF])
        return match[3] or b""

    return _CSS.sub(decoded, value) if b"\\" in value else value


def utf8_to_unicode(value: bytes) -> bytes:
    """Write what is beyond ASCII as ``%uXXXX``.

    As libmodsecurity does it: a byte that begins a sequence and has none behind it is left out, one that begins nothing
    stays, and overlong forms are written as what they stand for, with their first byte behind them: evasions show in both.
    """
    return value if value.isascii() else _SEQUENCE.sub(_unicode, value)


def _unicode(match: re.Match[bytes]) -> bytes:
    found = match[0]
    if len(found) == 1:
        return found if found[0] < 0xC0 or found[0] > 0xF7 else b""
    code = found[0] & (0xFF >> (len(found) + 1))
    for byte in found[1:]:
        code = code << 6 | byte & 0x3F
    is_bad = code < (0x80, 0x800, 0x10000)[len(found) - 2] or 0xD800 <= code <= 0xDFFF
    return b"%%u%04x" % code + (found[:1] if is_bad else b"")


def base64_decode(value: bytes) -> bytes:
    """Decode up to the first character that is no Base64."""
    match = _BASE64.match(value)
    clean = match[0] if match else b""
    clean = clean[: len(clean) - (len(clean) % 4 == 1)]
    return base64.b64decode(clean + b"=" * (-len(clean) % 4))


def base64_decode_ext(value: bytes) -> bytes:
    """Decode whatever of *value* is Base64, the rest left out (RFC 2045)."""
    return base64_decode(re.sub(rb"[^A-Za-z0-9+/]", b"", value))


def hex_decode(value: bytes) -> bytes:
    try:
        return binascii.unhexlify(value)
    except binascii.Error:
        return value


def sql_hex_decode(value: bytes) -> bytes:
    return _HEX.sub(lambda match: binascii.unhexlify(match[1][: len(match[1]) & ~1]), value)


def cmd_line(value: bytes) -> bytes:
    value = value.translate(None, b"\\\"'^").replace(b",", b" ").replace(b";", b" ")
    return _CMD_BLANKS.sub(lambda match: match[1] or b" ", value).lower()


def normalize_path(value: bytes) -> bytes:
    """Resolve ``//``, ``.`` and ``..`` without looking at any disk (RFC 3986, 5.2.4)."""
    if b"/" not in value:
        return value
    steps: list[bytes] = []
    absolute = value.startswith(b"/")
    for step in _SLASHES.sub(b"/", value).strip(b"/").split(b"/"):
        if step == b"..":
            if steps and steps[-1] != b"..":
                steps.pop()
            elif not absolute:
                steps.append(step)
        elif step not in (b".", b""):
            steps.append(step)
    end = b"/" if value.endswith((b"/", b"/.", b"/..")) and steps else b""
    return (b"/" if absolute else b"") + b"/".join(steps) + end


def _remove_comments(value: bytes) -> bytes:
    """Leave comments out; one that has no end becomes a blank."""
    return _REMOVED_COMMENT.sub(lambda match: b"" if match[1] is None and match[2] is None else b" ", value)


def _replace_comments(value: bytes) -> bytes:
    return _COMMENT.sub(b" ", value) if b"/*" in value else value


def _url_encode(value: bytes) -> bytes:
    return re.sub(rb"[^A-Za-z0-9*]", lambda match: b"+" if match[0] == b" " else b"%%%02x" % match[0][0], value)


TRANSFORMATIONS: Final[dict[str, Transformation]] = {
    "base64decode": base64_decode,
    "base64decodeext": base64_decode_ext,
    "base64encode": base64.b64encode,
    "cmdline": cmd_line,
    "compresswhitespace": lambda value: _SPACES.sub(b" ", value),
    "cssdecode": css_decode,
    "escapeseqdecode": escape_seq_decode,
    "hexdecode": hex_decode,
    "hexencode": binascii.hexlify,
    "htmlentitydecode": html_entity_decode,
    "jsdecode": js_decode,
    "length": lambda value: b"%d" % len(value),
    "lowercase": bytes.lower,
    "md5": lambda value: hashlib.md5(value, usedforsecurity=False).digest(),
    "normalisepath": normalize_path,
    "normalizepath": normalize_path,
    "normalisepathwin": lambda value: normalize_path(value.replace(b"\\", b"/")),
    "normalizepathwin": lambda value: normalize_path(value.replace(b"\\", b"/")),
    "removecomments": _remove_comments,
    "removecommentschar": lambda value: _COMMENT_MARK.sub(b"", value),
    "removenulls": lambda value: value.replace(b"\0", b""),
    "removewhitespace": lambda value: _BLANKS.sub(b"", value),
    "replacecomments": _replace_comments,
    "replacenulls": lambda value: value.replace(b"\0", b" "),
    "sha1": lambda value: hashlib.sha1(value, usedforsecurity=False).digest(),
    "sqlhexdecode": sql_hex_decode,
    "trim": bytes.strip,
    "trimleft": bytes.lstrip,
    "trimright": bytes.rstrip,
    "uppercase": bytes.upper,
    "urldecode": url_decode,
    "urldecodeuni": url_decode_uni,
    "urlencode": _url_encode,
    "utf8tounicode": utf8_to_unicode,
}


def transform(value: bytes, names: tuple[str, ...]) -> bytes:
    """Return *value* after the transformations of these names, in order."""
    for name in names:
        value = TRANSFORMATIONS[name](value)
    return value
