"""Ways to write an attack so that its target still understands it: encodings, case, comments, blanks, splitting.

A mutation turns a value into a whole request, or says None where the value offers nothing to change or the disguise would
spoil the attack. Sources: the decoders servers and frameworks have (RFC 3986, RFC 4648, RFC 2152, ECMA-262 section 12.9,
HTML section 13.2.5.72, CSS Syntax section 4.3.7) and the evasions that the OWASP testing guides describe.
"""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote_from_bytes

from tcpmirror.model.exchange import Exchange, Request

HEAD: Final = b"Host: shop.example\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\nAccept: */*\r\n"
ALL: Final = frozenset(
    [
        "crlf",
        "exploits",
        "ldapi",
        "mail_injection",
        "mass_assignment",
        "nosqli",
        "ptrav",
        "rce",
        "redir",
        "sqli",
        "ssi",
        "ssrf",
        "ssti",
        "xss",
        "xxe",
    ]
)
TEXTS: Final = frozenset(["ldapi", "nosqli", "ptrav", "rce", "sqli", "ssi", "ssrf", "ssti", "xss", "xxe"])
FILLER: Final = b"The quick brown fox jumps over the lazy dog while the band plays on. " * 120

Values = Callable[[bytes], bytes | None]
Requests = Callable[[bytes], Exchange]


@dataclass(frozen=True, slots=True)
class Mutation:
    """One disguise: the types that survive it, what becomes of the value (None: nothing to change), where it is put."""

    types: frozenset[str]
    change: Values
    place: Requests

    def apply(self, kind: str, value: bytes) -> Exchange | None:
        """Return a request with *value*, an attack of type *kind*, in disguise; None where the disguise does not fit."""
        if kind not in self.types:
            return None
        changed = self.change(value)
        return None if changed is None else self.place(changed)


def request(method: bytes, target: bytes, headers: bytes = b"", body: bytes = b"") -> Exchange:
    """Return an exchange of one request."""
    head = method + b" " + target + b" HTTP/1.1\r\n" + HEAD + headers
    if body:
        head += b"Content-Length: %d\r\n" % len(body)
    return Exchange(Request(head + b"\r\n", body, 0, method, target))


def quoted(value: bytes) -> bytes:
    """Return *value* percent-encoded once, all but letters, digits and ``_.-~``."""
    return quote_from_bytes(value, safe="").encode()


def in_query(value: bytes) -> Exchange:
    """Put *value* into the query as any client would."""
    return wire(quoted(value))


def wire(written: bytes) -> Exchange:
    """Put *written* into the query as it stands."""
    return request(b"GET", b"/find?page=1&q=" + written)


def in_json(literal: bytes) -> Exchange:
    """Put *literal*, the inside of a JSON string, into a document."""
    return request(b"POST", b"/save", b"Content-Type: application/json\r\n", b'{"a":1,"q":"' + literal + b'"}')


def in_xml(text: bytes) -> Exchange:
    """Put *text* into an element."""
    return request(b"POST", b"/save", b"Content-Type: text/xml\r\n", b'<?xml version="1.0"?><r><q>' + text + b"</q></r>")


def in_body(body: bytes) -> Exchange:
    """Send *body* without saying what it is."""
    return request(b"POST", b"/save", b"", body)


def each_byte(form: bytes, spared: bytes = b"") -> Values:
    """Return a change that writes every byte but *spared* by *form*, a template with one number."""
    return lambda value: b"".join(b"%c" % byte if byte in spared else form % byte for byte in value)


def marks(forms: Callable[[int], bytes]) -> Values:
    """Return a change that writes all but letters, digits and blanks by *forms*; None for a value without any."""

    def change(value: bytes) -> bytes | None:
        changed = b"".join(
            b"%c" % byte if chr(byte).isalnum() or byte in b" _" or byte > 126 else forms(byte) for byte in value
        )
        return changed if changed != value else None

    return change


def ascii_only(change: Values) -> Values:
    """Return *change* for values of ASCII alone: in others the disguise would change what the text says."""
    return lambda value: change(value) if value.isascii() else None


def at_least(size: int, change: Values) -> Values:
    """Return *change* for values of *size* bytes or more: a word in Base64 is what any token looks like."""
    return lambda value: change(value) if len(value) >= size else None


def put(
    pattern: bytes, replacement: bytes | Callable[[re.Match[bytes]], bytes], flags: re.RegexFlag = re.IGNORECASE
) -> Values:
    """Return a change that replaces all that *pattern* matches; None where it matches nothing."""
    compiled = re.compile(pattern, flags)

    def change(value: bytes) -> bytes | None:
        changed, count = compiled.subn(replacement, value)
        return changed if count and changed != value else None

    return change


def alternating(match: re.Match[bytes]) -> bytes:
    """Return what was matched with every second letter in the other case."""
    return bytes(byte ^ 0x20 if chr(byte).isalpha() and at % 2 else byte for at, byte in enumerate(match[0]))


def overlong(byte: int) -> bytes:
    """Return *byte* as two bytes of UTF-8 where one would do (refused by RFC 3629, taken by lenient decoders)."""
    return b"%%%02x%%%02x" % (0xC0 | byte >> 6, 0x80 | byte & 0x3F)


def full_width(byte: int) -> bytes:
    """Return the full-width form (U+FF01 and on) of a printable ASCII character."""
    return chr(byte + 0xFEE0).encode() if 0x21 <= byte <= 0x7E else b"%c" % byte


def utf7(value: bytes) -> bytes | None:
    """Return *value* in UTF-7 with all its marks encoded (RFC 2152) if it is markup; None for scripts."""
    if b"<" not in value:
        return None
    text = value.decode("ascii")
    changed = re.sub(
        r"[^\w\s'(),./:?-]+", lambda run: "+" + base64.b64encode(run[0].encode("utf-16-be")).decode().rstrip("=") + "-", text
    )
    return changed.encode() if changed != text else None


def packed(value: bytes) -> bytes:
    return base64.b64encode(gzip.compress(value, mtime=0))


def calls_of_char(match: re.Match[bytes]) -> bytes:
    """Return a quoted SQL literal as the call that makes it."""
    return b"CHAR(" + b",".join(b"%d" % byte for byte in match[1]) + b")"


def split_query(value: bytes) -> bytes | None:
    """Return a query that says *value* in two parameters of one name, which some servers join with a comma."""
    if value.count(b" ") < 2 or b"/*" in value:
        return None
    at = value.index(b" ", len(value) // 3) if b" " in value[len(value) // 3 :] else value.index(b" ")
    return quoted(value[:at] + b"/*") + b"&q=" + quoted(b"*/" + value[at + 1 :])


SQL_WORD: Final = (
    rb"\b(?:select|union|and|or|from|where|having|order|group|by|insert|into|update|delete|drop|table|sleep|benchmark|like|"
    rb"null|all|distinct|limit|procedure|exec|declare|waitfor|delay|case|when|then|else|end|concat|values)\b"
)
SHELL_WORD: Final = (
    rb"(?<=[;|&`(\n ])(cat|ls|id|whoami|wget|curl|nc|bash|uname|ping|sleep|rm|echo|python|perl|chmod)(?=[ ;|&`)<\n]|$)"
)
IN_SHELL: Final = rb"[;|&`\n]|\$\("
CLIMB: Final = rb"\.\./"
CLIMBS: Final = {
    "backslashes": rb"..\\",
    "doubled": b"....//",
    "semicolon": b"..;/",
    "dots percent-encoded": b"%2e%2e/",
    "slash percent-encoded": b"..%2f",
    "backslash percent-encoded": b"..%5c",
    "overlong slash": b"..%c0%af",
    "overlong dots": b"%c0%ae%c0%ae/",
    "%u slash": b"..%u2215",
    "slashes doubled": b"..//",
    "a step in place": b".././",
}
TAG: Final = rb"(?<=<)/?[a-z]+|\bon[a-z]+(?==)|\bjavascript(?=:)"


def inner(quotes: bytes) -> Callable[[re.Match[bytes]], bytes]:
    """Return a replacement that writes *quotes*, nothing to a shell, behind the first letter of a command."""
    return lambda match: match[1][:1] + quotes + match[1][1:]


def in_shell(change: Values) -> Values:
    """Return *change* for values that a shell would read: with a separator or substitution, not code of another language."""
    return lambda value: change(value) if re.search(IN_SHELL, value) and not re.search(rb"<\?|php|\$\{", value) else None


def _encodings() -> Iterator[tuple[str, Mutation]]:
    yield "percent, every byte", Mutation(ALL, each_byte(b"%%%02X"), wire)
    yield "percent twice", Mutation(ALL, lambda value: quoted(quoted(value)), wire)
    yield "percent three times", Mutation(ALL, lambda value: quoted(quoted(quoted(value))), wire)
    yield "%u", Mutation(TEXTS, ascii_only(each_byte(b"%%u%04x")), wire)
    yield "overlong UTF-8", Mutation(frozenset({"ptrav", "xss", "sqli"}), ascii_only(marks(overlong)), wire)
    yield (
        "plus for blanks",
        Mutation(ALL, lambda value: quoted(value).replace(b"%20", b"+") if b" " in value else None, wire),
    )
    yield "HTML entities, decimal", Mutation(TEXTS, ascii_only(each_byte(b"&#%d;")), in_query)
    yield "HTML entities, padded hexadecimal", Mutation(TEXTS, ascii_only(marks(lambda byte: b"&#x%06x;" % byte)), in_query)
    yield r"JSON \u", Mutation(ALL, ascii_only(each_byte(b"\\u%04x")), in_json)
    yield (
        r"JavaScript \x",
        Mutation(frozenset({"xss", "sqli", "rce"}), ascii_only(marks(lambda byte: b"\\x%02x" % byte)), in_query),
    )
    yield (
        r"JavaScript \u",
        Mutation(frozenset({"xss", "sqli", "rce"}), ascii_only(marks(lambda byte: b"\\u%04x" % byte)), in_query),
    )
    yield r"JavaScript \u{}", Mutation(frozenset({"xss"}), ascii_only(marks(lambda byte: b"\\u{%x}" % byte)), in_query)
    yield "octal escapes", Mutation(frozenset({"xss", "rce"}), ascii_only(marks(lambda byte: b"\\%03o" % byte)), in_query)
    yield "CSS escapes", Mutation(frozenset({"xss"}), put(rb"(?<=style=)\W?[^>]+", css), in_query)
    yield "hexadecimal", Mutation(TEXTS, at_least(8, lambda value: value.hex().encode()), wire)
    yield "Base64", Mutation(TEXTS, at_least(6, base64.b64encode), in_query)
    yield (
        "Base64 without padding",
        Mutation(TEXTS, at_least(6, lambda value: base64.b64encode(value).rstrip(b"=")), in_query),
    )
    yield "Base64url", Mutation(TEXTS, at_least(6, base64.urlsafe_b64encode), in_query)
    yield "Base64 twice", Mutation(TEXTS, at_least(6, lambda value: base64.b64encode(base64.b64encode(value))), in_query)
    yield "Base64 of percent", Mutation(TEXTS, at_least(6, lambda value: base64.b64encode(quoted(value))), in_query)
    yield "gzip in Base64", Mutation(TEXTS, packed, in_query)
    yield "UTF-7", Mutation(frozenset({"xss"}), ascii_only(utf7), in_query)
    yield "UTF-16 body", Mutation(TEXTS, ascii_only(utf16), in_body)
    yield "full-width marks", Mutation(frozenset({"xss", "sqli", "ptrav"}), ascii_only(marks(full_width)), in_query)
    yield "XML character references", Mutation(TEXTS, ascii_only(each_byte(b"&#x%x;")), in_xml)
    yield "JSON in Base64 in JSON", Mutation(TEXTS, ascii_only(nested), in_json)


def css(match: re.Match[bytes]) -> bytes:
    """Return the letters of a style as CSS escapes of six digits, which need no blank behind them."""
    return b"".join(b"\\%06x" % byte if chr(byte).isalpha() else b"%c" % byte for byte in match[0])


def utf16(value: bytes) -> bytes:
    """Return *value* in UTF-16, a byte order mark before it."""
    return value.decode("ascii").encode("utf-16")


def nested(value: bytes) -> bytes:
    return base64.b64encode(json.dumps({"note": value.decode("ascii")}).encode())


def _tricks() -> Iterator[tuple[str, Mutation]]:
    sql, page, shell, path = frozenset({"sqli"}), frozenset({"xss"}), frozenset({"rce"}), frozenset({"ptrav"})
    yield "SQL case", Mutation(sql, put(SQL_WORD, alternating), in_query)
    yield "SQL comments for blanks", Mutation(sql, put(rb"(?<=\w) (?=\w)", b"/**/"), in_query)
    yield "SQL comments with text", Mutation(sql, put(rb"(?<=\w) (?=\w)", b"/*x-1*/"), in_query)
    yield "SQL version comments", Mutation(sql, put(rb"\b(union|select)\b", rb"/*!50000\1*/"), in_query)
    yield "SQL line comments", Mutation(sql, put(rb"(?<=\w) (?=\w)", b"-- x\n"), in_query)
    yield "SQL CHAR()", Mutation(sql, put(rb"(?<=[=(, ])'(\w{1,20})'", calls_of_char), in_query)
    yield "SQL 0x", Mutation(sql, put(rb"(?<=[=(, ])'(\w{1,20})'", lambda match: b"0x" + match[1].hex().encode()), in_query)
    for name, blank in {
        "tab": b"\t",
        "line feed": b"\n",
        "form feed": b"\x0c",
        "vertical tab": b"\x0b",
        "NBSP": b"\xa0",
    }.items():
        yield f"SQL {name} for blanks", Mutation(sql, put(rb"(?<=\w) (?=\w)", blank), in_query)
    yield "SQL parentheses for blanks", Mutation(sql, put(rb"\bselect (\w+) from (\w+)\b", rb"select(\1)from(\2)"), in_query)
    yield "SQL over two parameters", Mutation(sql, split_query, wire)
    yield "HTML case", Mutation(page, put(TAG, alternating), in_query)
    yield "HTML slash for blanks", Mutation(page, put(rb"(<[a-z]+) +(?=[a-z]+=)", rb"\1/"), in_query)
    yield "HTML line feed for blanks", Mutation(page, put(rb"(<[a-z]+) +(?=[a-z]+=)", rb"\1" + b"\n"), in_query)
    yield "HTML blanks before =", Mutation(page, put(rb"(<[a-z]+ [^>]*?\bon[a-z]+)=", rb"\1 ="), in_query)
    yield "HTML tab in the scheme", Mutation(page, put(rb"\bjavascript:", b"java\tscript:"), in_query)
    yield "HTML entity in the scheme", Mutation(page, put(rb"(=\W?)javascript:", rb"\1java&#115;cript&colon;"), in_query)
    yield "NUL bytes in tags", Mutation(page, put(rb"<([a-z])(?=[a-z])", b"<\\1\0"), in_query)
    yield "JavaScript strings split", Mutation(page, put(rb"\balert\(", b"window['al'+'ert']("), in_query)
    yield "JavaScript call by reference", Mutation(page, put(rb"\balert\((\w*)\)", rb"alert`\1`"), in_query)
    yield "shell quotes", Mutation(shell, in_shell(put(SHELL_WORD, rb"\1''", re.NOFLAG)), in_query)
    yield "shell quotes inside", Mutation(shell, in_shell(put(SHELL_WORD, inner(b"''"), re.NOFLAG)), in_query)
    yield "shell backslash", Mutation(shell, in_shell(put(SHELL_WORD, inner(b"\\"), re.NOFLAG)), in_query)
    yield "shell empty parameter", Mutation(shell, in_shell(put(SHELL_WORD, inner(b"$@"), re.NOFLAG)), in_query)
    yield "shell $IFS", Mutation(shell, in_shell(put(SHELL_WORD + rb" (?=[\w/-])", rb"\1$IFS$9", re.NOFLAG)), in_query)
    yield "shell ${IFS}", Mutation(shell, in_shell(put(SHELL_WORD + rb" (?=[\w/-])", rb"\1${IFS}", re.NOFLAG)), in_query)
    yield "shell globs", Mutation(shell, in_shell(put(rb"\bcat /etc/passwd", b"/???/c?t /???/p?ss??")), in_query)
    for name, step in CLIMBS.items():
        yield f"path {name}", Mutation(path, put(CLIMB, step), wire if b"%" in step else in_query)
    yield "path NUL and an extension", Mutation(path, put(rb"^([^?\0]*\.\./[^?\0]*)$", b"\\1\0.png"), in_query)
    yield "path case of Windows", Mutation(path, put(rb"\b(?:windows|system32|win\.ini|boot\.ini)", alternating), in_query)
    yield "scheme case", Mutation(frozenset({"ssrf", "redir"}), put(rb"^https?(?=:)", alternating), in_query)
    yield "attribute case", Mutation(frozenset({"ldapi"}), put(rb"\b[a-z]{2,}(?==)", alternating), in_query)
    yield (
        "header case",
        Mutation(frozenset({"crlf", "mail_injection"}), put(rb"(?<=\n)[A-Za-z-]+(?=:)", alternating), in_query),
    )
    yield "line feed alone", Mutation(frozenset({"crlf", "mail_injection"}), put(rb"\r\n", b"\n"), in_query)
    yield "behind a long parameter", Mutation(ALL, lambda value: b"pad=" + quoted(FILLER) + b"&q=" + quoted(value), in_body)
    yield "second of two parameters", Mutation(ALL, lambda value: b"1&q=" + quoted(value), wire)
    yield "list in the name", Mutation(ALL, lambda value: b"1&filter%5Bname%5D%5B%5D=" + quoted(value), wire)


MUTATIONS: Final = dict((*_encodings(), *_tricks()))
