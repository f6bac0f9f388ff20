from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tcpmirror.export.delivery import DeliveryError, RefusedError
from tcpmirror.export.sinks.hit import Hit
from tcpmirror.export.sinks.opening import open_sink
from tcpmirror.settings import tree
from tests.export.sinks.conftest import WebServer

MakeSink = Callable[..., tree.Sink]


def sent(web: WebServer, settings: tree.Sink, hits: list[Hit]) -> tuple[str, dict[str, str], bytes]:
    sink = open_sink(settings, "0.1")
    sink.send("b1", hits)
    sink.close()
    return web.calls[-1]


def test_a_webhook_gets_an_array_of_notifications(web: WebServer, hits: list[Hit], sink_settings: MakeSink) -> None:
    settings = sink_settings("webhook", url=f"{web.url}/hook?a=1", token="t0ken", headers=(("X-Tenant", "7"),))
    path, headers, body = sent(web, settings, hits)
    assert path == "/hook?a=1"
    assert (headers["Authorization"], headers["X-Tenant"]) == ("Bearer t0ken", "7")
    assert [each["details"]["hit"]["id"][1] for each in json.loads(body)] == ["0", "1", "0"]


def test_slack_gets_text_without_links_and_mentions(web: WebServer, hits: list[Hit], sink_settings: MakeSink) -> None:
    _, _, body = sent(web, sink_settings("slack", url=web.url), hits)
    text = json.loads(body)["text"]
    assert text.splitlines()[0] == "*tcpmirror*: 3 new hits"
    assert len(text.splitlines()) == 4
    assert "<" not in text


def test_teams_gets_a_card(web: WebServer, hits: list[Hit], sink_settings: MakeSink) -> None:
    _, _, body = sent(web, sink_settings("teams", url=web.url), hits * 10)
    (attachment,) = json.loads(body)["attachments"]
    card = attachment["content"]
    assert (card["type"], card["version"]) == ("AdaptiveCard", "1.4")
    assert len(card["body"][1]["facts"]) == 20
    assert card["body"][2]["text"] == "and 10 more"


BULK = b'{"errors":false,"items":[{"index":{"status":201}},{"index":{"status":200}},{"index":{"status":201}}]}'


def test_elasticsearch_gets_a_bulk_request_with_ids(web: WebServer, hits: list[Hit], sink_settings: MakeSink) -> None:
    web.answer = BULK
    settings = sink_settings("elasticsearch", url=web.url, target="tcpmirror-hits", token="k3y")
    path, headers, body = sent(web, settings, hits)
    lines = [json.loads(line) for line in body.splitlines()]
    assert (path, headers["Authorization"], headers["Content-Type"]) == ("/_bulk", "ApiKey k3y", "application/x-ndjson")
    assert lines[0] == {"index": {"_index": "tcpmirror-hits", "_id": hits[0].id}}
    assert [line["_id"] for line in (each["index"] for each in lines[::2])] == [hit.id for hit in hits]
    assert lines[1]["@timestamp"] == "2023-11-14T22:13:20.000+00:00"
    assert body.endswith(b"\n")


BULK_FAULTS = {
    "one is throttled": (b'{"errors":true,"items":[{"index":{"status":201}},{"index":{"status":429}}]}', DeliveryError),
    "one is refused": (b'{"errors":true,"items":[{"index":{"status":400,"error":{"type":"mapper"}}}]}', RefusedError),
    "no items": (b'{"took":3}', DeliveryError),
    "no JSON": (b"<html>", DeliveryError),
}


@pytest.mark.parametrize(("answer", "error"), BULK_FAULTS.values(), ids=BULK_FAULTS.keys())
def test_a_bulk_answer_is_read_item_by_item(
    web: WebServer, hits: list[Hit], sink_settings: MakeSink, answer: bytes, error: type[Exception]
) -> None:
    web.answer = answer
    with pytest.raises(error):
        sent(web, sink_settings("elasticsearch", url=web.url, target="hits"), hits)


def test_splunk_gets_events(web: WebServer, hits: list[Hit], sink_settings: MakeSink) -> None:
    web.answer = b'{"text":"Success","code":0}'
    settings = sink_settings("splunk", url=web.url, target="security", token="t")
    path, headers, body = sent(web, settings, hits[:1])
    event = json.loads(body)
    assert (path, headers["Authorization"]) == ("/services/collector/event", "Splunk t")
    assert (event["index"], event["sourcetype"], event["event"]["id"]) == ("security", "tcpmirror:hit", hits[0].id)
    web.answer = b'{"text":"Server is busy","code":9}'
    with pytest.raises(DeliveryError, match="busy"):
        sent(web, settings, hits[:1])


ANSWERS = {
    400: RefusedError,
    413: RefusedError,
    401: DeliveryError,
    403: DeliveryError,
    429: DeliveryError,
    500: DeliveryError,
    302: DeliveryError,
}


@pytest.mark.parametrize(("status", "error"), ANSWERS.items())
def test_each_status_is_tried_again_or_is_not(
    web: WebServer, hits: list[Hit], sink_settings: MakeSink, status: int, error: type[Exception]
) -> None:
    web.next.append((status, b"no"))
    with pytest.raises(error, match=str(status)):
        sent(web, sink_settings("webhook", url=web.url), hits)
