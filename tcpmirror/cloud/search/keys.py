"""The keys of the search language: their names, what each means, and how each reads a value."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tcpmirror.cloud.enrichment.source import KINDS as SOURCE_KINDS
from tcpmirror.cloud.search.grammar import Piece, SearchError
from tcpmirror.cloud.search.kinds import OWASP
from tcpmirror.cloud.search.tree import UNBOUNDED, Absent, Addresses, Between, Pattern, Value
from tcpmirror.model.finding import GRADES, SEVERITIES

API_PROTOCOLS: Final = ("graphql", "grpc", "websocket", "rest", "soap", "xml-rpc", "web-form", "webdav", "json-rpc")
AUTHENTICATIONS: Final = (
    "none",
    "api-key",
    "aws",
    "basic",
    "bearer",
    "cookie",
    "digest",
    "hawk",
    "jwt",
    "negotiate",
    "ntlm",
    "oauth1",
    "oauth2",
    "scram",
)
_V4_MAPPED: Final = 0xFFFF << 32
_NUMBER: Final = re.compile(r"(\d{1,18})([kmg]?)b?", re.IGNORECASE)
_UNITS: Final = {"": 1, "k": 1000, "m": 1000**2, "g": 1000**3}
_STATUS_CLASS: Final = re.compile(r"([1-9])(?:xx|\*|\?\?)", re.IGNORECASE)
_NUMBERS: Final = "a number, >100, <100, 100+ or 100-200 (k, m and g multiply)"
_ADDRESSES: Final = "an address, a network (10.0.0.0/8), a range (10.0.0.1-10.0.0.9), a start (10.1.) or a count (1000+)"


@dataclass(frozen=True, slots=True)
class Key:
    """``read`` turns one written value into what is looked for; ``choices``: all that it may be, where that is a list."""

    name: str
    aliases: tuple[str, ...]
    about: str
    example: str
    read: Callable[[Piece], Value]
    choices: tuple[str, ...] = ()


def read_pattern(piece: Piece) -> Pattern:
    """Return the text to look for; `*` and `?` stand for any characters and any one, unless it was quoted."""
    wild = {} if piece.quoted else {"*": "%", "?": "_"}
    return Pattern("".join(wild.get(one) or (f"\\{one}" if one in "\\%_" else one) for one in piece.text))


def read_start(piece: Piece) -> Pattern:
    """Return the text to look for; a wildcard may stand at its end only."""
    pattern = read_pattern(piece)
    if pattern.literal is None and Pattern(pattern.like.removesuffix("%")).literal is None:
        raise SearchError(piece.text, piece.position, "a wildcard inside", "* at the end only, as in sqli-*")
    return pattern


def read_numbers(piece: Piece) -> Between:
    """Return the range that `5`, `>5`, `>=5`, `<5`, `<=5`, `5+` or `5-9` says."""
    text = piece.text.strip()
    for sign, step in ((">=", 0), ("<=", 0), (">", 1), ("<", 1)):
        if text.startswith(sign):
            number = _number(text[len(sign) :], piece)
            return Between(number + step) if sign[0] == ">" else Between(0, number - step)
    if text.endswith("+"):
        return Between(_number(text[:-1], piece))
    low, dash, high = text.partition("-")
    return Between(_number(low, piece), _number(high, piece)) if dash else Between(_number(low, piece), _number(low, piece))


def read_status(piece: Piece) -> Value:
    """Return response codes: `404`, `5xx`, `5*`, `400-499`, or `none` where no response was seen."""
    if piece.text.lower() == "none":
        return Absent()
    by_class = _STATUS_CLASS.fullmatch(piece.text)
    if by_class:
        low = int(by_class.group(1)) * 100
        return Between(low, low + 99)
    try:
        return read_numbers(piece)
    except SearchError as error:
        raise SearchError(piece.text, piece.position, "no response code", "404, 5xx, 5*, 400-499 or none") from error


def read_addresses(piece: Piece) -> Value:
    """Return the addresses of a network, a range, a start or one address; `1000+` counts the sources instead."""
    text = piece.text.strip().rstrip("*") if not piece.quoted else piece.text
    if re.fullmatch(r"\d+\+", text):
        return Between(int(text[:-1][:18]))
    try:
        if re.fullmatch(r"(?:\d{1,3}\.){1,3}", text):
            parts = text.rstrip(".").split(".")
            return _network(ipaddress.ip_network(".".join(parts + ["0"] * (4 - len(parts))) + f"/{8 * len(parts)}"))
        low, dash, high = text.partition("-")
        if dash:
            return Addresses(number_of_address(low), number_of_address(high))
        return _network(ipaddress.ip_network(text, strict=False))
    except ValueError as error:
        raise SearchError(piece.text, piece.position, "no address", _ADDRESSES) from error


def read_identifier(piece: Piece) -> Pattern:
    """Return the 32 hexadecimal digits of a request, with or without the dashes that people write in them."""
    digits = piece.text.replace("-", "").lower()
    if not re.fullmatch(r"[0-9a-f]{32}", digits):
        raise SearchError(piece.text, piece.position, "no request id", "32 hexadecimal digits")
    return Pattern(digits)


def read_country(piece: Piece) -> Pattern:
    """Return a country by its two letters, or `none` for sources whose country is unknown."""
    if not re.fullmatch(r"[A-Za-z]{2}|none", piece.text):
        raise SearchError(piece.text, piece.position, "no country", "its two letters, as NL, or none")
    return Pattern(piece.text.lower())


def read_network(piece: Piece) -> Value:
    """Return a network by its number (`AS64500` or `64500`), or by its name."""
    number = re.fullmatch(r"(?:AS)?(\d{1,10})", piece.text, re.IGNORECASE)
    return Between(int(number.group(1)), int(number.group(1))) if number and not piece.quoted else read_pattern(piece)


def number_of_address(text: str) -> int:
    """Return *text* as the 128-bit number of its address, IPv4 in ::ffff:0:0/96; ValueError if it is none."""
    address = ipaddress.ip_address(text.strip().partition("%")[0])
    return int(address) if address.version == 6 else _V4_MAPPED + int(address)


def _network(network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> Addresses:
    low, high = int(network.network_address), int(network.broadcast_address)
    offset = _V4_MAPPED if network.version == 4 else 0
    return Addresses(low + offset, high + offset)


def _number(text: str, piece: Piece) -> int:
    written = _NUMBER.fullmatch(text.strip())
    if written is None:
        raise SearchError(piece.text, piece.position, "no number", _NUMBERS)
    return min(int(written.group(1)) * _UNITS[written.group(2).lower()], UNBOUNDED)


def _one_of(*choices: str) -> Callable[[Piece], Value]:
    def read(piece: Piece) -> Value:
        if piece.text.lower() not in choices:
            raise SearchError(piece.text, piece.position, "not one of those there are", ", ".join(choices))
        return Pattern(read_pattern(Piece(piece.text.lower(), 0, quoted=True)).like)

    return read


def _chosen(name: str, aliases: tuple[str, ...], about: str, example: str, choices: tuple[str, ...]) -> Key:
    return Key(name, aliases, about, example, _one_of(*choices), choices)


KEYS: Final = (
    Key("type", ("t",), "attack type", "type:sqli,xss", read_pattern),
    Key("ip", (), "source address", "ip:10.0.0.0/8", read_addresses),
    Key("country", (), "country of a source", "country:NL", read_country),
    _chosen("source", (), "what a source is", "source:tor,vpn", SOURCE_KINDS),
    Key("network", ("asn",), "network of a source, by number or name", "network:AS64500", read_network),
    _chosen("list", (), "which list of ours a source is on", "list:deny", ("allow", "deny", "gray", "any")),
    Key("domain", ("d", "host"), "host that was attacked", "domain:*.example.com", read_pattern),
    Key("url", ("u", "path"), "path that was attacked", "url:/api/*", read_pattern),
    Key("param", ("p", "parameter"), "parameter, or its point", "param:id", read_pattern),
    Key("payload", (), "malicious payload", "payload:*union*", read_pattern),
    Key("statuscode", ("status", "code"), "response code", "statuscode:5xx", read_status),
    Key("method", (), "HTTP method", "method:POST", read_start),
    Key("size", ("s",), "bytes of the response body", "size:>10k", read_numbers),
    Key("n", ("hits",), "number of hits", "N:100+", read_numbers),
    _chosen("proto", ("protocol",), "API protocol", "proto:graphql", API_PROTOCOLS),
    _chosen("auth", (), "how the request authenticated", "auth:jwt", AUTHENTICATIONS),
    _chosen("target", (), "whom the attack hurts", "target:database", ("client", "database", "server")),
    _chosen("risk", (), "how much it could hurt", "risk:high", ("high", "medium", "low")),
    _chosen("severity", (), "how bad the worst of it was judged", "severity:critical,high", SEVERITIES),
    _chosen("grade", (), "breaks out of the data it stands in, or is code as a whole", "grade:injection", GRADES),
    _chosen("owasp", (), "place in OWASP's lists", "owasp:owasp_api7_2023", tuple(OWASP)),
    Key("cwe", (), "weakness by its number", "cwe:89", read_numbers),
    Key("rule", (), "rule that found it", "rule:sqli-*", read_start),
    Key("anomaly", ("a",), "oddity of the exchange", "anomaly:gap", read_start),
    Key("app", ("application",), "application by its number", "app:3", read_numbers),
    Key("node", ("node_uuid",), "sensor, by name or id", "node:mirror-1", read_pattern),
    _chosen("state", (), "where an attack stands", "state:open", ("open", "in_progress", "closed", "false_positive")),
    Key("assignee", (), "who looks after it", "assignee:maria", read_pattern),
    Key("request_id", (), "exchange by its id", "request_id:9f0c5a1be2d34f6a8b7c6d5e4f3a2b1c", read_identifier),
    Key("id", (), "attack by its number", "id:17", read_numbers),
)
BY_NAME: Final = {name: key for key in KEYS for name in (key.name, *key.aliases)}
