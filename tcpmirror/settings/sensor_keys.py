"""The keys that the native node does not have: our own, each under a name of its own."""

from __future__ import annotations

from typing import Final

from tcpmirror.model.overlap import OVERLAP_POLICIES
from tcpmirror.model.source_kind import SOURCE_KINDS
from tcpmirror.settings.behavior_keys import BEHAVIOR
from tcpmirror.settings.inspection_keys import fields_of
from tcpmirror.settings.kinds import (
    FLAG,
    LISTEN,
    NAMED_PATH,
    NETWORK,
    PATH,
    TEXT,
    URL,
    Choice,
    Duration,
    Fraction,
    Scalar,
    Seconds,
    Size,
    Whole,
)
from tcpmirror.settings.policy_keys import IGNORES, MASKS
from tcpmirror.settings.schema import Key, ListOf, MapOf, Section
from tcpmirror.settings.session_keys import SESSIONS
from tcpmirror.settings.sink_keys import SINKS
from tcpmirror.settings.tree import MIB, SECOND, SourceList

_KIB = 1 << 10
_GIB = 1 << 30
_TIB = 1 << 40
_HOUR = 3600 * SECOND
_MILLISECOND = 1_000_000
_IDLE = Duration(_MILLISECOND, 24 * _HOUR)
_SECONDS = Seconds(_MILLISECOND, _HOUR)
_RING = Size(MIB, 4 * _GIB)
_COUNT = Whole(1, 1 << 20)


def _own(name: str, kind: Scalar, meaning: str, target: str, secret: bool = False) -> Key:
    return Key(name, kind, meaning, target, own=True, secret=secret)


LIMITS: Final = (
    _own(
        "memory",
        Size(0, _TIB),
        "Of the whole sensor: processes, rings, kernel buffers, and the rest for streams and messages, of which the longest "
        "idle flows go first. 0: what the other limits ask for, and 128 MiB for the streams of each worker.",
        "limits.memory_bytes",
    ),
    _own("flow_idle", _IDLE, "An idle flow is closed.", "limits.flow_idle_ns"),
    _own("half_open_idle", _IDLE, "A flow that never carried data is closed.", "limits.half_open_idle_ns"),
    _own("closing_idle", _IDLE, "A flow is forgotten after FIN of both sides or RST.", "limits.closing_idle_ns"),
    _own("flows", Whole(16, 1 << 26), "Flows of one worker; the longest idle one is closed.", "limits.flows"),
    _own(
        "reorder",
        Size(_KIB, _GIB),
        "Out-of-order data held for one direction; then the hole is a gap.",
        "limits.reorder_bytes",
    ),
    _own("reorder_segments", _COUNT, "Out-of-order segments held for one direction.", "limits.reorder_segments"),
    _own(
        "flow_depth",
        Size(0, _TIB),
        "Bytes of each direction of a flow that are analysed; 0: all.",
        "limits.flow_depth_bytes",
    ),
    _own("head", Size(_KIB, 16 * MIB), "Head of a message (nginx: 32 KiB, Apache: 800 KiB).", "limits.head_bytes"),
    _own("header_count", Whole(16, 65_536), "Header lines of a message.", "limits.header_count"),
    _own("body", Size(_KIB, _GIB), "Kept of each body; the rest is counted and hashed only.", "limits.body_bytes"),
    _own("decompressed", Size(_KIB, _GIB), "Decoded of each body.", "limits.decompressed_bytes"),
    _own("decompression_ratio", Whole(2, 1_000_000), "Decoded bytes for one coded byte.", "limits.decompression_ratio"),
    _own("coding_layers", Whole(1, 16), "Codings on one body, one upon the other.", "limits.coding_layers"),
    _own(
        "pipelined_requests",
        Whole(1, 65_536),
        "Requests of one flow that wait for their responses.",
        "limits.pipelined_requests",
    ),
    _own(
        "concurrent_streams",
        Whole(1, 65_536),
        "HTTP/2 streams open on one flow; the oldest is ended then.",
        "limits.concurrent_streams",
    ),
    _own("decode_depth", Whole(1, 64), "Encodings within each other.", "limits.decode_depth"),
    _own("decode_points", _COUNT, "Points of one exchange.", "limits.decode_points"),
    _own("decode", Size(_KIB, _GIB), "Decoded bytes of one exchange, all layers together.", "limits.decode_bytes"),
    _own("export_request", Size(_KIB, 4 * MIB), "Kept of a reported request.", "limits.export_request_bytes"),
    _own("export_response", Size(_KIB, 4 * MIB), "Kept of a reported response.", "limits.export_response_bytes"),
    _own("encapsulation_depth", Whole(1, 32), "Encapsulations within each other.", "limits.encapsulation_depth"),
    _own(
        "fragments",
        _COUNT,
        "IP datagrams in reassembly, for one capture process; together they hold 16 KiB each at most.",
        "limits.fragments",
    ),
    _own("segment_ring", _RING, "Shared memory between one capture process and one worker.", "limits.segment_ring_bytes"),
    _own("report_ring", _RING, "Shared memory between one worker and the exporter.", "limits.report_ring_bytes"),
)

SOURCE_LIST: Final = (
    Key("kind", Choice(tuple(SOURCE_KINDS)), "What is on it.", "kind", own=True),
    Key(
        "from",
        NAMED_PATH,
        "A path, looked at each half minute, or an http(s) URL, asked for each hour.",
        "origin",
        own=True,
        required=True,
        example="/etc/tcpmirror/tor-exits.txt",
    ),
)

QUEUE: Final = (
    Key(
        "url",
        TEXT,
        "`nats://HOST:PORT` or `tls://HOST:PORT`; empty: batches go to the cloud itself.",
        "cloud.queue.url",
        own=True,
        example="tls://queue.example:4222",
    ),
    _own("token", TEXT, "Token that the server asks for.", "cloud.queue.token", secret=True),
    _own("ca_file", PATH, "PEM file of the authority to trust; empty: those of the system.", "cloud.queue.ca_file"),
)

CLOUD: Final = (
    _own("embedded", FLAG, "Start a cloud of our own. Without it `url` and `token` are needed.", "cloud.embedded"),
    _own("url", URL, "A cloud elsewhere; giving it turns `embedded` off.", "cloud.url"),
    _own("token", TEXT, "API token of the role Deploy, for the cloud at `url`.", "cloud.token", secret=True),
    _own("group", TEXT, "Group this sensor is shown in.", "cloud.group"),
    _own("verify_tls", FLAG, "Refuse a cloud whose certificate is not valid.", "cloud.verify_tls"),
    _own(
        "listen_address",
        LISTEN,
        "Embedded: API and console. Beyond loopback it needs `tls_certificate` or `allow_plaintext`.",
        "cloud.listen_address",
    ),
    _own(
        "tls_certificate",
        PATH,
        "Embedded: PEM file with a certificate and its chain; with it, API and console speak TLS.",
        "cloud.tls_certificate",
    ),
    _own("tls_key", PATH, "Embedded: PEM file with its private key; empty: in the same file.", "cloud.tls_key"),
    _own(
        "allow_plaintext",
        FLAG,
        "Embedded: listen beyond loopback without TLS, as behind a proxy that has it.",
        "cloud.allow_plaintext",
    ),
    _own(
        "database",
        PATH,
        "Embedded: the SQLite file, or `postgresql://USER@HOST/DATABASE` (password: libpq's `passfile`); "
        "empty: `cloud.db` in `supervisor.state_dir`.",
        "cloud.database",
    ),
    _own("keep_days", Whole(0, 36_500), "Embedded: reports and attacks older than this go; 0: none do.", "cloud.keep_days"),
    _own(
        "keep_size",
        Size(0, 16 * _TIB),
        "Embedded: where the store is larger, the oldest go; 0: no limit.",
        "cloud.keep_bytes",
    ),
    Key(
        "source_databases",
        ListOf(NAMED_PATH),
        "Embedded: MMDB files (such as GeoLite2 or DB-IP) that tell country, network and kind of a source.",
        "cloud.source_databases",
        own=True,
        example=["/var/lib/GeoIP/GeoLite2-City.mmdb"],
    ),
    Key(
        "source_lists",
        ListOf(Section(lambda: SOURCE_LIST, lambda given: SourceList(**given), fields_of)),
        "Embedded: lists of addresses and networks, one a line, of sources of one kind.",
        "cloud.source_lists",
        own=True,
    ),
    _own(
        "sampling",
        Choice(("automatic", "off", "regular", "extreme")),
        "Embedded: which hits are counted without being kept. `regular`: all but 5 identical ones (type, parameter, target, "
        "method, response code, source) an hour; `automatic`: of what is sent as input the payload counts too, and an "
        "attack keeps 1,000 an hour, a source 10,000; `extreme`: one for each payload an hour; `off`: none.",
        "cloud.sampling",
    ),
    _own("batch_reports", Whole(1, 100_000), "Reports in one batch, at most.", "cloud.batch_reports"),
    _own("batch_interval", Duration(10 * _MILLISECOND, _HOUR), "A batch waits no longer.", "cloud.batch_interval_ns"),
    _own(
        "heartbeat_interval",
        Duration(SECOND, 60 * SECOND),
        "How often the cloud is told how this sensor does, and asked for rules and settings.",
        "cloud.heartbeat_interval_ns",
    ),
    _own("timeout", _SECONDS, "For one delivery.", "cloud.timeout_s"),
    Key("queue", Section(lambda: QUEUE), "A NATS JetStream that batches go by (see docs/scaling.md).", own=True),
)

CONSOLE: Final = (
    _own("enabled", FLAG, "Embedded: serve the web pages too.", "console.enabled"),
    _own("title", TEXT, "What they call themselves.", "console.title"),
)

SPOOL: Final = (
    _own(
        "directory", PATH, "Where findings wait for the cloud; empty: `spool` in `supervisor.state_dir`.", "spool.directory"
    ),
    _own("quota", Size(MIB, 16 * _TIB), "Disk it may take; the oldest segment is dropped and counted.", "spool.quota_bytes"),
    _own("segment", Size(64 * _KIB, _GIB), "Size of one of its files.", "spool.segment_bytes"),
    _own("fsync", FLAG, "Force each batch to disk before it counts as taken.", "spool.fsync"),
)

CAPTURE: Final = (
    _own("deduplicate", FLAG, "Drop the second copy of a packet that the mirror delivers twice.", "capture.deduplicate"),
    _own(
        "duplicate_window",
        Duration(_MILLISECOND // 1000, 100 * _MILLISECOND),
        "A copy comes within this time of the first.",
        "capture.duplicate_window_ns",
    ),
    _own(
        "vlan_in_flow_key",
        FLAG,
        "Keep equal connections of different VLANs apart. Only where both directions carry the same tags.",
        "capture.vlan_in_flow_key",
    ),
    _own("vni_in_flow_key", FLAG, "Keep equal connections of different VNIs apart.", "capture.vni_in_flow_key"),
)

_POLICY = Choice(OVERLAP_POLICIES)
REASSEMBLY: Final = (
    _own(
        "overlap_policy",
        _POLICY,
        "Which copy counts where segments overlap that wait for an earlier one: that of the receiver's system.",
        "reassembly.overlap_policy",
    ),
    Key(
        "overlap_hosts",
        MapOf(NETWORK, _POLICY),
        "Networks of receivers, each with a policy of its own; the smallest one that matches counts.",
        "reassembly.overlap_hosts",
        own=True,
        example={"192.0.2.0/24": "linux"},
    ),
    _own(
        "urgent_data",
        Choice(("in-band", "out-of-band")),
        "Whether a server reads the byte that TCP calls urgent as a part of its stream.",
        "reassembly.urgent_data",
    ),
)

SHARD: Final = (
    _own("index", Whole(0, 1023), "Which share this sensor takes, from 0 on.", "shard.index"),
    _own("count", Whole(1, 1024), "How many sensors receive the same mirror and share its flows.", "shard.count"),
    _own(
        "key",
        TEXT,
        "A secret that all of them have: who does not know it cannot choose which sensor sees a flow.",
        "shard.key",
        secret=True,
    ),
)

SHEDDING: Final = (
    _own("enabled", FLAG, "Under overload skip new flows as wholes, and count them.", "shedding.enabled"),
    _own("high_water", Fraction(), "Fill of a ring at which flows begin to be skipped.", "shedding.high_water"),
    _own("low_water", Fraction(), "Fill of a ring at which they are taken again.", "shedding.low_water"),
)

TLS: Final = (
    _own(
        "key_log",
        PATH,
        "An `SSLKEYLOGFILE` that is followed; TLS whose secrets it has is decrypted (see docs/tls.md). Empty: none is.",
        "tls.key_log",
    ),
    _own("wait", Duration(0, 60 * SECOND), "Records wait so long for a line that comes late.", "tls.wait_ns"),
    _own(
        "waiting",
        Size(64 * _KIB, _GIB),
        "Records of one connection that may wait; then it is given up.",
        "tls.waiting_bytes",
    ),
    _own("sessions", Whole(16, 10_000_000), "Sessions whose secrets each worker remembers.", "tls.sessions"),
    _own("keep", Duration(SECOND, 24 * _HOUR), "Secrets are forgotten after this time.", "tls.keep_ns"),
)

SUPERVISOR: Final = (
    _own("state_dir", NAMED_PATH, "What must outlive a restart: spool, database, keys.", "supervisor.state_dir"),
    _own("run_dir", NAMED_PATH, "Pid file and control socket.", "supervisor.run_dir"),
    _own("stop_deadline", _SECONDS, "For stopping in order; then processes are killed.", "supervisor.stop_deadline_s"),
    _own(
        "restart_backoff",
        _SECONDS,
        "Wait before a dead process is started again; doubled at each death within a minute, to 30 s.",
        "supervisor.restart_backoff_s",
    ),
    _own(
        "heartbeat",
        Seconds(2 * SECOND, _HOUR),  # a process gives a sign of life each second
        "A process silent for so long is killed and started again.",
        "supervisor.heartbeat_s",
    ),
    _own(
        "memory_limit",
        Size(0, _TIB),
        "A process that takes more, without what it shares with others, is ended and started again. "
        "0: twice what `limits.memory` comes to for the whole sensor, and 2 GiB at least.",
        "supervisor.memory_limit_bytes",
    ),
)

SECLANG: Final = (
    _own(
        "directory",
        PATH,
        "Folder of rules in ModSecurity's language, such as the OWASP CRS, or one file; empty: none are run.",
        "inspection.seclang.directory",
    ),
    _own(
        "paranoia_level",
        Whole(1, 4),
        "Level of the CRS: the higher, the more rules and false alarms.",
        "inspection.seclang.paranoia_level",
    ),
    _own(
        "threshold",
        Whole(1, 10_000),
        "Anomaly score from which on a request is a finding.",
        "inspection.seclang.threshold",
    ),
)

INSPECTION: Final = (
    _own("enabled", FLAG, "Look for attacks; `false`: only inventory and metrics.", "inspection.enabled"),
    _own("rules_dir", PATH, "Directory of own rule packs, beside the built-in ones.", "inspection.rules_dir"),
    Key("seclang", Section(lambda: SECLANG), "Rules in ModSecurity's language; off until a directory is named.", own=True),
    Key(
        "ignore",
        IGNORES,
        "Findings that are counted and not reported: those for which all conditions of one entry hold (see docs/rules.md).",
        "inspection.ignore",
        own=True,
    ),
    Key(
        "mask",
        MASKS,
        "Values that are overwritten before anything of an exchange is queued, logged or stored (see docs/policies.md).",
        "inspection.mask",
        own=True,
    ),
)

VULNERABILITIES: Final = (_own("enabled", FLAG, "Look for weaknesses without an attack.", "vulnerabilities.enabled"),)

DISCOVERY: Final = (
    _own("enabled", FLAG, "Learn which APIs there are.", "discovery.enabled"),
    _own("interval", Duration(SECOND, _HOUR), "How often a worker hands on what is new.", "discovery.interval_ns"),
    _own(
        "endpoints",
        Whole(16, 1 << 16),
        "Endpoints that a worker knows at once; requests of further ones are counted and left out.",
        "discovery.endpoints",
    ),
)

SENSOR_KEYS: Final = (
    Key(
        "workers",
        Whole(1, 1024, words=(("auto", 0),)),
        "The same as `http_inspector.workers`, which it goes before.",
        "workers",
        alias=True,
        own=True,
    ),
    _own("discovery_only", FLAG, "Log attacks, but do not export them.", "discovery_only"),
    Key("inspection", Section(lambda: INSPECTION), "Detection.", own=True),
    Key("discovery", Section(lambda: DISCOVERY), "The inventory of APIs.", own=True),
    Key("vulnerabilities", Section(lambda: VULNERABILITIES), "Weaknesses that traffic shows without an attack.", own=True),
    Key("sessions", Section(lambda: SESSIONS), "Which requests belong together.", own=True),
    Key("behavior", Section(lambda: BEHAVIOR), "What takes more than one exchange to be seen.", own=True),
    Key("limits", Section(lambda: LIMITS), "Every bound of the sensor.", own=True),
    Key("cloud", Section(lambda: CLOUD), "Where findings go.", own=True),
    Key("console", Section(lambda: CONSOLE), "Web pages.", own=True),
    Key("spool", Section(lambda: SPOOL), "Findings on disk, until the cloud has them.", own=True),
    Key("sinks", SINKS, "Where findings go beside the cloud (see docs/sinks.md).", "sinks", own=True),
    Key("capture", Section(lambda: CAPTURE), "What happens to every packet that is captured.", own=True),
    Key("reassembly", Section(lambda: REASSEMBLY), "How streams are put together.", own=True),
    Key("shard", Section(lambda: SHARD), "Several sensors on one mirror, each with its share of the flows.", own=True),
    Key("shedding", Section(lambda: SHEDDING), "What happens under overload.", own=True),
    Key("tls", Section(lambda: TLS), "Decryption of mirrored TLS, with secrets that its ends log.", own=True),
    Key("supervisor", Section(lambda: SUPERVISOR), "How processes are watched and stopped.", own=True),
)
