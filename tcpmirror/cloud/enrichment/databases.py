"""Sources looked up in MMDB files (MaxMind DB File Format 2.0) of whichever maker.

Fields are taken by their names and not by the database's type, so that files of several makers do: GeoLite2 and GeoIP2
(Country, City, ASN, ISP, Anonymous IP), DB-IP, IPinfo, IP2Location (proxy types of its PX lists).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import maxminddb

from tcpmirror.cloud.enrichment.source import NOTHING, TEXT_CHARS, Source
from tcpmirror.errors import EnvironmentFault

_COUNTRY: Final = re.compile(r"[A-Z]{2}")
_NUMBER: Final = re.compile(r"(?:AS)?(\d{1,10})", re.IGNORECASE)
_FLAGS: Final = {
    "is_tor_exit_node": "tor",
    "is_public_proxy": "proxy",
    "is_anonymous_vpn": "vpn",
    "is_hosting_provider": "datacenter",
    "is_residential_proxy": "residential",
    "tor": "tor",
    "proxy": "proxy",
    "vpn": "vpn",
    "hosting": "datacenter",
}
_PROXY_TYPES: Final = {
    "TOR": "tor",
    "PUB": "proxy",
    "WEB": "proxy",
    "VPN": "vpn",
    "DCH": "datacenter",
    "RES": "residential",
    "SES": "crawler",
}


class SourceDatabase:
    """One MMDB file, held in memory: it may be replaced on disk at any time.

    Raises EnvironmentFault if the file cannot be read or is no such database.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.signature = signature_of(path)
        try:
            self._reader = maxminddb.open_database(str(path), maxminddb.MODE_MEMORY)
        except (OSError, maxminddb.InvalidDatabaseError, UnicodeDecodeError, ValueError) as error:
            problem = getattr(error, "strerror", None) or error
            raise EnvironmentFault(f"source database {path}: {problem}; accepted: an MMDB file") from error
        self._has_ipv6 = self._reader.metadata().ip_version == 6

    @property
    def about(self) -> str:
        """What it calls itself and when it was built."""
        told = self._reader.metadata()
        return f"{told.database_type[:TEXT_CHARS]}, {datetime.fromtimestamp(told.build_epoch, UTC):%Y-%m-%d}"

    def source(self, address: str) -> Source:
        """Return what it knows of *address*; nothing if that is no address or its record cannot be read."""
        try:
            parsed = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return NOTHING
        if parsed.version == 6 and not self._has_ipv6:
            return NOTHING
        try:
            found = self._reader.get(parsed)
        except (maxminddb.InvalidDatabaseError, ValueError, UnicodeDecodeError):
            return NOTHING
        return source_of(found) if isinstance(found, Mapping) else NOTHING


def signature_of(path: Path) -> tuple[int, int, int]:
    """Return what tells whether the file at *path* was changed, zeros if there is none."""
    try:
        status = path.stat()
    except OSError:
        return 0, 0, 0
    return status.st_mtime_ns, status.st_size, status.st_ino


def source_of(record: Mapping[str, Any]) -> Source:
    """Return what *record* of a database says."""
    traits = record.get("traits")
    fields = {**traits, **record} if isinstance(traits, Mapping) else record
    return Source(_country(fields), *_network(fields), _kinds(fields)).with_provider()


def _country(fields: Mapping[str, Any]) -> str:
    for name in ("country", "registered_country", "country_code"):
        given = fields.get(name)
        code = given.get("iso_code") if isinstance(given, Mapping) else given
        if isinstance(code, str) and _COUNTRY.fullmatch(code):
            return code
    return ""


def _network(fields: Mapping[str, Any]) -> tuple[int, str]:
    number = 0
    for name in ("autonomous_system_number", "asn"):
        written = _NUMBER.fullmatch(str(fields.get(name, "")))
        if written and int(written.group(1)) < 2**32:
            number = int(written.group(1))
            break
    for name in ("autonomous_system_organization", "as_name", "organization", "isp"):
        given = fields.get(name)
        if isinstance(given, str) and given.strip():
            return number, given.strip()[:TEXT_CHARS]
    return number, ""


def _kinds(fields: Mapping[str, Any]) -> tuple[str, ...]:
    found = {kind for name, kind in _FLAGS.items() if fields.get(name) in (True, "true", 1)}
    proxy_type = _PROXY_TYPES.get(str(fields.get("proxy_type", "")).upper())
    return tuple(sorted(found | ({proxy_type} if proxy_type else set())))
