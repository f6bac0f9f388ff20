"""The keys of version 3 and 4 about log, metrics and health, and those of parts that this sensor has no need of."""

from __future__ import annotations

from tcpmirror.settings.kinds import FLAG, LISTEN, METRIC_PREFIX, NAMED_PATH, PATH, TEXT, Choice, Whole
from tcpmirror.settings.schema import Anything, Key, Section

ACCESS_LOG = (
    Key("enabled", FLAG, "Log one line for each exchange (in the native node: on by default).", "log.access.enabled"),
    Key("verbose", FLAG, "Say more about each exchange.", "log.access.verbose"),
    Key("log_file", PATH, "`stdout`, `stderr` or a path; empty: where `log.log_file` goes.", "log.access.file"),
    Key(
        "rate",
        Whole(0, 10_000_000),
        "Lines a second at most, all workers together; what is beyond is counted and left out; 0: no limit.",
        "log.access.rate",
        own=True,
    ),
)

LOG = (
    Key("pretty", FLAG, "Text for people; `false`: one JSON object a line.", "log.pretty"),
    Key(
        "level",
        Choice(("debug", "info", "warn", "error", "fatal"), (("warning", "warn"),)),
        "The least grave messages that are still logged.",
        "log.level",
    ),
    Key("log_file", NAMED_PATH, "`stdout`, `stderr` or a path.", "log.file"),
    Key("access_log", Section(lambda: ACCESS_LOG), "A log of exchanges."),
    Key(
        "proton_log_mask",
        TEXT,
        "Log mask of the native node's engine.",
        default="info+@*",
        instead="that engine does not run here; `log.level` decides what is logged",
    ),
)

LEGACY_STATUS = (
    Key("enabled", FLAG, "Serve the JSON page `/wallarm-status`.", "metrics.legacy_status_enabled"),
    Key("listen_address", LISTEN, "Where it is served.", "metrics.legacy_status_address"),
)

METRICS = (
    Key("enabled", FLAG, "Serve Prometheus metrics at `/metrics`.", "metrics.enabled"),
    Key("listen_address", LISTEN, "Where they are served; `:9000` is every address.", "metrics.listen_address"),
    Key("namespace", METRIC_PREFIX, "What each metric's name begins with.", "metrics.namespace"),
    Key("per_host_stats", FLAG, "Also count by host (`*_per_host_total`).", "metrics.per_host_stats"),
    Key("legacy_status", Section(lambda: LEGACY_STATUS), "The status page of older monitoring."),
)

HEALTH = (
    Key("enabled", FLAG, "Serve `/live` and `/ready`.", "health.enabled"),
    Key("listen_address", LISTEN, "Where they are served.", "health.listen_address"),
)

POSTANALYTICS = (
    Key("address", LISTEN, "Address of the native node's store.", default="127.0.0.1:3313"),
    Key("enabled", FLAG, "Whether it is used.", default=True),
)

ACL = (Key("enabled", FLAG, "IP lists of the native node.", default=True),)

_TO_CLOUD = "findings go to the spool and from there to `cloud`; no such store runs here"

SERVICE_KEYS = (
    Key("log", Section(lambda: LOG), "Where the sensor logs, and how much."),
    Key("metrics", Section(lambda: METRICS), "Figures for Prometheus."),
    Key("health_check", Section(lambda: HEALTH), "Pages for a service monitor."),
    Key("postanalytics_exporter", Section(lambda: POSTANALYTICS), "The native node's store.", instead=_TO_CLOUD),
    Key("tarantool_exporter", Section(lambda: POSTANALYTICS), "The native node's store, up to 0.12.", instead=_TO_CLOUD),
    Key("acl", Section(lambda: ACL), "IP lists.", instead="a sensor that cannot block applies no IP lists"),
    Key(
        "drop_on_overload",
        FLAG,
        "Drop input when the node cannot keep up.",
        default=True,
        instead="a tap cannot hold traffic back; `shedding` says which flows are skipped under overload",
    ),
    Key(
        "connector", Anything(), "Connector mode.", default={}, instead="traffic comes from `goreplay` or `tcp_stream` only"
    ),
    Key(
        "envoy_external_filter",
        Anything(),
        "Envoy mode.",
        default={},
        instead="traffic comes from `goreplay` or `tcp_stream` only",
    ),
)
