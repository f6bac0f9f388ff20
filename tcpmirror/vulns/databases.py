"""Signs that an injected query reached a database: its error, and values that only a query could have put together."""

from __future__ import annotations

import re
from typing import Final

_ERRORS: Final = re.compile(
    rb"You have an error in your SQL syntax|SQL syntax[^<\r\n]{0,60}(?:MySQL|MariaDB)|XPATH syntax error: '"
    rb"|Unclosed quotation mark after the character string|Incorrect syntax near '|\[(?:Microsoft|SQL Server)\]\[ODBC"
    rb"|Conversion failed when converting the n?varchar value|ORA-\d{5}: |quoted string not properly terminated"
    rb"|syntax error at or near \"|unterminated quoted string at or near \"|invalid input syntax for (?:type )?\w+: \""
    rb"|SQLSTATE\[\w{5}\]|sqlite3\.(?:OperationalError|Warning)|near \"[^\"]{0,64}\": syntax error|unrecognized token: \""
    rb"|SQLite error \d|PG::\w{3,40}Error|psycopg2?\.errors?\.\w+|Warning: (?:mysqli?|pg|sqlite)_\w+\(|DB2 SQL error: "
    rb"|each UNION query must have the same number of columns"
    rb"|SELECTs to the left and right of UNION do not have the same number"
    rb"|The used SELECT statements have a different number of columns|Unknown column '[^']{0,64}' in '"
    rb"|ORDER BY term out of range|ORDER BY position (?:number )?\d{1,5} is (?:not in select list|out of range)"
)
_VERSION_ASKED: Final = re.compile(rb"@@version|version\s?\(|sqlite_version|v\$version|banner", re.IGNORECASE)
_VERSION: Final = re.compile(
    rb"PostgreSQL \d+\.\d+[^<\r\n]{0,40} on |Microsoft SQL Server \d{4}|Oracle Database \d+|\b\d+\.\d+\.\d+-MariaDB"
    rb"|\b(?:5|8)\.\d{1,2}\.\d{1,2}-(?:\d*ubuntu|log|debian|\dubuntu)|CREATE TABLE [\"`\[]?\w+"
)
_HEX: Final = re.compile(rb"\b(?:0x|x')((?:[0-9a-f]{2}){4,64})\b", re.IGNORECASE)
_CHARS: Final = re.compile(rb"(?:CHA?R|NCHAR|UNICHR)\s?\(\s?(\d{2,3}(?:\s?,\s?\d{2,3}){3,63})\s?\)", re.IGNORECASE)
_JOINED: Final = re.compile(rb"(?:CHA?R\(\d{2,3}\)\s?(?:\|\||\+)?\s?){4,64}", re.IGNORECASE)
_NUMBER: Final = re.compile(rb"\d{2,3}")
_QUOTED: Final = re.compile(rb"'([A-Za-z0-9_]{3,64})'\s?(?:\|\||\+|,)\s?'([A-Za-z0-9_]{3,64})'")
_SCHEMA_ASKED: Final = re.compile(rb"sqlite_master|sqlite_schema|information_schema|pg_catalog|pg_tables", re.IGNORECASE)
_SCHEMA: Final = re.compile(
    rb"CREATE TABLE [\"`\[]?\w{1,64}|\bsqlite_sequence\b|\bpg_(?:catalog|statistic|type)\b|\bCHARACTER_SETS\b"
)


def told(payload: bytes, body: bytes) -> bytes:
    """Return what in *body* shows that the query in *payload* was run or at least read by a database, or nothing."""
    match = _ERRORS.search(body)
    if match and match.group() not in payload:
        return match.group()
    for value in written(payload):
        if value in body and value not in payload:
            return value
    for asked, answer in ((_VERSION_ASKED, _VERSION), (_SCHEMA_ASKED, _SCHEMA)):
        match = answer.search(body) if asked.search(payload) else None
        if match and match.group() not in payload:
            return match.group()
    return b""


def written(payload: bytes) -> list[bytes]:
    """Return the texts of four characters and more that *payload* writes in disguise: hexadecimal, CHAR(), joined."""
    found = [bytes.fromhex(match.group(1).decode()) for match in _HEX.finditer(payload)]
    for pattern in (_CHARS, _JOINED):
        found += [_text_of(match.group()) for match in pattern.finditer(payload)]
    found += [match.group(1) + match.group(2) for match in _QUOTED.finditer(payload) if match.group().count(b",") == 0]
    return [text for text in found if len(text) >= 4 and text.isascii() and text.decode().isprintable()]


def _text_of(call: bytes) -> bytes:
    return bytes(number for number in map(int, _NUMBER.findall(call)) if number < 256)
