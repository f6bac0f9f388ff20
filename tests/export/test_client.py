from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tcpmirror.errors import EnvironmentFault
from tcpmirror.export.client import BatchRefusedError, CloudClient, CloudError, Identity, Receipt, UnauthorizedError
from tcpmirror.export.wire import wire_batch, wire_report
from tests.export import cloud as answers
from tests.export.cloud import TOKEN, TestCloud
from tests.export.reports import EXAMPLE

IDENTITY = Identity("sensor-1", "edge", "0.1", "tcp-capture", "sensor-1")


def client_of(url: str, directory: Path, token: str = TOKEN, timeout_s: float = 5.0) -> CloudClient:
    return CloudClient(
        url=url, token=token, identity=IDENTITY, credential_path=directory / "node.json", timeout_s=timeout_s, direct=True
    )


@pytest.fixture
def client(cloud: TestCloud, tmp_path: Path) -> Iterator[CloudClient]:
    made = client_of(cloud.url, tmp_path, timeout_s=0.5)
    yield made
    made.close()


BODY = wire_batch("b1", (wire_report(EXAMPLE),))


def test_a_new_node_registers_and_its_batch_is_stored(cloud: TestCloud, client: CloudClient) -> None:
    assert client.send("b1", BODY) == Receipt(accepted=1, duplicate=False, quarantined=0)
    assert [node["group"] for node in cloud.nodes.values()] == ["edge"]
    assert cloud.stored[EXAMPLE.id]["findings"][0]["type"] == "sqli"


def test_the_same_batch_again_is_a_duplicate(client: CloudClient) -> None:
    client.send("b1", BODY)
    assert client.send("b1", BODY).duplicate


def test_credentials_outlive_the_process_and_are_private(cloud: TestCloud, tmp_path: Path) -> None:
    client_of(cloud.url, tmp_path).send("b1", BODY)
    client_of(cloud.url, tmp_path, token="no longer valid").send("b2", wire_batch("b2", ()))
    assert len(cloud.nodes) == 1
    assert (tmp_path / "node.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("stored", [b"", b"[]", b"{}", b"\xff"], ids=["empty", "array", "no fields", "no text"])
def test_unreadable_credentials_mean_a_new_registration(cloud: TestCloud, tmp_path: Path, stored: bytes) -> None:
    (tmp_path / "node.json").write_bytes(stored)
    assert client_of(cloud.url, tmp_path).send("b1", BODY).accepted == 1


def test_credentials_of_another_cloud_are_not_shown_to_this_one(cloud: TestCloud, tmp_path: Path) -> None:
    stored = {"url": "http://elsewhere.example", "node_id": "n", "secret": "s"}
    (tmp_path / "node.json").write_text(json.dumps(stored))
    client_of(cloud.url, tmp_path).send("b1", BODY)
    assert [path for path, _ in cloud.calls] == ["/api/v1/nodes/register", "/api/v1/batches"]


def test_a_node_the_cloud_forgot_registers_again_once(cloud: TestCloud, tmp_path: Path) -> None:
    client_of(cloud.url, tmp_path).send("b1", BODY)
    cloud.forget_nodes()
    restarted = client_of(cloud.url, tmp_path)
    assert restarted.send("b2", wire_batch("b2", ())).accepted == 0
    cloud.forget_nodes()
    with pytest.raises(UnauthorizedError):
        restarted.send("b3", wire_batch("b3", ()))
    assert not cloud.nodes


def test_a_cloud_that_forgets_at_once_does_not_fill_with_nodes(cloud: TestCloud, client: CloudClient) -> None:
    cloud.forgetful = True
    for _ in range(5):
        with pytest.raises(UnauthorizedError):
            client.send("b1", BODY)
    assert [path for path, _ in cloud.calls].count("/api/v1/nodes/register") == 1


def test_a_wrong_token_names_the_setting(cloud: TestCloud, tmp_path: Path) -> None:
    with pytest.raises(UnauthorizedError, match=r"cloud\.token"):
        client_of(cloud.url, tmp_path, token="wrong").send("b1", BODY)


def test_a_token_that_fits_no_header_is_a_cloud_error(cloud: TestCloud, tmp_path: Path) -> None:
    for token in ("schlüssel", "two\nlines"):
        with pytest.raises(CloudError):
            client_of(cloud.url, tmp_path, token=token).send("b1", BODY)


def test_a_heartbeat_carries_the_totals(cloud: TestCloud, client: CloudClient) -> None:
    client.heartbeat({"worker_exchanges": 5})
    assert cloud.heartbeats == [{"worker_exchanges": 5}]


LATER = {
    "server error": answers.status(500),
    "bad gateway": answers.status(502),
    "forbidden": answers.status(403),
    "not found": answers.status(404),
    "redirect": answers.status(302, Location="http://elsewhere.example/"),
    "captive portal": answers.garbage,
    "receipt for another batch": answers.wrong_receipt,
    "not HTTP": answers.not_http,
    "connection reset": answers.reset,
    "endless answer": answers.endless,
    "silence": answers.silent(3.0),
    "empty answer": answers.status(204),
}


@pytest.mark.parametrize("answer", LATER.values(), ids=LATER.keys())
def test_what_is_no_receipt_is_tried_again_later(cloud: TestCloud, client: CloudClient, answer: object) -> None:
    client.heartbeat({})
    cloud.scripted.append(answer)
    with pytest.raises(CloudError) as caught:
        client.send("b1", BODY)
    assert caught.value.connected
    assert client.send("b1", BODY).accepted == 1


@pytest.mark.parametrize("code", [400, 413, 415, 422])
def test_a_batch_that_will_never_be_taken_is_refused(cloud: TestCloud, client: CloudClient, code: int) -> None:
    client.heartbeat({})
    cloud.scripted.append(answers.status(code))
    with pytest.raises(BatchRefusedError, match=str(code)):
        client.send("b1", BODY)


RETRY_AFTER = {"7": 7.0, "999999": 3600.0, "Wed, 21 Oct 2026 07:28:00 GMT": None, "-1": None, "١": None, "": None}


@pytest.mark.parametrize(
    ("value", "expected"), RETRY_AFTER.items(), ids=["seconds", "too many", "date", "negative", "arabic", "empty"]
)
def test_retry_after_is_believed_within_reason(
    cloud: TestCloud, client: CloudClient, value: str, expected: float | None
) -> None:
    client.heartbeat({})
    cloud.scripted.append(lambda call: call.answer(429, {}, {"Retry-After": value.encode().decode("latin-1")}))
    with pytest.raises(CloudError) as caught:
        client.send("b1", BODY)
    assert caught.value.retry_after_s == expected


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


UNREACHABLE = {
    "refused": f"http://127.0.0.1:{free_port()}",
    "no such name": "http://no-such-host.invalid",
    "no URL": "http://[",
    "unknown scheme": "gopher://127.0.0.1",
}


@pytest.mark.parametrize("url", UNREACHABLE.values(), ids=UNREACHABLE.keys())
def test_nobody_there_is_told_apart(tmp_path: Path, url: str) -> None:
    with pytest.raises(CloudError) as caught:
        client_of(url, tmp_path).send("b1", BODY)
    assert not caught.value.connected


def test_a_plain_server_behind_https_is_an_error_of_the_connection(cloud: TestCloud, tmp_path: Path) -> None:
    with pytest.raises(CloudError):
        client_of(cloud.url.replace("http:", "https:"), tmp_path).send("b1", BODY)


def test_unusable_proxy_variables_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "nonsense://proxy:1")
    with pytest.raises(EnvironmentFault, match="proxy"):
        CloudClient(url="https://cloud.example", token="", identity=IDENTITY, credential_path=tmp_path / "node.json")


def test_a_cloud_on_this_machine_is_reached_past_any_proxy(
    cloud: TestCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    assert client_of(cloud.url, tmp_path).send("b1", BODY).accepted == 1
