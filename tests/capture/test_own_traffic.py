"""The sensor's own connections are known by address and port."""

from __future__ import annotations

import ipaddress

from tcpmirror.capture.own_traffic import local_addresses, own_endpoints
from tcpmirror.settings.tree import Cloud, Health, Metrics, Settings

LOOPBACK = b"\x7f\0\0\1"


def settings(cloud: Cloud, metrics: str = "127.0.0.1:9000") -> Settings:
    return Settings(
        cloud=cloud, metrics=Metrics(listen_address=metrics, legacy_status_enabled=False), health=Health(enabled=False)
    )


def test_what_listens_on_one_address_is_left_out_there_only() -> None:
    own = own_endpoints(settings(Cloud(listen_address="127.0.0.1:8088")))
    assert own == {(LOOPBACK, 8088), (LOOPBACK, 9000)}


def test_what_listens_everywhere_is_left_out_on_every_address_of_the_machine() -> None:
    own = own_endpoints(settings(Cloud(embedded=False), ":9000"))
    assert own == {(address, 9000) for address in local_addresses()}
    assert LOOPBACK in local_addresses()


def test_the_remote_cloud_is_left_out() -> None:
    own = own_endpoints(settings(Cloud(embedded=False, url="http://[2001:db8::5]/base")))
    assert (ipaddress.ip_address("2001:db8::5").packed, 80) in own
    assert (b"\xc0\0\2\5", 8443) in own_endpoints(settings(Cloud(embedded=False, url="https://192.0.2.5:8443")))


def test_a_cloud_that_cannot_be_resolved_is_no_error() -> None:
    own = own_endpoints(settings(Cloud(embedded=False, url="https://no-such-host.invalid")))
    assert own == {(LOOPBACK, 9000)}
