"""From the settings of a sink to the sink."""

from __future__ import annotations

import importlib
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import httpx

from tcpmirror.errors import EnvironmentFault
from tcpmirror.export.sinks import email, http, otlp
from tcpmirror.export.sinks.lines import LinesFile, StandardOutput
from tcpmirror.export.sinks.sink import Sink
from tcpmirror.export.sinks.syslog import Syslog
from tcpmirror.settings import tree


def open_sink(settings: tree.Sink, version: str) -> Sink:
    """Return the sink; EnvironmentFault names what it lacks: a certificate, or a client library that is not installed."""
    return _OPENERS[settings.type](settings, version)


def _syslog(settings: tree.Sink, version: str) -> Sink:
    tls = tls_context(settings) if settings.url.startswith("tls:") else None
    return Syslog(settings.url, settings.format, version, settings.timeout_s, tls)


def _webhook(settings: tree.Sink, version: str) -> Sink:
    return _http(settings, version, http.webhook_body, {"Authorization": f"Bearer {settings.token}"})


def _slack(settings: tree.Sink, version: str) -> Sink:
    return _http(settings, version, http.slack_body, {})


def _teams(settings: tree.Sink, version: str) -> Sink:
    return _http(settings, version, http.teams_body, {})


def _elasticsearch(settings: tree.Sink, version: str) -> Sink:
    sink = _http(settings, version, http.bulk_body(settings.target), {"Authorization": f"ApiKey {settings.token}"})
    sink.url, sink.content_type, sink.judged = f"{sink.url}/_bulk", "application/x-ndjson", http.judge_bulk
    return sink


def _splunk(settings: tree.Sink, version: str) -> Sink:
    sink = _http(settings, version, http.splunk_body(settings.target), {"Authorization": f"Splunk {settings.token}"})
    sink.url, sink.judged = f"{sink.url}/services/collector/event", http.judge_splunk
    return sink


def _otlp(settings: tree.Sink, version: str) -> Sink:
    sink = _http(settings, version, otlp.logs_body(version), {"Authorization": f"Bearer {settings.token}"})
    sink.url, sink.judged = f"{sink.url}{otlp.PATH}", otlp.judge_logs
    return sink


def _email(settings: tree.Sink, version: str) -> Sink:
    recipients = tuple(filter(None, (part.strip() for part in settings.target.split(","))))
    sender = email.sender_of(dict(settings.headers))
    return email.Email(settings.url, sender, recipients, settings.token, settings.timeout_s, tls_context(settings))


def _kafka(settings: tree.Sink, version: str) -> Sink:
    options = dict(settings.headers) | ({"ssl.ca.location": settings.ca_file} if settings.ca_file else {})
    made: Sink = _library("kafka", settings).Kafka(settings.url, settings.target, settings.timeout_s, options)
    return made


def _nats(settings: tree.Sink, version: str) -> Sink:
    tls = tls_context(settings) if settings.url.startswith("tls:") else None
    nats = _library("nats", settings)
    made: Sink = nats.Nats(nats.JetStream(settings.url, settings.token, settings.timeout_s, tls), settings.target)
    return made


def _s3(settings: tree.Sink, version: str) -> Sink:
    verify = settings.ca_file or settings.verify_tls
    made: Sink = _library("s3", settings).S3(settings.url, settings.target, settings.token, settings.timeout_s, verify)
    return made


_OPENERS: Final[dict[str, Callable[[tree.Sink, str], Sink]]] = {
    "file": lambda settings, version: LinesFile(Path(settings.url)),
    "stdout": lambda settings, version: StandardOutput(),
    "syslog": _syslog,
    "webhook": _webhook,
    "slack": _slack,
    "teams": _teams,
    "elasticsearch": _elasticsearch,
    "splunk": _splunk,
    "kafka": _kafka,
    "nats": _nats,
    "s3": _s3,
    "otlp": _otlp,
    "email": _email,
}


def tls_context(settings: tree.Sink) -> ssl.SSLContext:
    """Return what verifies the addressee, by `ca_file` where there is one; EnvironmentFault if that cannot be read."""
    try:
        context = ssl.create_default_context(cafile=settings.ca_file or None)
    except OSError as error:
        raise EnvironmentFault(f"sinks: {settings.name}: ca_file: {settings.ca_file}: {error}") from error
    if not settings.verify_tls:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _http(settings: tree.Sink, version: str, made: http.Made, credentials: dict[str, str]) -> http.HttpSink:
    headers = {"User-Agent": f"tcpmirror/{version}", **(credentials if settings.token else {}), **dict(settings.headers)}
    client = httpx.Client(verify=tls_context(settings), timeout=settings.timeout_s, headers=headers)
    return http.HttpSink(settings.url.rstrip("/"), client, made, timeout_s=settings.timeout_s)


def _library(module: str, settings: tree.Sink) -> Any:
    """Return the module of a sink whose client library is an extra of its own."""
    try:
        return importlib.import_module(f"tcpmirror.export.sinks.{module}")
    except ImportError as error:
        problem = f"sinks: {settings.name}: {error}; type {settings.type} needs `pip install tcpmirror[sinks]`"
        raise EnvironmentFault(problem) from error
