"""Log records, as OpenTelemetry's own protocol definition reads them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from google.protobuf.json_format import Parse
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from tcpmirror.export.delivery import DeliveryError, RefusedError
from tcpmirror.export.sinks.hit import Hit
from tcpmirror.export.sinks.opening import open_sink
from tcpmirror.settings import tree
from tests.export.sinks.conftest import WebServer


def sink_settings(url: str, token: str = "") -> tree.Sink:
    return tree.Sink(name="otel", type="otlp", url=url, token=token, timeout_s=5.0)


def taken(web: WebServer) -> ExportLogsServiceRequest:
    """Return the last request; the parser knows every field and refuses one that is not of the protocol."""
    request = ExportLogsServiceRequest()
    Parse(web.calls[-1][2], request)
    return request


def values(attributes: object) -> dict[str, AnyValue]:
    return {each.key: each.value for each in attributes}  # type: ignore[attr-defined]


def test_each_hit_is_a_record_with_the_names_of_the_conventions(web: WebServer, hits: list[Hit]) -> None:
    open_sink(sink_settings(f"{web.url}/", token="t0ken"), "0.1").send("b1", hits)
    path, headers, _ = web.calls[0]
    assert (path, headers["Authorization"], headers["Content-Type"]) == ("/v1/logs", "Bearer t0ken", "application/json")
    (of_resource,) = taken(web).resource_logs
    assert values(of_resource.resource.attributes)["service.name"].string_value == "tcpmirror"
    records = of_resource.scope_logs[0].log_records
    assert [values(record.attributes)["log.record.uid"].string_value for record in records] == [hit.id for hit in hits]
    first, told = records[0], values(records[0].attributes)
    assert (first.time_unix_nano, first.severity_text) == (hits[0].report.time_ns, "ERROR")
    assert first.body.string_value == hits[0].summary
    assert told["http.response.status_code"].int_value == 200
    assert told["network.peer.port"].int_value == 40000
    assert told["tcpmirror.confidence"].double_value == 0.9
    assert [each.string_value for each in told["tcpmirror.point"].array_value.values] == list(hits[0].finding.point)


def test_what_was_not_seen_is_left_out(web: WebServer, hits: list[Hit]) -> None:
    bare = Hit(replace(hits[0].report, method=None, host=None, uri=None, status=None), 0)
    open_sink(sink_settings(web.url), "0.1").send("b1", [bare])
    told = values(taken(web).resource_logs[0].scope_logs[0].log_records[0].attributes)
    assert not {"http.request.method", "http.response.status_code", "url.path", "url.query"} & set(told)
    assert told["server.address"].string_value == "10.0.0.2"


ANSWERS = {
    "nothing": (200, b"", None),
    "an empty object": (200, b"{}", None),
    "a warning": (200, b'{"partialSuccess":{"errorMessage":"slow"}}', None),
    "a part of them": (200, b'{"partialSuccess":{"rejectedLogRecords":"1","errorMessage":"too old"}}', RefusedError),
    "no JSON": (200, b"<html>", DeliveryError),
    "no such format": (415, b"", RefusedError),
    "too much at once": (429, b"", DeliveryError),
    "no backend": (503, b"", DeliveryError),
}


@pytest.mark.parametrize(("status", "answer", "error"), ANSWERS.values(), ids=ANSWERS.keys())
def test_an_answer_means_what_the_protocol_says(
    web: WebServer, hits: list[Hit], status: int, answer: bytes, error: type[Exception] | None
) -> None:
    web.next.append((status, answer))
    sink = open_sink(sink_settings(web.url), "0.1")
    if error is None:
        sink.send("b1", hits)
    else:
        with pytest.raises(error):
            sink.send("b1", hits)
