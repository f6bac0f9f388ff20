"""Hits into a Kafka topic, by librdkafka's idempotent producer; the key is the request's id, so its hits stay in order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from tcpmirror.errors import EnvironmentFault
from tcpmirror.export.delivery import DeliveryError, RefusedError
from tcpmirror.export.sinks.hit import Hit, flat_hit, json_bytes

_TOO_LARGE: Final = (KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.INVALID_MSG)


class Kafka:
    """Produces into *topic* of *brokers* (``HOST:PORT,...``); *options*: more of librdkafka's own configuration."""

    def __init__(self, brokers: str, topic: str, timeout_s: float, options: dict[str, str]) -> None:
        self._topic = topic
        self._timeout_s = timeout_s
        self._failed: list[KafkaError] = []
        settled = {
            "bootstrap.servers": brokers,
            "enable.idempotence": True,
            "message.timeout.ms": round(timeout_s * 1000),
            "client.id": "tcpmirror",
            "log_level": 0,
        }
        try:
            self._producer = Producer(settled | options)
        except KafkaException as error:
            raise EnvironmentFault(f"sinks: kafka: {error}") from error

    def send(self, batch_id: str, hits: Sequence[Hit]) -> None:
        self._failed.clear()
        try:
            for hit in hits:
                value, key = json_bytes(flat_hit(hit)), hit.report.id
                self._producer.produce(self._topic, value, key, on_delivery=self._delivered, headers={"id": hit.id})
            left = self._producer.flush(self._timeout_s)
        except KafkaException as error:
            self._producer.purge()
            raise _meaning(error.args[0]) from error
        except BufferError as error:
            raise DeliveryError(f"kafka: {error}", "broken") from error
        if left:
            self._producer.purge()
            raise DeliveryError(f"kafka: {left} messages were not acknowledged in {self._timeout_s:.0f} s", "timeout")
        if self._failed:
            raise _meaning(self._failed[0])

    def close(self) -> None:
        self._producer.flush(0)

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self._failed.append(error)


def _meaning(error: KafkaError) -> Exception:
    if error.code() in _TOO_LARGE:
        return RefusedError(f"kafka: {error.str()}")
    return DeliveryError(f"kafka: {error.str()}", "timeout" if error.code() == KafkaError._MSG_TIMED_OUT else "server")
