"""Which addresses belong to the site that is asked."""

from __future__ import annotations

import pytest

from tcpmirror.detect.detector import Detector
from tcpmirror.detect.site import host_of, is_foreign
from tcpmirror.model.exchange import Request
from tests.detect.requests import request

HOSTS = {
    "plain": (b"https://a.example/x", b"a.example"),
    "user and port": (b"http://u:p@A.example:8080/", b"a.example"),
    "without scheme": (b"//a.example?x", b"a.example"),
    "backslashes": (b"/\\a.example", b"a.example"),
    "path": (b"/a/b", b""),
    "word": (b"a.example", b""),
    "nothing": (b"", b""),
}
PLACES = {
    "another site": (b"https://other.example.net/", True),
    "the same host": (b"https://shop.example/a", False),
    "a host below it": (b"https://cdn.shop.example/", False),
    "a number": (b"http://192.0.2.1/", True),
    "no address": (b"/home", False),
}


def _asked(host: bytes) -> Request:
    return Request(b"GET / HTTP/1.1\r\n" + host + b"\r\n", b"", 0, b"GET", b"/")


@pytest.mark.parametrize(("address", "host"), HOSTS.values(), ids=HOSTS)
def test_the_host_of_an_address(address: bytes, host: bytes) -> None:
    assert host_of(address) == host


@pytest.mark.parametrize(("address", "foreign"), PLACES.values(), ids=PLACES)
def test_sites_are_told_by_their_last_two_labels(address: bytes, foreign: bool) -> None:
    assert is_foreign(_asked(b"Host: shop.example:443\r\n"), "value", address) is foreign
    assert is_foreign(_asked(b"Host: shop.example\r\nReferer: " + address + b"\r\n"), "referer", b"x") is foreign


def test_without_a_host_nothing_is_foreign() -> None:
    assert not is_foreign(_asked(b""), "value", b"https://other.example.net/")


def test_a_rule_that_asks_for_another_site_leaves_the_own_one_alone(detector: Detector) -> None:
    (finding,) = detector.inspect(request(b"GET", b"/out?next=https://other.example.net/"))
    assert (finding.type, finding.rule) == ("redir", "redir-foreign-site")
    assert detector.inspect(request(b"GET", b"/out?next=https://www.shop.example/")) == []
