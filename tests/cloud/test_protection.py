from __future__ import annotations

import pytest

from tests.cloud.running import ADMIN, PASSWORD, RunningCloud


@pytest.fixture(scope="module")
def cloud(lasting_cloud: RunningCloud) -> RunningCloud:
    return lasting_cloud.with_account()


@pytest.mark.parametrize("path", ["/api/v1/attacks", "/api/docs", "/api/openapi.json", "/nothing"])
def test_every_answer_carries_the_headers(cloud: RunningCloud, path: str) -> None:
    with cloud.client() as client:
        headers = client.get(path).headers
    assert headers["x-frame-options"] == "DENY"
    assert headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "server" not in headers


FOREIGN = ["http://evil.example", "null", "http://127.0.0.1", "http://127.0.0.1.evil.example:80", "https://localhost"]


@pytest.mark.parametrize("origin", FOREIGN)
def test_other_sites_change_nothing(cloud: RunningCloud, origin: str) -> None:
    with cloud.client(ADMIN) as client:
        answer = client.post("/api/v1/tokens", json={"name": "a", "role": "read"}, headers={"Origin": origin})
        assert answer.status_code == 403
        signed_in = client.post("/api/v1/session", json={"user": "admin", "password": PASSWORD}, headers={"Origin": origin})
        assert "set-cookie" not in signed_in.headers


def test_own_pages_may(cloud: RunningCloud) -> None:
    with cloud.client(ADMIN) as client:
        made = client.post("/api/v1/tokens", json={"name": "a", "role": "read"}, headers={"Origin": cloud.url})
    assert made.status_code == 201


def test_large_bodies_are_refused_before_anyone_is_asked_who_they_are(cloud: RunningCloud) -> None:
    with cloud.client() as client:
        declared = client.post("/api/v1/session", content=bytes(2 * 1024 * 1024))
        chunked = client.post("/api/v1/session", content=(bytes(64 * 1024) for _ in range(40)))
    assert [declared.status_code, chunked.status_code] == [413, 413]
