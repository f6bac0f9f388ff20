"""Names that dashboards of this class of node know and this sensor does not serve: where the figure is, or why nowhere.

The names are those that the vendor documents for its node (prefix `wallarm_gonode_`); the comparison is with version 0.25.
"""

from __future__ import annotations

from typing import Final

# Name -> where it is instead, or why it is nowhere.
OTHER_NAMES: Final = {
    "files_apply_timestamp_seconds, files_content_version, files_format_version": "`tcpmirror_worker_rules`, "
    "`tcpmirror_worker_own_rules`; which rules of the cloud are in force is on the page Nodes",
    "http_inspector_ruleset_content_version, http_inspector_ruleset_format_version": "the same",
    "http_inspector_responses_processed_total": '`tcp_reassembler_http_messages_total{type="response"}`',
    "http_inspector_threats_blocked_total": "nothing is blocked; virtual patches are found as attacks of the type `vpatch`",
    "http_inspector_acl_results_total": "no lists are applied to traffic, a mirror cannot block: the cloud "
    "marks what is on one",
    "http_inspector_adjusted_requests_per_period": "`rate()` of `http_inspector_adjusted_counters_total`",
    "http_inspector_bytes_processed_total, http_inspector_bytes_processed_per_period": "`tcp_reassembler_http_bytes_total`",
    "http_inspector_*_per_app_total, http_inspector_*_per_host_total": "of threats found only, the one that "
    "alarms need; requests of a host are in the inventory",
    "http_inspector_flow_avg_time_ms": "`tcpmirror_worker_detect_seconds_total` over `tcpmirror_worker_inspected_total`",
    "http_inspector_mem_allocated_bytes, http_inspector_mem_max_bytes": "`tcpmirror_resident_memory_bytes`, by process",
    "http_inspector_balancer_dropped_total": '`tcp_stream_packets_rejected_total{reason=~"ring_full\\|shed"}`',
    "http_inspector_msgs_ignored_total": "`http_inspector_ignored_total`",
    "*_container_is_overloaded, *_debug_container_len": '`tcpmirror_ledger_end{end="waiting"}`; how full each ring is, '
    "`tcpmirror top` shows",
    "*_step_is_running, *_step_input_messages_total, *_step_output_messages_total": "there are no such "
    "steps here; `tcpmirror_ledger_end` tells where everything ended",
    "postanalytics_exporter_serialized_requests_exported_per_period": "`rate()` of the total",
    "apifw_http_request_duration_seconds, apifw_http_requests_total, apifw_service_errors_total": "specifications are "
    "enforced in the workers, not by a service: `tcpmirror_findings_total` by type",
    "tcp_stream_diag_interface_info, tcp_stream_diag_interface_counters_total": "the node exporter's; what matters "
    "here is `tcpmirror_capture_interface_dropped_total` and `tcpmirror_capture_kernel_received_total`",
    "tcp_reassembler_http_messages_dropped_total": "`tcpmirror_worker_bodies_shed_total` and "
    "`tcpmirror_worker_flows_lost_total`",
    "tcp_reassembler_http_decode_bytes_decoded_total": "bodies are decoded within `limits.body`, and not counted apart",
    "tcp_reassembler_http_unpaired_messages": "`tcpmirror_worker_unanswered_total`, `tcpmirror_worker_response_only_total`",
    "tcp_reassembler_debug_container_len": "`tcpmirror_worker_active_flows`, `tcpmirror_worker_held_bytes`",
    "tcp_stream_tcp_packets_read_total": "`tcp_stream_input_packets_total`, as in the node since 0.24",
    "go_*, and the rest of process_*": "`tcpmirror_cpu_seconds_total`, `tcpmirror_open_files` and the like, by process",
}
