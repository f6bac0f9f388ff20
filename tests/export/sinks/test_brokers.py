"""Kafka against librdkafka's own mock cluster, JetStream against a real nats-server, S3 against moto's server."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import nats
import pytest
from confluent_kafka import Consumer, Producer
from moto.server import ThreadedMotoServer

from tcpmirror.export.delivery import DeliveryError, RefusedError
from tcpmirror.export.sinks.hit import Hit
from tcpmirror.export.sinks.opening import open_sink
from tcpmirror.settings import tree

MakeSink = Callable[..., tree.Sink]


@pytest.fixture
def kafka() -> Iterator[str]:
    """The address of a broker that speaks Kafka's protocol."""
    cluster = Producer({"bootstrap.servers": "mock", "test.mock.num.brokers": 1, "log_level": 0})
    (broker,) = cluster.list_topics(timeout=10).brokers.values()
    yield f"{broker.host}:{broker.port}"
    cluster.flush(0)


def test_kafka_keeps_each_hit_under_the_id_of_its_request(kafka: str, hits: list[Hit], sink_settings: MakeSink) -> None:
    sink = open_sink(sink_settings("kafka", url=kafka, target="hits"), "0.1")
    sink.send("b1", hits)
    sink.close()
    consumer = Consumer({"bootstrap.servers": kafka, "group.id": "test", "auto.offset.reset": "earliest", "log_level": 0})
    consumer.subscribe(["hits"])
    found: dict[str, str] = {}
    until_s = time.monotonic() + 60
    while len(found) < 3 and time.monotonic() < until_s:
        read = consumer.poll(0.2)
        if read is not None and read.error() is None:
            found[json.loads(read.value())["id"]] = read.key().decode()
    consumer.close()
    assert found == {hit.id: hit.report.id for hit in hits}


def test_a_kafka_that_is_away_is_told(hits: list[Hit], free_port: int) -> None:
    settings = tree.Sink(name="k", type="kafka", url=f"127.0.0.1:{free_port}", target="hits", timeout_s=0.5)
    with pytest.raises(DeliveryError) as caught:
        open_sink(settings, "0.1").send("b1", hits)
    assert caught.value.reason in ("timeout", "broken", "server")


def test_a_message_too_large_for_kafka_is_refused(kafka: str, hits: list[Hit]) -> None:
    options = (("message.max.bytes", "1000"),)
    settings = tree.Sink(name="k", type="kafka", url=kafka, target="hits", headers=options, timeout_s=5.0)
    large = Hit(hits[0].report.__class__(**fields(hits[0]) | {"uri": "/" + 2000 * "x"}), 0)
    with pytest.raises(RefusedError):
        open_sink(settings, "0.1").send("b1", [large])


def fields(hit: Hit) -> dict[str, Any]:
    return {name: getattr(hit.report, name) for name in hit.report.__slots__}


@pytest.fixture
def nats_server(tmp_path: Path, free_port: int, request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a nats-server with JetStream and a stream for `tcpmirror.*`."""
    command = shutil.which("nats-server", path="/usr/sbin:/usr/bin:/usr/local/bin")
    if command is None:
        if request.config.getoption("--complete"):
            pytest.fail("nats-server is not installed")
        pytest.skip("nats-server is not installed")
    options = ["-js", "-a", "127.0.0.1", "-p", str(free_port), "-sd", str(tmp_path), "-auth", "s3cret"]
    with (tmp_path / "log").open("wb") as log, subprocess.Popen([command, *options], stdout=log, stderr=log) as running:
        until_s = time.monotonic() + 60
        while socket.socket().connect_ex(("127.0.0.1", free_port)):
            assert time.monotonic() < until_s
            time.sleep(0.01)
        url = f"nats://127.0.0.1:{free_port}"
        asyncio.run(with_stream(url, lambda stream: stream.add_stream(name="HITS", subjects=["tcpmirror.*"])))
        yield url
        running.terminate()


async def with_stream(url: str, what: Callable[[Any], Any]) -> Any:
    connection = await nats.connect(url, token="s3cret")
    try:
        return await what(connection.jetstream())
    finally:
        await connection.close()


def test_jetstream_stores_each_hit_once_however_often_it_comes(
    nats_server: str, hits: list[Hit], sink_settings: MakeSink
) -> None:
    sink = open_sink(sink_settings("nats", url=nats_server, target="tcpmirror.hits", token="s3cret"), "0.1")
    sink.send("b1", hits)
    sink.send("b1", hits)
    info = asyncio.run(with_stream(nats_server, lambda stream: stream.stream_info("HITS")))
    assert info.state.messages == 3
    first = asyncio.run(with_stream(nats_server, lambda stream: stream.get_msg("HITS", 1)))
    assert json.loads(first.data)["id"] == hits[0].id


NATS_FAULTS = {"a wrong token": {"token": "wrong"}, "no stream listens": {"target": "elsewhere", "token": "s3cret"}}


@pytest.mark.parametrize("changes", NATS_FAULTS.values(), ids=NATS_FAULTS.keys())
def test_what_jetstream_does_not_acknowledge_is_tried_again(
    nats_server: str, hits: list[Hit], sink_settings: MakeSink, changes: dict[str, str]
) -> None:
    with pytest.raises(DeliveryError):
        open_sink(sink_settings("nats", url=nats_server, **{"target": "tcpmirror.hits"} | changes), "0.1").send("b1", hits)


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of a server that speaks S3 and has the bucket `security`."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    client(url).create_bucket(Bucket="security")
    yield url
    server.stop()


def client(url: str) -> Any:
    return boto3.client("s3", endpoint_url=url, aws_access_key_id="key", aws_secret_access_key="secret")


def test_s3_gets_an_object_a_batch_which_replaces_itself(s3: str, hits: list[Hit], sink_settings: MakeSink) -> None:
    sink = open_sink(sink_settings("s3", url=s3, target="security/sensor-1", token="key:secret"), "0.1")
    sink.send("b1", hits)
    sink.send("b1", hits)
    sink.close()
    (found,) = client(s3).list_objects_v2(Bucket="security")["Contents"]
    assert found["Key"] == "sensor-1/hitlogs-20231114T221320Z-b1.jsonl"
    body = client(s3).get_object(Bucket="security", Key=found["Key"])["Body"].read()
    assert [json.loads(line)["id"] for line in body.splitlines()] == [hit.id for hit in hits]


def test_a_bucket_that_is_not_there_and_a_server_that_is_not_are_told(
    s3: str, hits: list[Hit], sink_settings: MakeSink, free_port: int
) -> None:
    with pytest.raises(DeliveryError, match="NoSuchBucket"):
        open_sink(sink_settings("s3", url=s3, target="missing", token="key:secret"), "0.1").send("b1", hits)
    away = sink_settings("s3", url=f"http://127.0.0.1:{free_port}", target="security", token="key:secret")
    with pytest.raises(DeliveryError) as caught:
        open_sink(away, "0.1").send("b1", hits)
    assert caught.value.reason == "connect"
