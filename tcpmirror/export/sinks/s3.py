"""Hits as objects of JSON lines in a bucket of S3, or of anything that speaks like it (MinIO, Ceph, R2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ConnectTimeoutError, EndpointConnectionError, ReadTimeoutError

from tcpmirror.export.delivery import DeliveryError, reason_of_status
from tcpmirror.export.sinks.hit import Hit, flat_hit, json_bytes

_REASONS: Final = ((EndpointConnectionError, "connect"), (ConnectTimeoutError, "connect"), (ReadTimeoutError, "timeout"))


class S3:
    """Puts a batch under ``PREFIX/hitlogs-TIME-BATCH.jsonl``: one that comes again replaces itself.

    *url*: empty for Amazon's; *token*: ``KEY:SECRET``, empty: what boto3 finds (environment, profile, role).
    """

    def __init__(self, url: str, place: str, token: str, timeout_s: float, verify: bool | str) -> None:
        self._bucket, _, self._prefix = place.partition("/")
        key, _, secret = token.partition(":")
        self._client = boto3.client(
            "s3",
            endpoint_url=url or None,
            verify=verify,
            aws_access_key_id=key or None,
            aws_secret_access_key=secret or None,
            config=Config(connect_timeout=timeout_s, read_timeout=timeout_s, retries={"total_max_attempts": 1}),
        )

    def send(self, batch_id: str, hits: Sequence[Hit]) -> None:
        name = f"hitlogs-{hits[0].time:%Y%m%dT%H%M%SZ}-{batch_id}.jsonl"
        key = f"{self._prefix.rstrip('/')}/{name}" if self._prefix else name
        body = b"".join(json_bytes(flat_hit(hit)) + b"\n" for hit in hits)
        try:
            self._client.put_object(Bucket=self._bucket, Key=key, Body=body, ContentType="application/x-ndjson")
        except ClientError as error:
            status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500))
            raise DeliveryError(str(error), reason_of_status(status)) from error
        except BotoCoreError as error:
            reason = next((word for kind, word in _REASONS if isinstance(error, kind)), "broken")
            raise DeliveryError(str(error), reason) from error

    def close(self) -> None:
        self._client.close()
