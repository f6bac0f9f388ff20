"""The keys of `sinks`: where findings go beside the cloud."""

from __future__ import annotations

import re
from typing import Any, Final
from urllib.parse import urlsplit

from tcpmirror.model.attack import ATTACK_TYPES
from tcpmirror.settings.inspection_keys import fields_of
from tcpmirror.settings.kinds import (
    FLAG,
    GLOB,
    HEADER_NAME,
    PATH,
    TEXT,
    Choice,
    Duration,
    Fraction,
    RejectedError,
    Seconds,
    Text,
    Whole,
)
from tcpmirror.settings.schema import Key, ListOf, MapOf, Section
from tcpmirror.settings.tree import SECOND, Sink

_NAME: Final = Text(
    "1 to 63 lower-case letters, digits and dashes, not `cloud`", re.compile(r"(?!cloud\Z)[a-z0-9][a-z0-9-]{0,62}"), False
)
_WEB: Final = ("http", "https")
# type -> the schemes of its `url`; empty: the `url` is no URL
SCHEMES: Final[dict[str, tuple[str, ...]]] = {
    "file": (),
    "stdout": (),
    "syslog": ("udp", "tcp", "tls"),
    "webhook": _WEB,
    "slack": _WEB,
    "teams": _WEB,
    "elasticsearch": _WEB,
    "splunk": _WEB,
    "kafka": (),
    "nats": ("nats", "tls"),
    "s3": _WEB,
    "otlp": _WEB,
    "email": ("smtp", "smtps"),
}
_NEED_TARGET: Final = ("elasticsearch", "kafka", "nats", "s3", "email")
_NO_URL: Final = ("stdout", "s3")  # that do without one
_HOUR: Final = 3600 * SECOND
# A mail for each second of an attack would be read by nobody.
_DIGEST: Final = {"batch_interval_ns": _HOUR, "batch_reports": 10_000}
_ADDRESS: Final = re.compile(r"[^\s,<>@]+@[^\s,<>@]+")


def _built(given: dict[str, Any]) -> Sink:
    made = Sink(**(_DIGEST | given if given.get("type") == "email" else given))
    if made.type not in _NO_URL and not made.url:
        raise RejectedError(f"type {made.type} needs a `url`")
    if made.url and (schemes := SCHEMES[made.type]):
        _check_url(made.url, schemes)
    if made.type in _NEED_TARGET and not made.target:
        raise RejectedError(f"type {made.type} needs a `target`")
    if made.type == "email":
        _check_addresses(made)
    if made.type == "file" and not made.url.startswith("/"):
        raise RejectedError(f"{made.url!r} is no absolute path")
    return made


def _check_url(url: str, schemes: tuple[str, ...]) -> None:
    try:
        parts = urlsplit(url)
        sound = parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError as error:
        raise RejectedError(f"{url!r}: {error}") from error
    if not sound:
        raise RejectedError(f"{url!r} does not begin with {', '.join(f'{scheme}://' for scheme in schemes)} and a host")


def _check_addresses(made: Sink) -> None:
    sender = dict(made.headers).get("From", "")
    for address in (*made.target.split(","), *([sender] if sender else [])):
        if not (address.isascii() and _ADDRESS.fullmatch(address.strip())):
            raise RejectedError(f"{address!r} is no address as name@mail.example")


def _key(name: str, kind: Any, meaning: str, target: str, **more: Any) -> Key:
    return Key(name, kind, meaning, target, own=True, **more)


SINK: Final = (
    _key("name", _NAME, "What metrics, log and spool call it.", "name", required=True, example="siem"),
    _key("type", Choice(tuple(SCHEMES)), "What it speaks.", "type", required=True, example="syslog"),
    _key(
        "url",
        TEXT,
        "Where it is: a path (`file`), `udp://`, `tcp://` or `tls://` (`syslog`), `http(s)://` (the web ones; `s3`: empty "
        "is Amazon's), `HOST:PORT,...` (`kafka`), `nats://` or `tls://` (`nats`), `smtp://` or `smtps://` (`email`).",
        "url",
        example="tls://siem.example:6514",
        secret=True,  # that of a chat's webhook is all that it asks for
    ),
    _key(
        "target",
        TEXT,
        "Index (`elasticsearch`, `splunk`), topic (`kafka`), subject (`nats`), `BUCKET/PREFIX` (`s3`), recipients between "
        "commas (`email`).",
        "target",
    ),
    _key("format", Choice(("json", "cef", "leef")), "Body of a syslog message.", "format"),
    _key(
        "token",
        TEXT,
        "Bearer token (`webhook`, `otlp`), API key (`elasticsearch`), HEC token (`splunk`), token (`nats`), `KEY:SECRET` "
        "(`s3`), `USER:PASSWORD` (`email`).",
        "token",
        secret=True,
    ),
    _key(
        "headers",
        MapOf(HEADER_NAME, TEXT),
        "More headers of the web ones; `kafka`: settings of librdkafka; `email`: `From`.",
        "headers",
        secret=True,
    ),
    _key("verify_tls", FLAG, "Refuse a certificate that is not valid.", "verify_tls"),
    _key("ca_file", PATH, "PEM file of the authority to trust; empty: those of the system.", "ca_file"),
    _key("types", ListOf(Choice(tuple(ATTACK_TYPES))), "Attack types that go there; empty: all.", "types"),
    _key("confidence", Fraction(), "Findings from this confidence up.", "confidence"),
    _key("hosts", ListOf(GLOB), "Hosts whose findings go there; empty: all.", "hosts", example=["*.shop.example"]),
    _key("batch_reports", Whole(1, 10_000), "Reports in one delivery, at most.", "batch_reports"),
    _key(
        "batch_interval",
        Duration(10_000_000, _HOUR),
        "A delivery waits no longer; for `s3` `10m`; `email`: an hour if not given.",
        "batch_interval_ns",
    ),
    _key("timeout", Seconds(100_000_000, _HOUR), "For one delivery.", "timeout_s"),
)

SINKS: Final = ListOf(
    Section(lambda: SINK, _built, fields_of, accepted="a map with a name, a type and what that type needs"),
)
