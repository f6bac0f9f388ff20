from __future__ import annotations

import contextlib
import gzip
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import orjson
import pytest
import zstandard
from sqlalchemy import func, select

from tcpmirror.cloud.api.ingestion import BATCHES_AT_ONCE
from tcpmirror.cloud.schema import hits, nodes, reports
from tests.cloud.running import ADMIN, DEPLOY, READ, RunningCloud, report, until


def body(name: str, *of: object) -> bytes:
    return orjson.dumps({"batch_id": name, "reports": list(of)})


def test_node_registers_and_reports(cloud: RunningCloud) -> None:
    with cloud.node() as node:
        answer = node.post(
            "/api/v1/batches", content=gzip.compress(body("a", report(1), 7)), headers={"Content-Encoding": "gzip"}
        )
        assert answer.status_code == 200
        assert answer.json() == {
            "batch_id": "a",
            "accepted": 1,
            "duplicate": False,
            "quarantined": [{"index": 1, "reason": answer.json()["quarantined"][0]["reason"]}],
        }
        again = node.post(
            "/api/v1/batches", content=zstandard.compress(body("a", report(1), 7)), headers={"Content-Encoding": "zstd"}
        )
        assert again.json() == answer.json() | {"duplicate": True}
    assert cloud.service.counters.snapshot() | {
        "batches": 2, "duplicate_batches": 1, "reports": 1, "quarantined": 1, "rejected": 0
    } == cloud.service.counters.snapshot()  # fmt: skip


def test_answer_comes_after_the_commit(cloud: RunningCloud) -> None:
    with cloud.node() as node:
        for number in range(20):
            node.post("/api/v1/batches", content=body(str(number), report(number))).raise_for_status()
            with cloud.service.database.reading() as connection:
                assert connection.execute(select(func.count()).select_from(reports)).scalar_one() == number + 1


@pytest.mark.parametrize("token", ["", "wrong", READ, ADMIN], ids=["none", "wrong", "read", "admin"])
def test_registering_needs_a_deploy_token(lasting_cloud: RunningCloud, token: str) -> None:
    with lasting_cloud.client(token) as client:
        expected = 403 if token in (READ, ADMIN) else 401
        assert client.post("/api/v1/nodes/register", json={"name": "a"}).status_code == expected


BAD_CREDENTIALS = {
    "none": "",
    "deploy token": DEPLOY,
    "admin token": ADMIN,
    "no secret": "0" * 32 + ".",
    "dot": ".",
    "unknown node": "0" * 32 + ".secret",
}


@pytest.mark.parametrize("credential", BAD_CREDENTIALS.values(), ids=BAD_CREDENTIALS.keys())
def test_batches_need_a_node_credential(lasting_cloud: RunningCloud, credential: str) -> None:
    with lasting_cloud.client(credential) as client:
        assert client.post("/api/v1/batches", content=body("a")).status_code == 401
        assert client.post("/api/v1/nodes/heartbeat", json={"stats": {}}).status_code == 401


def test_secret_of_another_node_does_not_fit(lasting_cloud: RunningCloud) -> None:
    with lasting_cloud.node() as one, lasting_cloud.node() as two:
        mixed = one.headers["authorization"].split(".")[0] + "." + two.headers["authorization"].split(".", 1)[1]
        assert one.post("/api/v1/batches", content=body("a"), headers={"Authorization": mixed}).status_code == 401


REFUSED = {
    "not JSON": (b"{", {}, 400),
    "cut gzip": (gzip.compress(body("a"))[:-3], {"Content-Encoding": "gzip"}, 400),
    "unknown coding": (b"x", {"Content-Encoding": "br"}, 400),
    "bomb": (gzip.compress(bytes(40 * 1024 * 1024)), {"Content-Encoding": "gzip"}, 413),
    "zstd bomb": (zstandard.compress(bytes(40 * 1024 * 1024)), {"Content-Encoding": "zstd"}, 413),
}


@pytest.mark.parametrize(("content", "headers", "status"), REFUSED.values(), ids=REFUSED.keys())
def test_bad_batch_is_refused(lasting_cloud: RunningCloud, content: bytes, headers: dict[str, str], status: int) -> None:
    rejected = lasting_cloud.service.counters.get("rejected")
    with lasting_cloud.node() as node:
        answer = node.post("/api/v1/batches", content=content, headers=headers)
        assert (answer.status_code, "detail" in answer.json()) == (status, True)
        assert node.post("/api/v1/batches", content=body("after", report(1))).status_code == 200
    assert lasting_cloud.service.counters.get("rejected") == rejected + 1


def test_endless_body_is_cut_off(cloud: RunningCloud) -> None:
    def endless():
        for _ in range(200):
            yield bytes(1024 * 1024)

    with cloud.node() as node:
        with contextlib.suppress(httpx.WriteError):  # the server may answer and close before all is sent
            assert node.post("/api/v1/batches", content=endless()).status_code == 413
        assert node.post("/api/v1/batches", content=body("after", report(1))).status_code == 200


def test_more_batches_at_once_than_can_be_held_are_sent_away_and_told_when_to_come(cloud: RunningCloud) -> None:
    go_on, asked = threading.Event(), threading.Semaphore(0)
    senders = 2 * BATCHES_AT_ONCE  # more than are held: one that comes while `other` has a place takes none

    def slow(name: str):
        yield body(name, report(1))[:5]
        asked.release()
        go_on.wait(60)
        yield body(name, report(1))[5:]

    with cloud.node() as node, ThreadPoolExecutor(senders) as pool:
        held = [pool.submit(node.post, "/api/v1/batches", content=slow(str(number))) for number in range(senders)]
        assert all(asked.acquire(timeout=30) for _ in held)
        with cloud.client() as other:
            refused = until(
                lambda: (
                    (answer := other.post("/api/v1/batches", content=body("x"), headers=dict(node.headers))).status_code
                    == 429
                    and answer
                )
            )
        assert refused.headers["retry-after"] == "1"
        go_on.set()
        answers = [one.result().status_code for one in held]
        assert set(answers) == {200, 429} and answers.count(200) >= BATCHES_AT_ONCE
        assert node.post("/api/v1/batches", content=body("x", report(2))).status_code == 200


def test_many_nodes_at_once_lose_and_double_nothing(cloud: RunningCloud) -> None:
    def send(first: int) -> None:
        with cloud.node() as node:
            for number in range(first, first + 50, 10):
                content = body(f"b{number}", *(report(each) for each in range(number, number + 12)))
                until(lambda content=content: node.post("/api/v1/batches", content=content).status_code == 200)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(send, [0, 0, 50, 100, 100, 150]))
    with cloud.service.database.reading() as connection:
        assert connection.execute(select(func.count()).select_from(reports)).scalar_one() == 202
        assert connection.execute(select(func.count()).select_from(hits)).scalar_one() == 202


def test_heartbeat_is_stored(cloud: RunningCloud) -> None:
    with cloud.node() as node:
        assert node.post("/api/v1/nodes/heartbeat", json={"stats": {"packets": 5}}).status_code == 204
    with cloud.service.database.reading() as connection:
        row = connection.execute(select(nodes)).one()
    assert row.stats == {"packets": 5}


BAD_STATS = {
    "too large": (b'{"stats": {"a": "%s"}}' % (b"x" * 70_000), 413),
    "lone surrogate": (b'{"stats": {"a": "\\ud800"}}', 400),
    "nested deeply": (b'{"stats": {"a": %s}}' % (b"[" * 300 + b"]" * 300), 400),
    "nested very deeply": (b'{"stats": {"a": %s}}' % (b"[" * 100_000 + b"]" * 100_000), 400),
    "a list": (b'{"stats": []}', 422),
}


@pytest.mark.parametrize(("content", "status"), BAD_STATS.values(), ids=BAD_STATS.keys())
def test_bad_heartbeat_is_refused(lasting_cloud: RunningCloud, content: bytes, status: int) -> None:
    with lasting_cloud.node() as node:
        answer = node.post("/api/v1/nodes/heartbeat", content=content, headers={"Content-Type": "application/json"})
        assert answer.status_code == status
