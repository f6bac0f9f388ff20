"""What a value of a settings key may be: one class per kind, each able to read it, say what it accepts and write it back.

A kind that stands for one YAML scalar has `parse(text, tag)`, with the scalar's text and YAML type (`str`, `int`, `bool`,
`float`, `null` ...); it raises `RejectedError` with the problem in words. What `write` gives is read as the same value.
"""

from __future__ import annotations

import ipaddress
import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from tcpmirror.settings import patterns, units

TEXT_TAGS: Final = ("str", "int", "float", "timestamp")  # `group: 2024` is a text that looks like something else
TEXT_CHARACTERS: Final = 4096
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_INTEGER = re.compile(r"[+-]?(?:0|[1-9]\d{0,18})", re.ASCII)
_DECIMAL = re.compile(r"\d{1,9}(?:\.\d{1,25})?(?:e-\d{1,3})?", re.ASCII)
_INTERFACE = re.compile(r"[^\s/]{1,15}")  # the kernel's dev_valid_name; IFNAMSIZ is 16 with the final zero
_HEADER_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,256}")  # token, RFC 9110 section 5.6.2
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_METRIC_PREFIX = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]{0,99}")
_HOST_NAME = re.compile(r"(?!-)[A-Za-z0-9_.-]{1,253}")


class RejectedError(Exception):
    """A value that its kind does not accept; the text is the problem, empty where the value speaks for itself."""


class Scalar(ABC):
    """A kind of one YAML scalar."""

    @property
    @abstractmethod
    def accepted(self) -> str:
        """What is accepted, in words that complete "accepted: ..."."""

    @abstractmethod
    def parse(self, text: str, tag: str) -> Any: ...

    def write(self, value: Any) -> Any:
        return value


@dataclass(frozen=True)
class Flag(Scalar):
    @property
    def accepted(self) -> str:
        return "true or false"

    def parse(self, text: str, tag: str) -> bool:
        if tag != "bool":
            raise RejectedError(f"the text {text!r} is no boolean" if tag == "str" else "")
        return text.lower() in ("true", "yes", "on")


@dataclass(frozen=True)
class Whole(Scalar):
    """An integer from *low* to *high*, or one of *words* that stand for one, or *also* outside the range."""

    low: int
    high: int
    words: tuple[tuple[str, int], ...] = ()
    also: int | None = None

    @property
    def accepted(self) -> str:
        words = "".join(f" or `{word}`" for word, _ in self.words)
        also = f" or {self.also}" if self.also is not None else ""
        return f"an integer from {self.low} to {self.high}{also}{words}"

    def parse(self, text: str, tag: str) -> int:
        for word, number in self.words:
            if text == word:
                return number
        if tag != "int" or not _INTEGER.fullmatch(text):
            raise RejectedError(f"{text!r} is no decimal integer")
        number = int(text)
        if not self.low <= number <= self.high and number != self.also:
            raise RejectedError(f"{number} is out of range")
        return number

    def write(self, value: Any) -> Any:
        return next((word for word, number in self.words if number == value), value)


@dataclass(frozen=True)
class Fraction(Scalar):
    """A share from 0 to 1: `0.75` or `75%`."""

    @property
    def accepted(self) -> str:
        return "a share from 0 to 1, as `0.75` or `75%`"

    def parse(self, text: str, tag: str) -> float:
        number = text.removesuffix("%").strip()
        if tag not in ("str", "int", "float") or not _DECIMAL.fullmatch(number):
            raise RejectedError(f"{text!r} is no share")
        share = float(number) / (100 if text.endswith("%") else 1)
        if share > 1:
            raise RejectedError(f"{text} is more than the whole")
        return share


@dataclass(frozen=True)
class Choice(Scalar):
    """One of *words*; compared as text, so an unquoted `off` (a boolean to YAML) is the word."""

    words: tuple[str, ...]
    synonyms: tuple[tuple[str, str], ...] = ()

    @property
    def accepted(self) -> str:
        return ", ".join(f"`{word}`" for word in self.words)

    def parse(self, text: str, tag: str) -> str:
        word = dict(self.synonyms).get(text, text)
        if word not in self.words:
            raise RejectedError("")
        return word


MODE_KIND: Final = Choice(("monitoring", "block", "safe_blocking", "off"), (("Off", "off"), ("OFF", "off")))


@dataclass(frozen=True)
class Size(Scalar):
    """Bytes."""

    low: int
    high: int

    @property
    def accepted(self) -> str:
        low, high = units.format_size(self.low), units.format_size(self.high)
        return f"a size from {low} to {high}, as `512MiB`, `64K` or plain bytes"

    def parse(self, text: str, tag: str) -> int:
        size = units.parse_size(text) if tag in ("str", "int") else None
        if size is None:
            raise RejectedError(f"{text!r} is no size")
        if not self.low <= size <= self.high:
            raise RejectedError(f"{text} is out of range")
        return size

    def write(self, value: Any) -> Any:
        return units.format_size(value)


@dataclass(frozen=True)
class Duration(Scalar):
    """Nanoseconds."""

    low: int
    high: int

    @property
    def accepted(self) -> str:
        low, high = units.format_duration(self.low), units.format_duration(self.high)
        return f"a duration from {low} to {high}, as `5s`, `1m30s` or `500ms`"

    def parse(self, text: str, tag: str) -> Any:
        time_ns = units.parse_duration(text) if tag in ("str", "int") else None
        if time_ns is None:
            raise RejectedError(f"{text!r} has no unit" if tag in ("int", "float") else f"{text!r} is no duration")
        if not self.low <= time_ns <= self.high:
            raise RejectedError(f"{text} is out of range")
        return time_ns

    def write(self, value: Any) -> Any:
        return units.format_duration(value)


@dataclass(frozen=True)
class Seconds(Duration):
    """A duration that the tree keeps in seconds (a float)."""

    def parse(self, text: str, tag: str) -> float:
        return float(super().parse(text, tag) / 1e9)

    def write(self, value: Any) -> Any:
        return units.format_duration(round(value * 1e9))


@dataclass(frozen=True)
class Text(Scalar):
    """A text without control characters; *shape* limits it, *words* says so."""

    words: str = "a text"
    shape: re.Pattern[str] | None = None
    may_be_empty: bool = True

    @property
    def accepted(self) -> str:
        return self.words

    def parse(self, text: str, tag: str) -> str:
        if tag not in TEXT_TAGS:
            raise RejectedError(f"{text!r} is a {tag} to YAML: put it in quotes")
        if len(text) > TEXT_CHARACTERS:
            raise RejectedError(f"the text is longer than {TEXT_CHARACTERS} characters")
        if _CONTROL.search(text):
            raise RejectedError(f"{text!r} has a control character")
        if not text:
            if not self.may_be_empty:
                raise RejectedError("the text is empty")
        elif self.shape is not None and not self.shape.fullmatch(text):
            raise RejectedError("")
        elif fault := self.fault(text):
            raise RejectedError(fault)
        return text

    def fault(self, text: str) -> str:
        """Return what else is wrong with *text*, in words."""
        return ""


class Pattern(Text):
    def fault(self, text: str) -> str:
        return patterns.pattern_fault(text)


class Location(Text):
    def fault(self, text: str) -> str:
        return patterns.location_fault(text)


class Glob(Text):
    def fault(self, text: str) -> str:
        return patterns.glob_fault(text)


class Url(Text):
    def fault(self, text: str) -> str:
        try:
            parts = urlsplit(text)
            named = bool(parts.hostname) and parts.port != 0
        except ValueError as error:
            return f"{text!r}: {error}"
        return "" if parts.scheme in ("http", "https") and named else f"{text!r} is no http(s) URL"


class Network(Text):
    """A network in CIDR form or a bare address; host bits are cleared, so that equal networks are equal texts."""

    def parse(self, text: str, tag: str) -> str:
        text = super().parse(text, tag)
        try:
            network = ipaddress.ip_network(text, strict=False)
        except ValueError as error:
            raise RejectedError(f"{text!r} is no network") from error
        return str(network)


class Address(Text):
    """One IP address, written its usual way."""

    def parse(self, text: str, tag: str) -> str:
        try:
            return str(ipaddress.ip_address(super().parse(text, tag)))
        except ValueError as error:
            raise RejectedError(f"{text!r} is no address") from error


class Listen(Text):
    """An address to listen on: `:9000`, `127.0.0.1:80`, `[::]:80`, `localhost:80`."""

    def fault(self, text: str) -> str:
        try:
            split_listen(text)
        except ValueError as error:
            return str(error)
        return ""


def split_listen(text: str) -> tuple[str, int]:
    """Return the host (empty: every address) and port of *text*; ValueError says what is wrong."""
    host, colon, port = text.rpartition(":")
    if not colon or not (port.isascii() and port.isdigit()) or not 1 <= int(port[:6]) <= 65535:
        raise ValueError(f"{text!r} has no port from 1 to 65535 after its last colon")
    if host.startswith("[") and host.endswith("]"):
        ipaddress.IPv6Address(host[1:-1])
        return host[1:-1], int(port)
    if ":" in host:
        raise ValueError(f"{text!r}: an IPv6 address stands in brackets, as in `[::1]:80`")
    if re.fullmatch(r"[\d.]+", host):
        ipaddress.IPv4Address(host)
    elif host and not _HOST_NAME.fullmatch(host):
        raise ValueError(f"{host!r} is neither a name nor an address")
    return host, int(port)


FLAG: Final = Flag()
TEXT: Final = Text()
PATH: Final = Text("a path")
NAMED_PATH: Final = Text("a path", may_be_empty=False)
ARGUMENT_TAGS: Final = (*TEXT_TAGS, "bool")
INTERFACE: Final = Text("the name of an interface (at most 15 characters), or `any`", _INTERFACE, may_be_empty=False)
HEADER_NAME: Final = Text("the name of a header", _HEADER_NAME, may_be_empty=False)
UUID: Final = Text("a UUID, as `11111111-2222-3333-4444-555555555555`", _UUID)
METRIC_PREFIX: Final = Text("letters, digits and `_`, not beginning with a digit", _METRIC_PREFIX, may_be_empty=False)
BPF: Final = Text("a packet filter in pcap-filter's language")
PATTERN: Final = Pattern("a regular expression (RE2 syntax)")
LOCATION: Final = Location("a location: `/prefix`, `= /exact`, `^~ /prefix`, `~ regex` or `~* regex`")
GLOB: Final = Glob("a host name with `*`, `?`, `[a-z]`, `[^a-z]`")
URL: Final = Url("an http:// or https:// URL")
NETWORK: Final = Network("a network such as `10.0.0.0/8` or `2001:db8::/32`, or one address", may_be_empty=False)
ADDRESS: Final = Address("an IP address", may_be_empty=False)
LISTEN: Final = Listen("ADDR:PORT, `:PORT` or `[IPV6]:PORT`", may_be_empty=False)
PORT: Final = Whole(1, 65535)
VLAN_ID: Final = Whole(0, 4095)  # 0 is a priority tag, 4095 is reserved but seen
VNI: Final = Whole(0, (1 << 24) - 1)


@dataclass(frozen=True)
class Argument(Scalar):
    """An argument of a command line: any scalar, by its text."""

    @property
    def accepted(self) -> str:
        return "an argument: a flag such as `-input-raw-vlan`, or the value of the flag before"

    def parse(self, text: str, tag: str) -> str:
        if tag not in ARGUMENT_TAGS:
            raise RejectedError("")
        return Text().parse(text, "str")


ARGUMENT: Final = Argument()
