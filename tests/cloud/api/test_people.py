from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from tcpmirror.cloud.housekeeping import turn
from tcpmirror.cloud.sign_in import SignIn
from tests.cloud.running import ADMIN, ANALYST, DEPLOY, PASSWORD, READ, RunningCloud

NEW = "another long password"


@pytest.fixture(scope="module")
def cloud(lasting_cloud: RunningCloud) -> RunningCloud:
    return lasting_cloud.with_account()


@pytest.fixture(autouse=True)
def nobody_is_locked(cloud: RunningCloud) -> None:
    cloud.service.sign_in = SignIn(cloud.service.database)


@contextmanager
def signed_in(cloud: RunningCloud, name: str, password: str) -> Iterator[httpx.Client]:
    with cloud.client() as client:
        assert client.post("/api/v1/session", json={"user": name, "password": password}).status_code == 200
        yield client


def made(cloud: RunningCloud, name: str, role: str) -> int:
    with cloud.client(ADMIN) as admin:
        answer = admin.post("/api/v1/accounts", json={"name": name, "role": role, "password": PASSWORD})
    assert answer.status_code == 201
    return int(answer.json()["id"])


def test_person_is_made_changed_disabled_and_removed(cloud: RunningCloud) -> None:
    number = made(cloud, "maria", "read")
    with cloud.client(ADMIN) as admin, signed_in(cloud, "maria", PASSWORD) as maria:
        assert maria.get("/api/v1/session").json() == {"user": "maria", "role": "read"}
        assert maria.get("/api/v1/accounts").status_code == 403
        assert admin.patch(f"/api/v1/accounts/{number}", json={"role": "admin"}).status_code == 204
        assert maria.get("/api/v1/session").status_code == 401
        with signed_in(cloud, "maria", PASSWORD) as again:
            assert again.get("/api/v1/accounts").status_code == 200
        assert admin.patch(f"/api/v1/accounts/{number}", json={"disabled": True}).status_code == 204
        refused = maria.post("/api/v1/session", json={"user": "maria", "password": PASSWORD})
        assert refused.status_code == 401
        assert admin.delete(f"/api/v1/accounts/{number}").status_code == 204
        assert admin.delete(f"/api/v1/accounts/{number}").status_code == 404
        names = [one["name"] for one in admin.get("/api/v1/accounts").json()["accounts"]]
    assert names == ["admin"]


def test_own_password_is_changed_and_only_this_session_goes_on(cloud: RunningCloud) -> None:
    number = made(cloud, "peter", "analyst")
    with signed_in(cloud, "peter", PASSWORD) as here, signed_in(cloud, "peter", PASSWORD) as elsewhere:
        wrong = here.put("/api/v1/session/password", json={"current": "wrong", "new": NEW})
        assert wrong.status_code == 400
        assert here.put("/api/v1/session/password", json={"current": PASSWORD, "new": NEW}).status_code == 204
        assert [client.get("/api/v1/session").status_code for client in (here, elsewhere)] == [200, 401]
        with signed_in(cloud, "peter", NEW) as later:
            assert later.get("/api/v1/session").json()["role"] == "analyst"
    with cloud.client(ADMIN) as admin:
        assert admin.put("/api/v1/session/password", json={"current": "x", "new": NEW}).status_code == 400
        admin.delete(f"/api/v1/accounts/{number}")


def test_sessions_are_listed_and_revoked(cloud: RunningCloud) -> None:
    number = made(cloud, "nina", "read")
    with (
        signed_in(cloud, "nina", PASSWORD) as here,
        signed_in(cloud, "nina", PASSWORD) as other,
        cloud.client(ADMIN) as admin,
    ):
        own = here.get("/api/v1/sign-ins").json()["sessions"]
        assert [(one["account"], one["address"], one["current"]) for one in own] == [
            ("nina", "127.0.0.1", False), ("nina", "127.0.0.1", True)
        ]  # fmt: skip
        assert own[0]["browser"].startswith("python-httpx")
        assert len(admin.get("/api/v1/sign-ins").json()["sessions"]) >= 2
        assert here.delete(f"/api/v1/sign-ins/{own[0]['id']}").status_code == 204
        assert [client.get("/api/v1/session").status_code for client in (here, other)] == [200, 401]
        with signed_in(cloud, "admin", PASSWORD) as someone:
            theirs = next(one for one in someone.get("/api/v1/sign-ins").json()["sessions"] if one["current"])
            assert here.delete(f"/api/v1/sign-ins/{theirs['id']}").status_code == 404
            assert someone.delete(f"/api/v1/sign-ins/{own[1]['id']}").status_code == 204
        assert here.get("/api/v1/session").status_code == 401
        admin.delete(f"/api/v1/accounts/{number}")


def test_token_is_listed_with_its_use_and_revoked(cloud: RunningCloud) -> None:
    with cloud.client(ADMIN) as admin:
        token = admin.post("/api/v1/tokens", json={"name": "grafana", "role": "read"}).json()["token"]
        with cloud.client(token) as reader:
            assert reader.get("/api/v1/attacks").status_code == 200
            turn(cloud.service)
            listed = admin.get("/api/v1/tokens").json()["tokens"]
            shown = next(one for one in listed if one["name"] == "grafana")
            assert (shown["role"], shown["created_by"], shown["last_used_time"] is not None) == (
                "read",
                "token test admin",
                True,
            )
            assert token not in str(listed)
            assert admin.delete(f"/api/v1/tokens/{shown['id']}").status_code == 204
            assert admin.delete(f"/api/v1/tokens/{shown['id']}").status_code == 404
            assert reader.get("/api/v1/attacks").status_code == 401


def test_token_past_its_time_is_not_valid(cloud: RunningCloud) -> None:
    wish = {"name": "short-lived", "role": "read", "expires_time": "2020-01-01T00:00:00Z"}
    with cloud.client(ADMIN) as admin, cloud.client(admin.post("/api/v1/tokens", json=wish).json()["token"]) as late:
        assert late.get("/api/v1/attacks").status_code == 401


def test_changes_are_in_the_audit_log_with_who_what_when_and_where(cloud: RunningCloud) -> None:
    number = made(cloud, "olga", "read")
    with cloud.client(ADMIN) as admin:
        admin.delete(f"/api/v1/accounts/{number}")
        page = admin.get("/api/v1/audit", params={"object": "olga", "limit": 1}).json()
        (entry,) = page["entries"]
        assert (entry["actor"], entry["address"], entry["action"]) == ("token test admin", "127.0.0.1", "account.remove")
        older = admin.get("/api/v1/audit", params={"object": "olga", "limit": 1, "before": page["next_before"]}).json()
        assert [(one["action"], one["details"]) for one in older["entries"]] == [("account.create", {"role": "read"})]
        assert older["next_before"] is None


def test_lock_out_is_in_the_audit_log(cloud: RunningCloud) -> None:
    with cloud.client(ADMIN) as admin:
        for _ in range(5):
            admin.post("/api/v1/session", json={"user": "guessed", "password": "x"})
        entries = admin.get("/api/v1/audit", params={"action": "session.lock"}).json()["entries"]
    assert [(one["object"], one["address"]) for one in entries] == [("guessed", "127.0.0.1")]


CALLS = {
    "list accounts": ("GET", "/api/v1/accounts"),
    "make an account": ("POST", "/api/v1/accounts"),
    "change an account": ("PATCH", "/api/v1/accounts/1"),
    "remove an account": ("DELETE", "/api/v1/accounts/1"),
    "list tokens": ("GET", "/api/v1/tokens"),
    "revoke a token": ("DELETE", "/api/v1/tokens/1"),
    "read the audit log": ("GET", "/api/v1/audit"),
}


@pytest.mark.parametrize(("verb", "path"), CALLS.values(), ids=CALLS.keys())
def test_only_administrators_manage_access(cloud: RunningCloud, verb: str, path: str) -> None:
    statuses = []
    for token in ("", DEPLOY, READ, ANALYST):
        with cloud.client(token) as client:
            statuses.append(client.request(verb, path, json={} if verb in ("POST", "PATCH") else None).status_code)
    assert statuses == [401, 403, 403, 403]


BAD_ACCOUNTS = {
    "name taken": ({"name": "admin"}, 409),
    "deploy is for machines": ({"role": "deploy"}, 422),
    "unknown role": ({"role": "root"}, 422),
    "short password": ({"password": "short"}, 422),
    "empty name": ({"name": ""}, 422),
    "NUL in the name": ({"name": "a\0b"}, 422),
    "space around the name": ({"name": " a"}, 422),
    "long name": ({"name": "a" * 65}, 422),
}


@pytest.mark.parametrize(("change", "status"), BAD_ACCOUNTS.values(), ids=BAD_ACCOUNTS.keys())
def test_bad_account_is_refused(cloud: RunningCloud, change: dict[str, str], status: int) -> None:
    with cloud.client(ADMIN) as admin:
        wish = {"name": "new", "role": "read", "password": PASSWORD} | change
        answer = admin.post("/api/v1/accounts", json=wish)
    assert answer.status_code == status and PASSWORD not in answer.text
