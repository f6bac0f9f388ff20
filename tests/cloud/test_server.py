from __future__ import annotations

import socket

import pytest

from tcpmirror.cloud.server import bind, is_loopback, split_address
from tcpmirror.errors import EnvironmentFault

ADDRESSES = {
    "IPv4": ("127.0.0.1:80", ("127.0.0.1", 80), True),
    "other loopback": ("127.8.0.1:80", ("127.8.0.1", 80), True),
    "IPv6": ("[::1]:80", ("::1", 80), True),
    "name": ("localhost:80", ("127.0.0.1", 80), True),
    "all": (":80", ("0.0.0.0", 80), False),
    "all IPv6": ("[::]:80", ("::", 80), False),
    "other": ("192.0.2.1:80", ("192.0.2.1", 80), False),
}


@pytest.mark.parametrize(("text", "parts", "loopback"), ADDRESSES.values(), ids=ADDRESSES.keys())
def test_address(text: str, parts: tuple[str, int], loopback: bool) -> None:
    assert split_address(text, "key") == parts
    assert is_loopback(text, "key") is loopback


@pytest.mark.parametrize("text", ["", "80", "host:80", "127.0.0.1", "127.0.0.1:http", "127.0.0.1:70000", "[::1:80"])
def test_what_is_no_address_is_named(text: str) -> None:
    with pytest.raises(EnvironmentFault, match=r"the\.key"):
        split_address(text, "the.key")


def test_taken_address_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(EnvironmentFault, match=rf"cloud\.listen_address: {address}"):
            bind(address, "cloud.listen_address")


def test_connections_send_without_delay() -> None:
    with bind("127.0.0.1:0", "key") as listener:
        assert listener.proto == socket.IPPROTO_TCP
