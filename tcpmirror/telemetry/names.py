"""Every counter of every kind of process: the closed list that metrics, `status` and tests read.

A name ending in `_ns` or `_bytes` tells its unit; gauges are marked, all else only grows. New names go to the end of a list.
"""

from __future__ import annotations

from typing import Final

COMMON: Final = (
    "heartbeat_ns",  # gauge: monotonic clock at the last turn of the main loop
    "cpu_ns",  # gauge: user + system CPU of the process
    "rss_bytes",  # gauge: resident memory
    "bugs",  # exceptions that were ours, contained
    "restarts",  # times the supervisor started it again; written while the process is dead
    "open_files",  # gauge: 1 where no Landlock shuts the process in
    "open_calls",  # gauge: 1 where no seccomp filter does
    "memory_kills",  # times the supervisor ended it because it took too much memory
)

CAPTURE: Final = (
    *COMMON,
    "packets",  # frames delivered by the source
    "bytes",
    "segments",  # TCP segments put on a ring
    "segment_bytes",
    "kernel_received",  # as the kernel counts (libpcap ps_recv), summed over all openings of the source
    "kernel_dropped",  # ps_drop
    "interface_dropped",  # ps_ifdrop
    "bad_checksum",  # accepted all the same
    "duplicates",
    # reasons a packet went no further
    "lost_not_ip",
    "lost_not_tcp",
    "lost_truncated",
    "lost_malformed",
    "lost_fragment",
    "lost_filtered",  # by port, VLAN, VNI or `ignore_ips`
    "lost_depth",  # more encapsulations than `limits.encapsulation_depth`
    "lost_unknown_link",
    "lost_ring_full",
    "lost_shed",
    "source_errors",
    "source_reopened",
    "shed_threshold_permille",  # gauge: share of new flows being skipped
    "coverage_permille",  # gauge: segments analysed of segments seen, in the last seconds
    # packets = segments + duplicates + all lost_* + fragments_joined + fragments_held
    "fragments_joined",  # pieces of a datagram beyond its last, which counts as what the datagram turned out to be
    "fragments_held",  # gauge: pieces that wait for the others
    "lost_simulated",  # dropped on purpose, in tests
    "lost_interrupted",  # in hand when the process died
    # payload of the segments read: tcp_bytes = segment_bytes + the five below + discarded_bytes
    "tcp_bytes",
    "duplicate_bytes",
    "shed_bytes",
    "ring_full_bytes",
    "simulated_bytes",
    "interrupted_bytes",
    "unwatched",  # frames that the interface counted while no capture process was there
    "seen_frames",  # gauge: frames that the interface had counted when it was last looked at, 0: not known
    "seen_packets",  # gauge: `packets` and `kernel_dropped` at that moment
    "lost_discarded",  # the road was to end before the rings (`analyze --until capture`)
    "discarded_bytes",
    "lost_other_shard",  # flows that another sensor on the same mirror takes (`shard`)
)

WORKER: Final = (
    *COMMON,
    "segments",
    "segment_bytes",
    "flows",  # gauge
    "flows_total",
    "flows_evicted",
    "flows_idle",
    "stream_bytes",
    "retransmitted_bytes",
    "out_of_order_segments",
    "overlap_conflicts",
    "gaps",
    "gap_bytes",
    "held_bytes",  # gauge: reassembly and message buffers
    "memory_limit_hits",
    "bodies_shed",
    "requests",
    "responses",
    "exchanges",
    "unanswered",
    "response_only",
    "not_http_bytes",
    "http_errors",
    "bypassed",
    "inspected",
    "tier2",  # exchanges that the first tier let through to the full path
    "attacks",  # exchanges with a finding
    "findings",
    "detect_ns",
    "reports",
    "lost_report_ring_full",
    "skipped_records",  # ring records skipped because they killed the worker twice
    "flows_lost",  # open on a predecessor when it died
    "bad_records",  # ring records that are no segment
    # where payload bytes went: published = stream + retransmitted + ignored + reorder_held + abandoned + interrupted +
    # discarded
    "ignored_bytes",
    "reorder_held_bytes",  # gauge
    "abandoned_bytes",
    "truncated_bytes",  # of gap_bytes: cut off by the capture
    "mirror_lost_bytes",  # acknowledged by the receiver, never seen
    "uninspected",  # exchanges, because detection is off
    "http2_flows",  # flows that spoke HTTP/2 in clear
    "websocket_flows",
    "websocket_messages",
    "tls_flows",  # encrypted, not analysed
    "tls_bytes",  # of not_http_bytes
    "tls_decrypted_flows",
    "tls_decrypted_bytes",  # of plaintext
    "tls_no_secret",  # flows not decrypted, by reason
    "tls_unsupported",
    "tls_unauthentic",
    "tls_joined",
    "tls_lost",
    "tls_bad_records",
    "tls_waiting_bytes",  # gauge
    "tls_secrets",  # gauge: sessions
    "key_log_bad_lines",
    "key_log_errors",
    "published_bytes",  # `segment_bytes` at the moment at which the sums of bytes were published
    "interrupted_bytes",  # held, or taken and not yet counted, when the worker died
    "retaken_bytes",  # of segment_bytes: of the segment that a worker which died had in hand, taken again
    # emitted = inspected + bypassed + uninspected + inspection_failures
    "emitted",  # exchanges and WebSocket messages that came to inspection
    "inspection_failures",  # a fault of ours in their inspection, or the worker died over them
    # of those inspected, in part only
    "partial_gap",  # bytes of them were never seen
    "partial_limit",  # a limit of size, number, depth or time cut them
    "ring_corruptions",  # times what lay on a segment ring was no records and was given up
    "rules",  # gauge: detection rules in force
    "own_rules",  # gauge: of them, the operator's
    "rules_refused",  # gauge: 1 while newer own rules are refused and those before stay in force
    "discarded_bytes",  # the road was to end before reassembly (`analyze --until ring`)
    "ignored_findings",  # not reported, because the operator said so
    "weakness_signs",  # signs of weaknesses that were noted
    "weakness_refused",  # gauge: of them, those for which there was no room
    "weakness_ns",  # CPU time of looking for them, measured on one exchange in 64
    "masked_reports",  # in which a mask overwrote something
    "api_requests",  # exchanges that the inventory of APIs took up
    "api_samples",  # of them, those whose parameters were read
    "api_refused",  # requests of endpoints for which there was no room
    "api_digests_lost",  # endpoints' digests that were too large for the ring
    "api_ns",  # CPU time of taking exchanges up, measured on one in 64
    "behavior_cells",  # counts of one control, subject, place and slot of time, handed on
    "behavior_evicted",  # those that gave way to others and are lost
    "behavior_ns",  # CPU time of counting exchanges, measured on one in 64
    "session_requests",  # exchanges put down to a session
    "session_refused",  # of sessions for which there was no room
    "session_digests_lost",  # sessions' digests that were too large for the ring
    "session_ns",  # CPU time of following sessions, measured on one in 64
    "access_lines",  # written to the access log
    "access_left_out",  # exchanges of which it has no line: beyond its rate, or not taken by its file
)

EXPORTER: Final = (
    *COMMON,
    "reports",
    "bad_reports",
    "spooled",
    "spool_bytes",  # gauge
    "spool_segments",  # gauge
    "spool_dropped",
    "spool_corrupt",
    "spool_errors",
    "batches_sent",
    "reports_sent",
    "batch_failures",
    "batch_rejected",
    "cloud_up",  # gauge: 1 when the last call worked
    "backlog",  # gauge: reports spooled, not yet acknowledged
    "scrapes",
    "weaknesses",  # records of weaknesses that workers handed on
    "weaknesses_sent",  # and that the cloud has, after they were merged
    "api_digests",  # endpoints' digests that workers handed on
    "api_digests_sent",  # and that the cloud has, after they were merged
    "behavior_counters",  # counters of behaviour that workers handed on
    "behavior_counters_sent",  # merged ones that the cloud has
    "behavior_dropped",  # counters forgotten for want of room
    "breach_lookups",  # ranges of breached passwords that were asked for
    "breach_failures",  # and not answered
    "breach_found",  # logins with a breached password that a service told of
    "breach_dropped",  # logins that found no room to wait
    "session_digests",  # sessions' digests that workers handed on
    "session_digests_sent",  # merged ones that the cloud has
    "batch_connect_failures",  # of batch_failures: nobody answered at all
    # batch_failures by reason
    "failed_dns",
    "failed_connect",
    "failed_tls",
    "failed_proxy",
    "failed_timeout",
    "failed_broken",
    "failed_unauthorized",
    "failed_throttled",
    "failed_server",
    "failed_answer",
    "reloads",  # of the sensor's settings; these two are written by the supervisor, who has no page
    "reload_errors",
)

CLOUD: Final = (
    *COMMON,
    "batches",
    "duplicate_batches",
    "reports",
    "quarantined",
    "rejected",
)

KINDS: Final[dict[str, tuple[str, ...]]] = {"capture": CAPTURE, "worker": WORKER, "exporter": EXPORTER, "cloud": CLOUD}
