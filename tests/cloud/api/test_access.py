from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select

from tcpmirror.cloud.schema import metadata
from tcpmirror.cloud.sign_in import FREE_FAILURES, SignIn
from tests.cloud.running import ADMIN, DEPLOY, PASSWORD, READ, RunningCloud


@pytest.fixture(scope="module")
def cloud(lasting_cloud: RunningCloud) -> RunningCloud:
    return lasting_cloud.with_account()


@pytest.fixture(autouse=True)
def nobody_is_locked(cloud: RunningCloud) -> None:
    cloud.service.sign_in = SignIn(cloud.service.database)


GOOD = {"user": "admin", "password": PASSWORD}


def test_session_cookie_opens_the_api_until_sign_out(cloud: RunningCloud) -> None:
    with cloud.client() as client:
        answer = client.post("/api/v1/session", json=GOOD)
        assert answer.json() == {"user": "admin", "role": "admin"}
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie and "SameSite=lax" in cookie
        assert client.get("/api/v1/attacks").status_code == 200
        kept = client.cookies["tcpmirror_session"]
        assert client.delete("/api/v1/session").status_code == 204
        assert client.get("/api/v1/attacks", headers={"Cookie": f"tcpmirror_session={kept}"}).status_code == 401


def test_wrong_password_and_unknown_name_are_answered_alike(cloud: RunningCloud) -> None:
    with cloud.client() as client:
        answers = [client.post("/api/v1/session", json=GOOD | wrong) for wrong in ({"password": "x"}, {"user": "x"})]
    assert [answer.status_code for answer in answers] == [401, 401]
    assert answers[0].json() == answers[1].json()
    assert "set-cookie" not in answers[0].headers


def test_guessing_is_locked_out(cloud: RunningCloud) -> None:
    with cloud.client() as client:
        for _ in range(FREE_FAILURES):
            assert client.post("/api/v1/session", json=GOOD | {"password": "x"}).status_code == 401
        locked = client.post("/api/v1/session", json=GOOD)
    assert locked.status_code == 429
    assert 0 < int(locked.headers["retry-after"]) <= 60


def test_token_is_made_by_an_administrator_and_works(cloud: RunningCloud) -> None:
    with cloud.client(ADMIN) as admin:
        made = admin.post("/api/v1/tokens", json={"name": "grafana", "role": "read"})
    assert made.status_code == 201
    with cloud.client(made.json()["token"]) as reader:
        assert reader.get("/api/v1/attacks").status_code == 200
        assert reader.post("/api/v1/tokens", json={"name": "more", "role": "admin"}).status_code == 403


@pytest.mark.parametrize(("token", "status"), [("", 401), ("x", 401), (DEPLOY, 403), (READ, 403)])
def test_others_make_no_tokens(cloud: RunningCloud, token: str, status: int) -> None:
    with cloud.client(token) as client:
        assert client.post("/api/v1/tokens", json={"name": "a", "role": "read"}).status_code == status


def test_no_secret_is_in_the_store(cloud: RunningCloud) -> None:
    with cloud.client(ADMIN) as admin, cloud.node() as node:
        made = admin.post("/api/v1/tokens", json={"name": "grafana", "role": "read"}).json()["token"]
        admin.post("/api/v1/session", json=GOOD)
        secrets = [
            made,
            PASSWORD,
            DEPLOY,
            admin.cookies["tcpmirror_session"],
            node.headers["authorization"].split(".", 1)[1],
        ]
    kept = stored_bytes(cloud)
    assert b"grafana" in kept and [secret for secret in secrets if secret.encode() in kept] == []


def stored_bytes(cloud: RunningCloud) -> bytes:
    """Return every value in the store, one after another, and with SQLite also the files as they are."""
    with cloud.service.database.reading() as connection:
        rows = [row for table in metadata.tables.values() for row in connection.execute(select(table))]
    values = [value if isinstance(value, bytes) else str(value).encode() for row in rows for value in row]
    files = [] if "://" in cloud.address else Path(cloud.address).parent.iterdir()
    return b"\0".join([*values, *(path.read_bytes() for path in files)])


BAD = {
    "no JSON": b"{",
    "no password": b'{"user": "admin"}',
    "lone surrogate": b'{"user": "\\ud800", "password": "x"}',
    "long name": b'{"user": "%s", "password": "x"}' % (b"a" * 100),
    "nested": b"[" * 100_000,
}


@pytest.mark.parametrize("content", BAD.values(), ids=BAD.keys())
def test_odd_sign_in_is_refused_not_crashed(cloud: RunningCloud, content: bytes) -> None:
    with cloud.client() as client:
        answer = client.post("/api/v1/session", content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 422)


def test_refusal_does_not_repeat_what_was_sent(cloud: RunningCloud) -> None:
    with cloud.client() as client:
        answer = client.post("/api/v1/session", json={"user": "a" * 100, "password": "p4ssw0rd"})
    assert answer.status_code == 422 and "p4ssw0rd" not in answer.text and "aaaa" not in answer.text
