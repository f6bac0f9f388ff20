"""Hits by HTTP: webhook, Slack, Microsoft Teams, Elasticsearch and OpenSearch, Splunk's HTTP Event Collector."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import httpx
import orjson

from tcpmirror.export.delivery import DeliveryError, RefusedError, reason_of, reason_of_status, retry_after_s
from tcpmirror.export.sinks.hit import Hit, flat_hit, json_bytes, webhook_hit

ANSWER_LIMIT_BYTES: Final = 8 << 20  # the answer to a bulk request says something about each item
SHOWN: Final = 20  # hits told one by one in a chat; the rest is a number
SHOWN_CHARACTERS: Final = 200
_REFUSALS: Final = frozenset({400, 404, 405, 410, 413, 415, 422})

Made = Callable[[Sequence[Hit]], bytes]
Judged = Callable[[bytes], None]


@dataclass(slots=True)
class HttpSink:
    """Posts what *made* makes of a batch to *url*; *judged* reads a 2xx answer and raises if it is no success."""

    url: str
    client: httpx.Client
    made: Made
    content_type: str = "application/json"
    judged: Judged = lambda answer: None
    timeout_s: float = 15.0

    def send(self, batch_id: str, hits: Sequence[Hit]) -> None:
        body = self.made(hits)
        try:
            headers = {"Content-Type": self.content_type}
            with self.client.stream("POST", self.url, content=body, headers=headers) as response:
                answer = self._bounded_body(response)
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, UnicodeError) as error:
            raise DeliveryError(f"{type(error).__name__}: {error}", reason_of(error)) from error
        _judge(response, answer)
        self.judged(answer)

    def close(self) -> None:
        self.client.close()

    def _bounded_body(self, response: httpx.Response) -> bytes:
        answer, until_s = bytearray(), time.monotonic() + self.timeout_s
        for chunk in response.iter_bytes():
            answer += chunk
            if len(answer) > ANSWER_LIMIT_BYTES or time.monotonic() > until_s:
                raise DeliveryError(f"{response.status_code} with an answer that does not end", "timeout")
        return bytes(answer)


def webhook_body(hits: Sequence[Hit]) -> bytes:
    """Return a JSON array of notifications."""
    return json_bytes([webhook_hit(hit) for hit in hits])


def slack_body(hits: Sequence[Hit]) -> bytes:
    """Return a message for an incoming webhook of Slack; what traffic sent is neither a link nor a mention in it."""
    head = f"*tcpmirror*: {len(hits)} new {'hit' if len(hits) == 1 else 'hits'}"
    escaped = [_slack_text(hit.summary[:SHOWN_CHARACTERS]) for hit in hits[:SHOWN]]
    return json_bytes({"text": "\n".join((head, *(f"• `{line}`" for line in escaped), *_rest(hits)))})


def teams_body(hits: Sequence[Hit]) -> bytes:
    """Return an Adaptive Card 1.4 for a workflow of Teams that waits for a webhook; traffic is plain text in it."""
    title = {"type": "TextBlock", "weight": "Bolder", "text": f"tcpmirror: {len(hits)} new hits"}
    facts = [{"title": hit.finding.type, "value": _plain(hit.summary[:SHOWN_CHARACTERS])} for hit in hits[:SHOWN]]
    rest = [{"type": "TextBlock", "text": line} for line in _rest(hits)]
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": [title, {"type": "FactSet", "facts": facts}, *rest],
    }
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "content": card}
    return json_bytes({"type": "message", "attachments": [attachment]})


def bulk_body(index: str) -> Made:
    """Return what makes a bulk request for *index*; a hit that comes again replaces itself, by its id."""

    def made(hits: Sequence[Hit]) -> bytes:
        lines = []
        for hit in hits:
            document = flat_hit(hit) | {"@timestamp": hit.time.isoformat(timespec="milliseconds")}
            lines += [json_bytes({"index": {"_index": index, "_id": hit.id}}), json_bytes(document)]
        return b"\n".join(lines) + b"\n"

    return made


def judge_bulk(answer: bytes) -> None:
    """Raise what the worst of the items' answers means; a bulk request is 200 whatever became of its items."""
    found = _json(answer)
    items = found.get("items")
    if not isinstance(items, list):
        raise DeliveryError("the answer to a bulk request names no items")
    failed = [each for item in items if isinstance(item, dict) for each in item.values() if each.get("status", 500) >= 300]
    later = [each for each in failed if each.get("status", 500) in (429, 503) or each.get("status", 500) >= 500]
    if later:
        raise DeliveryError(f"bulk items: {later[0]}"[:300], "throttled")
    if failed:
        raise RefusedError(f"bulk items: {failed[0]}"[:300])


def splunk_body(index: str) -> Made:
    """Return what makes events for Splunk's collector, of source type `tcpmirror:hit`."""
    always = {"source": "tcpmirror", "sourcetype": "tcpmirror:hit"} | ({"index": index} if index else {})

    def made(hits: Sequence[Hit]) -> bytes:
        return b"".join(json_bytes(always | {"time": hit.report.time_ns / 1e9, "event": flat_hit(hit)}) for hit in hits)

    return made


def judge_splunk(answer: bytes) -> None:
    """Raise unless the collector says that it has taken the events (code 0)."""
    if _json(answer).get("code") != 0:
        raise DeliveryError(f"the collector answered {answer[:200]!r}")


def _judge(response: httpx.Response, answer: bytes) -> None:
    status = response.status_code
    if 200 <= status < 300:
        return
    problem = f"{status} {answer[:200].decode('ascii', 'backslashreplace')}"
    if status in _REFUSALS:
        raise RefusedError(problem)
    raise DeliveryError(problem, reason_of_status(status), retry_after_s(response.headers.get("Retry-After", "")))


def _json(answer: bytes) -> dict[str, Any]:
    try:
        found = orjson.loads(answer)
    except orjson.JSONDecodeError as error:
        raise DeliveryError(f"the answer is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise DeliveryError("the answer is no JSON object")
    return found


def _rest(hits: Sequence[Hit]) -> list[str]:
    return [f"and {len(hits) - SHOWN} more"] if len(hits) > SHOWN else []


def _slack_text(text: str) -> str:
    """Return *text* as it may stand between backticks (Slack: escape `&`, `<`, `>`)."""
    return _plain(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("`", "'")


def _plain(text: str) -> str:
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
