from __future__ import annotations

import orjson
import pytest

from tcpmirror.cloud.batch import SoundReport, parse_batch
from tcpmirror.cloud.grouping import attack_key, hits_of, parameter_name, target_host, target_path
from tests.cloud.running import finding, report


def sound(**changes: object) -> SoundReport:
    return parse_batch(orjson.dumps({"batch_id": "a", "reports": [report(1, **changes)]})).sound[0]


def test_one_hit_for_each_type_with_the_surest_finding_first() -> None:
    found = [
        finding(payload="weak", confidence=0.3, rule="weak"),
        finding(type="xss", payload="<x>"),
        finding(payload="strong", confidence=0.8, rule="strong", point=["get", "q"]),
        finding(payload="weak", confidence=0.2),
    ]
    hits = hits_of(sound(findings=found))
    assert [(hit.type, hit.payloads, hit.rule, hit.point) for hit in hits] == [
        ("sqli", ("strong", "weak"), "strong", ("get", "q")),
        ("xss", ("<x>",), "sqli.tautology", ("get", "id")),
    ]


SAME = {
    "payload and source differ": ({}, {"findings": [finding(payload="2")], "real_ip": "192.0.2.1"}),
    "case of the host": ({}, {"host": "SHOP.example"}),
    "query differs": ({}, {"uri": "/items?id=2"}),
    "absolute target": ({"uri": "/items"}, {"uri": "http://shop.example/items"}),
    "index of an array": (
        {"findings": [finding(point=["post", "json_doc", "array", "0", "hash", "a"])]},
        {"findings": [finding(point=["post", "json_doc", "array", "7", "hash", "a"])]},
    ),
    "attack in the path itself": (
        {"uri": "/a/../etc", "findings": [finding(point=["path", "0"])]},
        {"uri": "/b/../etc", "findings": [finding(point=["path", "3"])]},
    ),
    "no host, same server": ({"host": None}, {"host": None, "client": "192.0.2.1:1"}),
}
OTHER = {
    "type": ({}, {"findings": [finding(type="xss")]}),
    "parameter": ({}, {"findings": [finding(point=["get", "q"])]}),
    "numeric parameter": ({"findings": [finding(point=["get", "1"])]}, {"findings": [finding(point=["get", "2"])]}),
    "path": ({}, {"uri": "/other?id=1"}),
    "host": ({}, {"host": "www.shop.example"}),
    "server where there is no host": ({"host": None}, {"host": None, "server": "10.0.0.6:80"}),
    "split of the same letters": (
        {"findings": [finding(point=["get", "a", "bc"])]},
        {"findings": [finding(point=["get", "ab", "c"])]},
    ),
}


@pytest.mark.parametrize(("one", "two"), SAME.values(), ids=SAME.keys())
def test_same_attack(one, two) -> None:
    assert hits_of(sound(**one))[0].key == hits_of(sound(**two))[0].key


@pytest.mark.parametrize(("one", "two"), OTHER.values(), ids=OTHER.keys())
def test_another_attack(one, two) -> None:
    assert hits_of(sound(**one))[0].key != hits_of(sound(**two))[0].key


PARAMETERS = {
    "query": (("get", "id"), "id"),
    "query called like a tag": (("get", "hash"), "hash"),
    "encoded": (("get", "data", "base64"), "data"),
    "nested JSON": (("post", "json_doc", "hash", "user", "hash", "name", "base64"), "name"),
    "JSON in a query": (("get", "q", "json_doc", "hash", "file"), "file"),
    "list": (("post", "json_doc", "hash", "ids", "array", "3"), "ids"),
    "header": (("header", "USER-AGENT"), "USER-AGENT"),
    "cookie": (("header", "COOKIE", "cookie", "sid"), "sid"),
    "upload": (("post", "multipart", "avatar", "file"), "avatar"),
    "path part": (("path", "2"), "path"),
    "whole body": (("post",), "post"),
    "cut": (("get",), "get"),
    "nothing": ((), ""),
}


@pytest.mark.parametrize(("point", "name"), PARAMETERS.values(), ids=PARAMETERS.keys())
def test_parameter_name(point: tuple[str, ...], name: str) -> None:
    assert parameter_name(point) == name


PATHS = {
    "plain": ("/a/b?c=d", "/a/b"),
    "fragment": ("/a#b?c", "/a"),
    "absolute": ("http://host:80/a?b", "/a"),
    "absolute without path": ("http://host", "/"),
    "scheme in a path": ("/go/http://x/y", "/go/http://x/y"),
    "asterisk": ("*", "*"),
    "nothing": (None, ""),
    "empty": ("", ""),
}


@pytest.mark.parametrize(("uri", "path"), PATHS.values(), ids=PATHS.keys())
def test_target_path(uri: str | None, path: str) -> None:
    assert target_path(uri) == path


def test_target_host_falls_back_to_the_server() -> None:
    assert target_host(sound(host=" ")) == "10.0.0.5:80"


def test_key_takes_any_text() -> None:
    assert len(attack_key("xss", ("get", "\ud800\x00\x1f"), "", "\U0010ffff")) == 16
