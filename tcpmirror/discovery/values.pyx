# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""What type and format a value has, and what is remembered of it."""
import re

from libc.stdint cimport uint8_t, uint64_t

from tcpmirror.discovery.shape cimport (ADDRESS, DATE, EMAIL, INTEGER, MIXED, SMALL, UUID, Shape, shape_of)
from tcpmirror.model.hashing cimport siphash13

DEF LOOK_BYTES = 256
DEF BASE64_BYTES = 24

_URI = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]{1,15}://[^\s]+")
_DECIMAL = re.compile(r"[+-]?(\d+\.\d*|\.\d+)([eE][+-]?\d+)?|[+-]?\d+[eE][+-]?\d+")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d+)?)?([Zz]|[+-]\d\d:?\d\d)?")
_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}|[A-Za-z0-9_-]+={0,2}")
_IPV6 = re.compile(r"[0-9A-Fa-f:]{2,39}(\.\d+){0,3}")


def kind_of_text(str text):
    """Return the format of a JSON string or the like: ``string`` or one of its formats."""
    cdef bytes sent
    cdef Py_ssize_t size = len(text)
    cdef Shape shape
    if size == 0:
        return "empty"
    if size > LOOK_BYTES:
        return "base64" if size % 4 == 0 and _is_base64(text) else "string"
    sent = text.encode("utf-8", "replace")
    shape = shape_of(sent, len(sent))
    if shape == UUID:
        return "uuid"
    if shape == EMAIL and " " not in text:
        return "email"
    if shape == DATE:
        if size == 10:
            return "date"
        return "date-time" if _MOMENT.fullmatch(text) else "string"
    if shape == ADDRESS:
        return _address(text)
    if shape == MIXED and size >= 16 and _MOMENT.fullmatch(text):
        return "date-time"
    if size > 6 and "://" in text and _URI.fullmatch(text):
        return "uri"
    if size >= BASE64_BYTES:
        if text.startswith("eyJ") and text.count(".") == 2:
            return "jwt"
        if size % 4 == 0 and _is_base64(text):
            return "base64"
    return "ipv6" if ":" in text and text.count(":") >= 2 and _IPV6.fullmatch(text) and _colons(text) else "string"


def kind_of_sent(str text):
    """Return the type of what was sent as a text where numbers have no other form: in a query, a header, a form, XML."""
    cdef Py_ssize_t size = len(text)
    cdef str first
    if size == 0:
        return "empty"
    first = text[0]
    if size <= 40 and (first.isdigit() or first in "+-."):
        if text.isascii() and (text.isdigit() or first in "+-" and text[1:].isdigit()):
            return kind_of_integer(int(text)) if size == 1 or first != "0" else "digits"
        if _DECIMAL.fullmatch(text):
            return kind_of_float(float(text))
    if size <= 5 and text.lower() in ("true", "false"):
        return "boolean"
    return kind_of_text(text)


def kind_of_integer(value):
    if -0x80000000 <= value <= 0x7FFFFFFF:
        return "int32"
    return "int64" if -0x8000000000000000 <= value <= 0x7FFFFFFFFFFFFFFF else "integer"


def kind_of_float(double value):
    """Return ``float`` where single precision holds the value as it was written (7 digits), else ``double``."""
    return "float" if float("%.7g" % value) == value and -1e38 < value < 1e38 else "double"


def value_hash(str text):
    """Return a hash of *text*, of 32 bits, the same in every sensor: enough to count different values, not to hold them."""
    cdef bytes sent = text.encode("utf-8", "replace")
    cdef uint64_t found = siphash13(0, 0, <const uint8_t*>sent, len(sent))
    return <unsigned int>(found >> 32)


cdef str _address(str text):
    if ":" in text:
        return "ipv6" if _colons(text) else "string"
    return "ipv4" if all(len(part) <= 3 and 0 <= int(part) <= 255 for part in text.split(".") if part) else "string"


cdef bint _colons(str text):
    return 2 <= text.count(":") <= 7 and (text.count(":") == 7 or "::" in text)


cdef bint _is_base64(str text):
    """Tell whether *text* is written in Base64 and in more than one kind of characters: a long word is none."""
    cdef str look = text[:LOOK_BYTES].rstrip("=")
    if not _BASE64.fullmatch(look):
        return False
    return any(c.isdigit() for c in look) and look != look.lower() and look != look.upper()
