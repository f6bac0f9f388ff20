"""The table of every metric: its name, type, labels and meaning, and the counters it is read from.

Two groups. The first has the names that dashboards for this class of node already use, behind `metrics.namespace`, each
summed over all processes. The second is everything a sensor counts, process by process, behind ``tcpmirror_``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tcpmirror.export.delivery import REASONS
from tcpmirror.telemetry.ledger import LOSSES
from tcpmirror.telemetry.names import KINDS

OWN_PREFIX: Final = "tcpmirror"
NS: Final = 1e-9
PERMILLE: Final = 1e-3


@dataclass(frozen=True, slots=True)
class Reading:
    """One counter of every process of a kind; ``scale`` turns it into the metric's unit, -1.0 subtracts it."""

    kind: str
    counter: str
    labels: tuple[tuple[str, str], ...] = ()
    scale: float = 1.0


@dataclass(frozen=True, slots=True)
class Family:
    """One metric.

    ``by``: the label that tells processes apart (`process`, or `source`: what a capture reads), empty: they are summed.
    ``readings`` is empty where the collector itself knows the value.
    """

    name: str
    type: str  # counter | gauge
    meaning: str
    readings: tuple[Reading, ...] = ()
    by: str = ""
    labels: tuple[str, ...] = ()
    is_own: bool = False

    @property
    def label_names(self) -> tuple[str, ...]:
        fixed = tuple(name for name, _ in self.readings[0].labels) if self.readings else self.labels
        return (*((self.by,) if self.by else ()), *fixed)

    def full_name(self, namespace: str) -> str:
        prefix = OWN_PREFIX if self.is_own else namespace
        return f"{prefix}_{self.name}" if prefix else self.name


_ENGINE: Final = ("source", "detect")
_SUBMIT_ERRORS: Final = (
    Reading("exporter", "batch_connect_failures", (("type", "SubmitConnect"),)),
    Reading("exporter", "batch_failures", (("type", "SubmitResp"),)),
    Reading("exporter", "batch_connect_failures", (("type", "SubmitResp"),), -1.0),
)

KNOWN: Final = (
    Family("application_info", "gauge", "Always 1; what is running.", labels=("deployment_type", "mode", "version")),
    Family(
        "application_config_reloads_total",
        "counter",
        "Settings that were taken while the sensor ran.",
        (Reading("exporter", "reloads"),),
    ),
    Family(
        "application_config_reload_errors_total",
        "counter",
        "Settings that were refused while the sensor ran; those before hold.",
        (Reading("exporter", "reload_errors"),),
    ),
    Family(
        "process_cpu_seconds_total",
        "counter",
        "User and system CPU of all processes now running.",
        tuple(Reading(kind, "cpu_ns", scale=NS) for kind in KINDS),
    ),
    Family(
        "process_resident_memory_bytes",
        "gauge",
        "Resident memory of all processes; shared memory counts in each.",
        tuple(Reading(kind, "rss_bytes") for kind in KINDS),
    ),
    Family(
        "tcp_stream_input_packets_total",
        "counter",
        "Frames that the source delivered.",
        (Reading("capture", "packets"),),
        "source",
    ),
    Family("tcp_stream_input_bytes_total", "counter", "Bytes of those frames.", (Reading("capture", "bytes"),), "source"),
    Family(
        "tcp_stream_output_packets_total", "counter", "TCP segments handed to workers.", (Reading("capture", "segments"),)
    ),
    Family("tcp_stream_output_bytes_total", "counter", "Payload bytes of those.", (Reading("capture", "segment_bytes"),)),
    Family(
        "tcp_stream_packets_rejected_total",
        "counter",
        "Frames that went no further, by reason.",
        tuple(Reading("capture", name, (("reason", name.removeprefix("lost_")),)) for name in LOSSES),
    ),
    Family(
        "tcp_stream_bytes_rejected_total",
        "counter",
        "Payload bytes of TCP segments that went no further, by reason.",
        (
            Reading("capture", "shed_bytes", (("reason", "shed"),)),
            Reading("capture", "ring_full_bytes", (("reason", "ring_full"),)),
            Reading("capture", "duplicate_bytes", (("reason", "duplicate"),)),
        ),
    ),
    Family(
        "tcp_stream_errors_total",
        "counter",
        "Cut frames, and faults of the source itself.",
        (
            Reading("capture", "lost_truncated", (("type", "TruncatedPacket"),)),
            Reading("capture", "source_errors", (("type", "WatcherError"),)),
        ),
    ),
    Family(
        "tcp_reassembler_tcp_packets_total",
        "counter",
        "TCP segments that reached workers.",
        (Reading("worker", "segments"),),
    ),
    Family("tcp_reassembler_tcp_bytes_total", "counter", "Their payload bytes.", (Reading("worker", "segment_bytes"),)),
    Family(
        "tcp_reassembler_not_tcp_packets_total",
        "counter",
        "Frames without TCP in them.",
        (Reading("capture", "lost_not_ip"), Reading("capture", "lost_not_tcp")),
    ),
    Family("tcp_reassembler_tcp_flows", "gauge", "Flows being followed.", (Reading("worker", "flows"),)),
    Family(
        "tcp_reassembler_tcp_streams_closed_total",
        "counter",
        "Flows closed to keep within `limits`.",
        (Reading("worker", "flows_evicted"),),
    ),
    Family(
        "tcp_reassembler_tcp_streams_flushed_total",
        "counter",
        "Flows closed because nothing came any more.",
        (Reading("worker", "flows_idle"),),
    ),
    Family(
        "tcp_reassembler_http_messages_total",
        "counter",
        "HTTP messages read whole or as far as they were seen.",
        (Reading("worker", "requests", (("type", "request"),)), Reading("worker", "responses", (("type", "response"),))),
    ),
    Family("tcp_reassembler_http_bytes_total", "counter", "Reassembled bytes.", (Reading("worker", "stream_bytes"),)),
    Family(
        "tcp_reassembler_http_flow_bytes_rejected_total",
        "counter",
        "Reassembled bytes that are not HTTP.",
        (Reading("worker", "not_http_bytes"),),
    ),
    Family(
        "tcp_reassembler_http_flows_dropped_total",
        "counter",
        "Flows that a worker had open when it died.",
        (Reading("worker", "flows_lost"),),
    ),
    Family(
        "tcp_reassembler_http_bypassed_total",
        "counter",
        "Exchanges not inspected because filters or a route's mode say so.",
        (Reading("worker", "bypassed", (("type", "request"), ("reason", "any"))),),
    ),
    Family(
        "tcp_reassembler_errors_total",
        "counter",
        "Messages that cannot be read as HTTP, and requests whose response never came.",
        (
            Reading("worker", "http_errors", (("type", "HttpParsingError"),)),
            Reading("worker", "unanswered", (("type", "ResponseTimeout"),)),
        ),
    ),
    Family(
        "http_inspector_requests_processed_total",
        "counter",
        "Exchanges inspected.",
        (Reading("worker", "inspected", (("aggregate", "sum"), _ENGINE)),),
    ),
    Family("http_inspector_threats_found_total", "counter", "Findings.", (Reading("worker", "findings", (_ENGINE,)),)),
    Family(
        "http_inspector_threats_found_per_app_total",
        "counter",
        "Findings reported, by application; `__other__` beyond 1000.",
        labels=("application_id",),
    ),
    Family(
        "http_inspector_threats_found_per_host_total",
        "counter",
        "Findings reported, by host (lower case; `__invalid_host__`: no host name; `__other__`: beyond 1000 of them).",
        labels=("host",),
    ),
    Family(
        "http_inspector_adjusted_counters_total",
        "counter",
        "Requests inspected, and those of them with a finding.",
        (Reading("worker", "attacks", (("type", "attacks"),)), Reading("worker", "inspected", (("type", "requests"),))),
    ),
    Family(
        "http_inspector_ignored_total",
        "counter",
        "Exchanges not inspected because filters, a route's mode or `mode` say so.",
        (Reading("worker", "bypassed", (("source", "mode"),)), Reading("worker", "uninspected", (("source", "mode"),))),
    ),
    Family(
        "http_inspector_errors_total",
        "counter",
        "Messages without their other half, and exchanges that met a fault of this program.",
        (
            Reading("worker", "response_only", (("type", "FlowIsMissingRequest"),)),
            Reading("worker", "unanswered", (("type", "FlowIsMissingResponse"),)),
            Reading("worker", "inspection_failures", (("type", "ErrorCreatingFlow"),)),
            Reading("exporter", "bad_reports", (("type", "ErrorSerializingReq"),)),
        ),
    ),
    Family("http_inspector_flows", "gauge", "Flows being followed.", (Reading("worker", "flows", (("aggregate", "sum"),)),)),
    Family("http_inspector_balancer_workers", "gauge", "Worker processes."),
    Family(
        "postanalytics_exporter_connections", "gauge", "1: the cloud answered last time.", (Reading("exporter", "cloud_up"),)
    ),
    Family(
        "postanalytics_exporter_errors_total",
        "counter",
        "Calls to the cloud that failed: nobody answered, or not as agreed.",
        _SUBMIT_ERRORS,
    ),
    Family(
        "postanalytics_exporter_serialized_requests_exported_total",
        "counter",
        "Reports that the cloud has acknowledged.",
        (Reading("exporter", "reports_sent"),),
    ),
    Family(
        "postanalytics_exporter_serialized_requests_dropped_total",
        "counter",
        "Reports lost on the way to the cloud.",
        (
            Reading("worker", "lost_report_ring_full"),
            Reading("exporter", "bad_reports"),
            Reading("exporter", "spool_dropped"),
            Reading("exporter", "batch_rejected"),
        ),
    ),
)

_SPECIAL: Final = (
    Family(
        "build_info", "gauge", "Always 1; version of tcpmirror and of Python.", labels=("version", "python"), is_own=True
    ),
    Family("processes", "gauge", "Processes of the sensor, by kind.", labels=("kind",), is_own=True),
    Family(
        "heartbeat_age_seconds",
        "gauge",
        "Time since the process's main loop last turned; absent until it first does.",
        labels=("process",),
        is_own=True,
    ),
    Family("findings_total", "counter", "Findings reported, by attack type.", labels=("type",), is_own=True),
    Family("sink_up", "gauge", "1: the last delivery to the sink worked, or none was tried.", labels=("sink",), is_own=True),
    Family("sink_sent_total", "counter", "Hits that the sink has taken.", labels=("sink",), is_own=True),
    Family("sink_rejected_total", "counter", "Reports that the sink refuses for good.", labels=("sink",), is_own=True),
    Family("sink_dropped_total", "counter", "Reports dropped before the sink had them.", labels=("sink",), is_own=True),
    Family("sink_backlog", "gauge", "Reports in the spool that the sink has not had.", labels=("sink",), is_own=True),
    Family(
        "sink_failures_total",
        "counter",
        "Deliveries that failed and are tried again, by reason; since the exporter started, as all of a sink.",
        labels=("sink", "reason"),
        is_own=True,
    ),
    Family(
        "ignored_findings_total",
        "counter",
        "Findings not reported, by the entry that ignores them and by rule; `__other__` beyond 1,000 pairs.",
        labels=("by", "rule"),
        is_own=True,
    ),
    Family(
        "ledger_in",
        "gauge",
        "What came in: packets, payload bytes (with those known to be missing), exchanges.",
        labels=("unit",),
        is_own=True,
    ),
    Family(
        "ledger_end",
        "gauge",
        "Where it ended: `analysed`, `waiting`, or why it was not analysed. The ends of a unit add up to `ledger_in`.",
        labels=("unit", "end"),
        is_own=True,
    ),
    *(
        Family(f"mirror_{name}_total", "counter", meaning, labels=("source", "vlan", "vni"), is_own=True)
        for name, meaning in (
            ("seen_bytes", "Payload bytes of TCP streams that the mirror showed."),
            ("lost_bytes", "Payload bytes that receivers acknowledged and the mirror never showed."),
            ("flows", "Flows with data that are over."),
            ("one_sided_flows", "Of those: flows of which one direction was never seen."),
            ("no_syn_flows", "Of those: flows whose SYN was not seen."),
        )
    ),
    Family(
        "mirror_protocol_flows_total",
        "counter",
        "Flows by what they speak: one that changes it counts for each, one that stays unknown when it is over.",
        labels=("source", "vlan", "vni", "protocol"),
        is_own=True,
    ),
)

_PER_PROCESS: Final = (
    ("cpu_seconds_total", "counter", "User and system CPU; starts again with the process.", "cpu_ns", NS),
    ("resident_memory_bytes", "gauge", "Resident memory, shared memory included.", "rss_bytes", 1.0),
    ("bugs_total", "counter", "Exceptions that are faults of this program, contained.", "bugs", 1.0),
    ("restarts_total", "counter", "Times the supervisor started the process again.", "restarts", 1.0),
    ("memory_kills_total", "counter", "Times the supervisor ended the process for the memory it took.", "memory_kills", 1.0),
    (
        "open_files",
        "gauge",
        "1 where the kernel has no Landlock, so that the process reads what its user can.",
        "open_files",
        1.0,
    ),
    (
        "open_calls",
        "gauge",
        "1 where libseccomp is missing, so that the process may make any system call.",
        "open_calls",
        1.0,
    ),
)

# kind -> counter -> meaning; "gauge: " in front where the value may fall
MEANINGS: Final[dict[str, dict[str, str]]] = {
    "capture": {
        "packets": "Frames that the source delivered; each frame of an 802.11 aggregate is one.",
        "bytes": "Bytes of those frames, as captured.",
        "segments": "TCP segments put on a worker's ring.",
        "segment_bytes": "Payload bytes of those segments.",
        "kernel_received": "Frames the kernel counted for this source, over all its openings.",
        "kernel_dropped": "Frames the kernel dropped because its buffer was full, over all openings of the source.",
        "interface_dropped": "Frames the interface or its driver dropped.",
        "bad_checksum": "Packets with a wrong checksum, used all the same.",
        "duplicates": "Packets seen twice, as when both ports of a link are mirrored.",
        "source_errors": "Faults of the source, such as an interface that went away.",
        "source_reopened": "Times the source was opened again after a fault.",
        "shed_threshold_permille": "gauge: Share of new flows now being skipped, 0 to 1.",
        "coverage_permille": "gauge: Share of segments analysed in the last 20 s, 0 to 1; overload cost the others.",
        "fragments_joined": "Packets that were joined with others into one; the last one counts as what they became.",
        "fragments_held": "gauge: Packets that wait for the other fragments of their datagram.",
        "tcp_bytes": "Payload bytes of all TCP segments that were read.",
        "duplicate_bytes": "Of those: of packets seen twice.",
        "shed_bytes": "Of those: of flows that were skipped for overload.",
        "ring_full_bytes": "Of those: of segments that found a worker's ring full.",
        "simulated_bytes": "Of those: of segments dropped on purpose, in tests.",
        "interrupted_bytes": "Of those: of the segment in hand when the process died.",
        "unwatched": "Frames that the interface counted while no capture process was there (not with a packet filter).",
        "seen_frames": "gauge: Frames that the interface had counted when it was last looked at.",
        "seen_packets": "gauge: Packets delivered or dropped by the kernel at that moment.",
        "discarded_bytes": "Of those: of segments left before the rings, because the analysis was to end there.",
    },
    "worker": {
        "segments": "TCP segments taken from the rings.",
        "segment_bytes": "Payload bytes of those segments.",
        "flows": "gauge: Flows being followed.",
        "flows_total": "Flows begun.",
        "flows_evicted": "Flows closed to keep within `limits`.",
        "flows_idle": "Flows closed because nothing came any more.",
        "stream_bytes": "Bytes of reassembled streams.",
        "retransmitted_bytes": "Payload bytes seen before.",
        "out_of_order_segments": "Segments that came before their turn.",
        "overlap_conflicts": "Overlaps whose two copies differ.",
        "gaps": "Holes in streams that were never filled.",
        "gap_bytes": "Size of those holes.",
        "held_bytes": "gauge: Bytes held for reassembly and messages.",
        "memory_limit_hits": "Times the worker's share of `limits.memory` was reached.",
        "bodies_shed": "Times that a flow gave up the bodies in progress for want of memory; heads are kept.",
        "requests": "HTTP requests.",
        "responses": "HTTP responses.",
        "exchanges": "Requests with their responses, and either alone.",
        "unanswered": "Requests whose response never came.",
        "response_only": "Responses whose request was not seen.",
        "not_http_bytes": "Stream bytes that are not HTTP.",
        "http_errors": "Messages that cannot be read as HTTP.",
        "http2_flows": "Flows that spoke HTTP/2 in clear.",
        "websocket_flows": "Flows that became a WebSocket.",
        "websocket_messages": "WebSocket messages.",
        "rules": "gauge: Detection rules in force.",
        "own_rules": "gauge: Of the detection rules, those of the operator's packs.",
        "rules_refused": "gauge: 1 while changed rules are refused and those before stay in force.",
        "masked_reports": "Reports in which a mask of `inspection.mask` or of a rule pack overwrote something.",
        "access_lines": "Lines written to the access log.",
        "access_left_out": "Exchanges left out of the access log: beyond `log.access_log.rate`, or its file took no more.",
        "ignored_findings": "Findings not reported because `inspection.ignore` or a rule pack says so.",
        "api_requests": "Exchanges that the inventory of APIs took up.",
        "api_samples": "Of them, those whose parameters were read.",
        "api_refused": "Requests of endpoints for which the inventory had no room.",
        "api_digests_lost": "Digests of endpoints that were too large for the ring.",
        "weakness_signs": "Signs of weaknesses that were noted.",
        "weakness_refused": "gauge: Signs of weaknesses for which there was no room.",
        "weakness_ns": "CPU time of looking for weaknesses, measured on one exchange in 64.",
        "api_ns": "CPU time of taking exchanges up, measured on one in 64.",
        "behavior_cells": "Counts of one control, subject, place and slot of time that were handed on.",
        "behavior_evicted": "Counts that gave way to others in the table of behaviour, and are lost.",
        "behavior_ns": "CPU time of counting exchanges for behaviour, measured on one in 64.",
        "session_requests": "Exchanges put down to a session.",
        "session_refused": "Exchanges of sessions for which there was no room.",
        "session_digests_lost": "Digests of sessions that were too large for the ring.",
        "session_ns": "CPU time of following sessions, measured on one in 64.",
        "tls_flows": "Flows that spoke TLS, decrypted or not.",
        "tls_bytes": "Stream bytes of TLS that were not decrypted.",
        "tls_decrypted_flows": "TLS flows decrypted with secrets of the key log.",
        "tls_decrypted_bytes": "Bytes that were decrypted, as plaintext.",
        "tls_no_secret": "TLS flows not decrypted: no secret came in time.",
        "tls_unsupported": "TLS flows not decrypted: the version, cipher suite or compression is none that is known.",
        "tls_unauthentic": "TLS flows not decrypted: the secret does not open their records.",
        "tls_joined": "TLS flows not decrypted: their handshake was not seen.",
        "tls_lost": "TLS flows given up: after lost packets no record could be made out.",
        "tls_bad_records": "TLS records that could not be opened, of flows whose others could.",
        "tls_waiting_bytes": "gauge: Records that wait for their secret.",
        "tls_secrets": "gauge: Sessions whose secrets are remembered.",
        "key_log_bad_lines": "Lines of the key log that are none.",
        "key_log_errors": "Times the key log could not be read.",
        "bypassed": "Exchanges not inspected because filters or a route's mode say so.",
        "inspected": "Exchanges inspected.",
        "tier2": "Exchanges that the first tier of detection let through to the full one.",
        "attacks": "Exchanges with a finding.",
        "findings": "Findings.",
        "detect_ns": "Time spent in detection, told from one exchange in 16.",
        "reports": "Reports put on the ring to the exporter.",
        "lost_report_ring_full": "Reports dropped because the ring to the exporter was full.",
        "skipped_records": "Ring records skipped because they killed the worker twice.",
        "flows_lost": "Flows that were open on this worker when it died.",
        "bad_records": "Ring records that are no segment.",
        "ignored_bytes": "Payload bytes no receiver takes: past a FIN, with a RST, on a flow that is over.",
        "reorder_held_bytes": "gauge: Payload bytes that wait for others before them.",
        "abandoned_bytes": "Payload bytes of flows given up because of a fault of this program.",
        "truncated_bytes": "Of the holes' bytes: cut off by the capture (`snap_len`).",
        "mirror_lost_bytes": "Bytes that receivers acknowledged and the mirror never showed.",
        "uninspected": "Exchanges not inspected because detection is off.",
        "published_bytes": "Payload bytes as of the last time that their sums were published.",
        "interrupted_bytes": "Payload bytes held, or taken and not yet counted, when the worker died.",
        "retaken_bytes": "Payload bytes that a worker which died had in hand, taken by its successor once more.",
        "emitted": "Exchanges and WebSocket messages that came to inspection.",
        "inspection_failures": "Of those: not inspected because of a fault of this program or the death of the worker.",
        "partial_gap": "Of those: bytes of them were never seen.",
        "partial_limit": "Of those: a limit of size, number, depth or time cut them.",
        "ring_corruptions": "Times what lay on a segment ring was no records and was given up.",
        "discarded_bytes": "Payload bytes left before reassembly, because the analysis was to end there.",
    },
    "exporter": {
        "reports": "Reports taken from the rings.",
        "bad_reports": "Ring records that hold no readable report.",
        "spooled": "Reports written to the spool.",
        "spool_bytes": "gauge: Size of the spool.",
        "spool_segments": "gauge: Files in the spool.",
        "spool_dropped": "Reports dropped unsent: the quota was reached, a segment was damaged, or the disk took nothing.",
        "spool_corrupt": "Damaged spool segments.",
        "spool_errors": "Times the disk under the spool failed or was full.",
        "batches_sent": "Batches that the cloud has acknowledged.",
        "reports_sent": "Reports in those batches.",
        "batch_failures": "Calls to the cloud that failed and are tried again.",
        "batch_rejected": "Reports that the cloud refuses, moved to rejected.jsonl.",
        "cloud_up": "gauge: 1 when the last call to the cloud worked.",
        "backlog": "gauge: Reports in the spool that the cloud has not acknowledged.",
        "scrapes": "Answers given to scrapes of metrics.",
        "weaknesses": "Records of weaknesses that workers handed on.",
        "weaknesses_sent": "Records of weaknesses, merged, that the cloud has acknowledged.",
        "api_digests": "Digests of endpoints that workers handed on.",
        "api_digests_sent": "Digests of endpoints, merged, that the cloud has acknowledged.",
        "behavior_counters": "Counters of behaviour that workers handed on.",
        "behavior_counters_sent": "Counters of behaviour, merged, that the cloud has acknowledged.",
        "behavior_dropped": "Counters of behaviour forgotten for want of room.",
        "breach_lookups": "Ranges of breached passwords that `behavior.breached_url` was asked for.",
        "breach_failures": "Ranges of breached passwords that were asked for and not answered.",
        "breach_found": "Logins with a password of which `behavior.breached_url` said that it is breached.",
        "breach_dropped": "Logins whose password nobody was asked about: too many waited.",
        "session_digests": "Digests of sessions that workers handed on.",
        "session_digests_sent": "Digests of sessions, merged, that the cloud has acknowledged.",
        "reloads": "Settings taken while the sensor ran.",
        "reload_errors": "Settings refused while the sensor ran.",
        "batch_connect_failures": "Failed calls to which nobody answered at all.",
    },
    "cloud": {
        "batches": "Batches stored by the embedded cloud.",
        "duplicate_batches": "Batches that came again and were not stored again.",
        "reports": "Reports stored by the embedded cloud.",
        "quarantined": "Reports kept aside because they could not be read.",
        "rejected": "Calls refused: malformed, too large or not authorised.",
    },
}


# OpenMetrics takes a gauge `flows` and a counter `flows_total` for one name.
_RENAMED: Final = {("worker", "flows"): "active_flows"}


def _own_families() -> tuple[Family, ...]:
    per_process = tuple(
        Family(name, kind, meaning, tuple(Reading(each, counter, scale=scale) for each in KINDS), "process", is_own=True)
        for name, kind, meaning, counter, scale in _PER_PROCESS
    )
    lost = Family(
        "lost_total",
        "counter",
        "Packets that went no further, by reason.",
        tuple(Reading("capture", name, (("reason", name.removeprefix("lost_")),)) for name in LOSSES),
        "process",
        is_own=True,
    )
    failed = Family(
        "exporter_failures_total",
        "counter",
        "Calls to the cloud that failed and are tried again, by reason.",
        tuple(Reading("exporter", f"failed_{reason}", (("reason", reason),)) for reason in REASONS),
        "process",
        is_own=True,
    )
    counted = (_counted(kind, name, text) for kind, meanings in MEANINGS.items() for name, text in meanings.items())
    return (*_SPECIAL, *per_process, lost, failed, *counted)


def _counted(kind: str, counter: str, text: str) -> Family:
    """Return the family of one counter, its name in Prometheus's manner: base units, `_total` on what only grows."""
    is_gauge = text.startswith("gauge: ")
    name, scale = _RENAMED.get((kind, counter), counter), 1.0
    if counter.endswith("_ns"):
        name, scale = counter.removesuffix("_ns") + "_seconds", NS
    elif counter.endswith("_permille"):
        name, scale = counter.removesuffix("_permille") + "_ratio", PERMILLE
    if not is_gauge:
        name = f"{name.removesuffix('_total')}_total"
    meaning = text.removeprefix("gauge: ")
    readings = (Reading(kind, counter, scale=scale),)
    return Family(f"{kind}_{name}", "gauge" if is_gauge else "counter", meaning, readings, "process", is_own=True)


OWN: Final = _own_families()
FAMILIES: Final = (*KNOWN, *OWN)


def uncovered_counters() -> list[tuple[str, str]]:
    """Return (kind, counter) of every counter that no metric shows; `heartbeat_ns` shows as an age."""
    shown = {(reading.kind, reading.counter) for family in OWN for reading in family.readings}
    shown |= {(kind, "heartbeat_ns") for kind in KINDS}
    return [(kind, name) for kind, names in KINDS.items() for name in names if (kind, name) not in shown]
