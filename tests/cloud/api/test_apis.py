"""The inventory in the cloud: digests once, endpoints out of them, changes, specifications, templates."""

from __future__ import annotations

import csv
import io
import random
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import httpx
import pytest
import zstandard
from openapi_spec_validator import OpenAPIV31SpecValidator

from tcpmirror.cloud.apis.building import DAY_NS, build_stale, sweep_unused
from tcpmirror.cloud.apis.intake import take_digests
from tcpmirror.discovery.digest import EndpointDigest, ParameterDigest
from tcpmirror.discovery.record import encode_rows, wire_row
from tests.cloud.running import ANALYST, NOON, READ, RunningCloud

HOST = "api.example"


def digest(
    path: str, method: str = "GET", hits: int = 10, at_ns: int = NOON, *, host: str = HOST, **query: str
) -> EndpointDigest:
    made = EndpointDigest(
        host, method, tuple(path.split("/")[1:]), requests=hits, sampled=hits, first_ns=at_ns, last_ns=at_ns
    )
    made.statuses[200] = hits
    made.auth["none"] = hits
    for name, kind in query.items():
        made.parameters["request", "query", name] = ParameterDigest(count=hits, kinds=Counter({kind: hits}))
    return made


def body(digest_id: str, *digests: EndpointDigest) -> bytes:
    return zstandard.ZstdCompressor().compress(encode_rows(digest_id, map(wire_row, digests)))


def send(node: httpx.Client, digest_id: str, *digests: EndpointDigest) -> bool:
    answer = node.post("/api/v1/inventory/digests", content=body(digest_id, *digests), headers={"Content-Encoding": "zstd"})
    taken: bool = answer.raise_for_status().json()["taken"]
    return taken


@pytest.fixture
def reader(cloud: RunningCloud) -> Iterator[httpx.Client]:
    with cloud.client(READ) as client:
        yield client


def endpoints(reader: httpx.Client, **wanted: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (
        reader.get("/api/v1/inventory/endpoints", params=wanted).raise_for_status().json()["endpoints"]
    )
    return found


def test_a_digest_counts_once_and_sensors_add_up(cloud: RunningCloud, reader: httpx.Client) -> None:
    with cloud.node() as one, cloud.node() as other:
        users = [digest(f"/users/{name}{n}", hits=2) for n in range(6) for name in ("ann", "bob")]
        assert send(one, "d1", *users)
        assert not send(one, "d1", *users)
        assert send(other, "d1", digest("/users/{}", hits=7), digest("/once", hits=1))
    (found,) = endpoints(reader)
    assert (found["path"], found["requests"], found["risk"], found["states"]) == (
        "/users/{user_name}",
        31,
        6,
        ["new", "unused"],
    )
    detail = reader.get(f"/api/v1/inventory/endpoints/{found['id']}").raise_for_status().json()
    assert [(each["location"], each["name"]) for each in detail["parameter_list"]] == [("path", "user_name")]
    assert reader.get("/api/v1/inventory/hosts").json()["hosts"][0]["requests"] == 31


@pytest.mark.parametrize("seed", range(6))
def test_what_little_traffic_looked_like_does_not_stay(cloud: RunningCloud, reader: httpx.Client, seed: int) -> None:
    """A few collections, each seen once or twice at first, look like values; once more is seen they are what they are."""
    calls = [
        digest(f"/v2/{word}/{{}}", hits=1) for word, many in (("customers", 40), ("invoices", 130)) for _ in range(many)
    ]
    calls += [digest("/v2/profiles/{}", "PUT", hits=1)] * 31 + [digest("/v2/rates", hits=1)] * 60
    calls += [digest(f"/v2/{word}", hits=1) for word in ("find", "export", "debug", "other", "feed")]
    random.Random(seed).shuffle(calls)
    for start, end in pairwise((0, 3, 6, 12, 24, 60, 120, len(calls))):
        take_digests(cloud.service.database, "n", str(start), calls[start:end], NOON)
        build_stale(cloud.service.database, NOON + 1 + start)
    assert {(each["method"], each["path"]) for each in endpoints(reader)} == {
        ("GET", "/v2/customers/{customer_id}"),
        ("GET", "/v2/invoices/{invoice_id}"),
        ("PUT", "/v2/profiles/{profile_id}"),
        ("GET", "/v2/rates"),
    }


def test_endpoints_are_filtered_sorted_and_paged(cloud: RunningCloud, reader: httpx.Client) -> None:
    take_digests(cloud.service.database, "n", "1", [digest(f"/a{'x' * n}", hits=10 + n) for n in range(7)], NOON)
    take_digests(cloud.service.database, "n", "2", [digest("/b/{}", "POST", host="other.example")], NOON)
    assert [each["requests"] for each in endpoints(reader, host=HOST, sort="requests", limit=3, offset=2)] == [14, 13, 12]
    assert [each["method"] for each in endpoints(reader, method="POST")] == ["POST"]
    assert len(endpoints(reader, path="AX")) == 6
    assert [each["path"] for each in endpoints(reader, min_risk=6)] == ["/b/{b_id}"]
    assert endpoints(reader, sensitive="email") == []
    assert reader.get("/api/v1/inventory/endpoints", params={"limit": 0}).status_code == 422


def test_changes_are_told_after_the_time_of_learning(cloud: RunningCloud, reader: httpx.Client) -> None:
    database = cloud.service.database
    for number, (day, query) in enumerate([(0, {"a": "int32"}), (0, {"b": "int32"}), (2, {"c": "int32"})]):
        take_digests(database, "n", str(number), [digest("/a", at_ns=NOON + day * DAY_NS, **query)], NOON)
        build_stale(database, NOON + day * DAY_NS + number)
    found = reader.get("/api/v1/inventory/changes", params={"host": HOST}).raise_for_status().json()["changes"]
    assert [(each["change"], each["details"]) for each in found] == [
        ("changed", {"added": [["request", "query", "c"]]}),
        ("added", {}),
    ]


def test_what_is_not_called_any_more_is_unused_then_gone_then_new_again(cloud: RunningCloud, reader: httpx.Client) -> None:
    database = cloud.service.database
    take_digests(database, "n", "1", [digest("/a")], NOON)
    build_stale(database, NOON)
    for days in (8, 9, 31):
        sweep_unused(database, NOON + days * DAY_NS)
    take_digests(database, "n", "2", [digest("/a", at_ns=NOON + 32 * DAY_NS)], NOON + 32 * DAY_NS)
    build_stale(database, NOON + 32 * DAY_NS)
    found = reader.get("/api/v1/inventory/changes").json()["changes"]
    assert [each["change"] for each in found] == ["added", "gone", "unused", "added"]


def test_a_template_of_the_operator_goes_before_statistics(cloud: RunningCloud, reader: httpx.Client) -> None:
    take_digests(cloud.service.database, "n", "1", [digest("/report/year"), digest("/report/week")], NOON)
    assert {each["path"] for each in endpoints(reader)} == {"/report/year", "/report/week"}
    with cloud.client(ANALYST) as analyst:
        made = analyst.post(
            "/api/v1/inventory/templates", json={"host": HOST, "path": "/report/{period}"}
        ).raise_for_status()
        assert [each["path"] for each in endpoints(reader)] == ["/report/{report_name}"]
        analyst.delete(f"/api/v1/inventory/templates/{made.json()['templates'][0]['id']}").raise_for_status()
        bad = analyst.post("/api/v1/inventory/templates", json={"host": HOST, "path": "report"})
        assert (bad.status_code, "accepted:" in bad.json()["detail"]) == (400, True)
    assert reader.post("/api/v1/inventory/templates", json={"host": HOST, "path": "/a"}).status_code == 403


def test_shadow_zombie_and_orphan_by_versions_of_a_specification(cloud: RunningCloud, reader: httpx.Client) -> None:
    take_digests(cloud.service.database, "n", "1", [digest("/v1/users/{}"), digest("/v1/old"), digest("/debug")], NOON)

    def specification(version: str, *paths: str) -> bytes:
        listed = "\n".join(f"  {path}: {{get: {{}}}}" for path in paths)
        return f"openapi: 3.0.0\ninfo: {{title: Shop, version: '{version}'}}\npaths:\n{listed}\n".encode()

    with cloud.client(ANALYST) as analyst:
        for raw in (specification("1", "/v1/users/{id}", "/v1/old"), specification("2", "/v1/users/{id}", "/v1/new")):
            analyst.post("/api/v1/inventory/specifications", params={"host": HOST}, content=raw).raise_for_status()
        bad = analyst.post("/api/v1/inventory/specifications", params={"host": HOST}, content=b"hello")
        assert bad.status_code == 400
    found = reader.get("/api/v1/inventory/rogue", params={"host": HOST}).raise_for_status().json()
    assert found == {"shadow": ["GET /debug"], "zombie": ["GET /v1/old"], "orphan": ["GET /v1/new"]}
    assert [each["path"] for each in endpoints(reader, state="zombie")] == ["/v1/old"]
    assert reader.get("/api/v1/inventory/rogue", params={"host": "none"}).status_code == 404


def test_documents_and_tables_are_exported(cloud: RunningCloud, reader: httpx.Client) -> None:
    take_digests(cloud.service.database, "n", "1", [digest("/users/{}", limit="int32"), digest("/=a")], NOON)
    document = reader.get("/api/v1/inventory/openapi", params={"host": HOST}).raise_for_status().json()
    OpenAPIV31SpecValidator(document).validate()
    assert set(document["paths"]) == {"/users/{user_id}", "/=a"}
    assert reader.get("/api/v1/inventory/openapi", params={"host": "none"}).status_code == 404
    rows = list(csv.DictReader(io.StringIO(reader.get("/api/v1/inventory/endpoints.csv").text)))
    assert [row["path"] for row in rows] == ["/=a", "/users/{user_id}"]


BAD = {
    "no JSON": b"hello",
    "no digest": b"{}",
    "no rows": b'{"id": "1", "rows": 7}',
    "a row that is none": b'{"id": "1", "rows": [7]}',
    "no id": b'{"id": "", "rows": []}',
}


@pytest.mark.parametrize("raw", BAD.values(), ids=BAD)
def test_what_is_no_digest_is_refused_in_words(lasting_cloud: RunningCloud, raw: bytes) -> None:
    with lasting_cloud.node() as node:
        answer = node.post("/api/v1/inventory/digests", content=raw)
    assert (answer.status_code, bool(answer.json()["detail"])) == (400, True)


def test_only_nodes_send_digests(lasting_cloud: RunningCloud) -> None:
    with lasting_cloud.client(READ) as reader:
        assert reader.post("/api/v1/inventory/digests", content=body("1")).status_code == 401


def test_many_paths_of_a_host_are_folded_and_stay_what_they_were(cloud: RunningCloud, reader: httpx.Client) -> None:
    database = cloud.service.database
    for part in range(3):
        rows = [digest(f"/users/user{part}-{number}", hits=1) for number in range(1000)]
        take_digests(database, "n", str(part), rows, NOON)
        build_stale(database, NOON + part)
    (found,) = endpoints(reader)
    assert (found["path"], found["requests"]) == ("/users/{user_name}", 3000)
