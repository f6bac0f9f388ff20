from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcpmirror.cloud.enrichment.databases import SourceDatabase, source_of
from tcpmirror.cloud.enrichment.source import NOTHING, Source
from tcpmirror.errors import EnvironmentFault
from tests.cloud.enrichment.mmdb import write_mmdb

RECORDS: dict[str, tuple[dict[str, Any], Source]] = {
    "country of GeoLite2": ({"country": {"iso_code": "NL", "names": {"en": "Netherlands"}}}, Source("NL")),
    "country where the network is registered": ({"registered_country": {"iso_code": "DE"}}, Source("DE")),
    "country of IPinfo": ({"country": "US", "asn": "AS64500", "as_name": "Example"}, Source("US", 64500, "Example")),
    "network of GeoLite2": (
        {"autonomous_system_number": 64501, "autonomous_system_organization": "Example Two"},
        Source("", 64501, "Example Two"),
    ),
    "kinds of Anonymous IP": ({"is_tor_exit_node": True, "is_anonymous_vpn": True}, Source(kinds=("tor", "vpn"))),
    "kinds among traits": ({"traits": {"is_hosting_provider": True}}, Source(kinds=("datacenter",))),
    "proxy type of IP2Location": ({"proxy_type": "PUB", "country_code": "FR"}, Source("FR", kinds=("proxy",))),
    "network of a cloud": ({"autonomous_system_number": 16509}, Source("", 16509, "", ("aws", "datacenter"))),
    "odd values": (
        {"country": {"iso_code": 7}, "asn": "AS99999999999", "is_tor_exit_node": "no", "as_name": " "},
        NOTHING,
    ),
}


@pytest.mark.parametrize(("record", "expected"), RECORDS.values(), ids=RECORDS.keys())
def test_record_of_each_maker_is_understood(tmp_path: Path, record: dict[str, Any], expected: Source) -> None:
    database = SourceDatabase(write_mmdb(tmp_path / "a.mmdb", {"198.51.100.0/24": record}))
    assert database.source("198.51.100.77") == expected
    assert database.source("198.51.101.77") == NOTHING


def test_addresses_of_both_families_are_found_and_others_are_not(tmp_path: Path) -> None:
    nested = {"2001:db8::/32": {"country": {"iso_code": "SE"}}, "10.0.0.0/8": {"country": {"iso_code": "NO"}}}
    database = SourceDatabase(write_mmdb(tmp_path / "a.mmdb", nested, "Test-Country"))
    found = {address: database.source(address).country for address in ("2001:db8::1", "10.9.8.7", "fe80::1%eth0", "x", "")}
    assert found == {"2001:db8::1": "SE", "10.9.8.7": "NO", "fe80::1%eth0": "", "x": "", "": ""}
    assert database.about == "Test-Country, 2026-05-28"


BAD = {"no file": None, "empty": b"", "text": b"no database at all", "cut": "cut"}


@pytest.mark.parametrize("content", BAD.values(), ids=BAD.keys())
def test_what_is_no_database_is_named(tmp_path: Path, content: bytes | str | None) -> None:
    path = tmp_path / "a.mmdb"
    if content == "cut":
        content = write_mmdb(path, {"10.0.0.0/8": {"country": "NO"}}).read_bytes()[:-90]
    if isinstance(content, bytes):
        path.write_bytes(content)
    with pytest.raises(EnvironmentFault, match=r"a\.mmdb: .*; accepted: an MMDB file"):
        SourceDatabase(path)


_VALUES = st.none() | st.booleans() | st.integers() | st.sampled_from(["NL", "nl", "AS1", "", "tor", "\u00e9"])


@given(
    st.dictionaries(
        st.sampled_from(["country", "traits", "asn", "proxy_type", "isp", "tor"]),
        _VALUES | st.dictionaries(st.sampled_from(["iso_code", "asn"]), _VALUES),
    )
)
def test_no_record_makes_it_raise(record: dict[str, Any]) -> None:
    found = source_of(record)
    assert found.network < 2**32 and len(found.country) in (0, 2)
