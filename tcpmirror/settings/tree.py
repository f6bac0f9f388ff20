"""The settings tree: every setting of the sensor, frozen, with its default.

Both schema versions (3 and 4) are read into this one tree, and nothing past `settings/` knows which one it was. Sizes are
in bytes, times in nanoseconds unless the name says otherwise; a count of 0 means "no limit" only where the comment says so.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

SECOND = 1_000_000_000
MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Source:
    """One place that frames come from; each gets a capture process of its own."""

    kind: str = "interface"  # interface | file | vxlan_socket | geneve_socket
    engine: str = "libpcap"  # libpcap | af_packet | raw_socket
    interface: str = "any"  # interface name, `any`, or a path when kind is `file`
    ports: tuple[int, ...] = ()  # TCP ports to keep; empty: all
    hosts: tuple[str, ...] = ()  # addresses to keep; empty: all
    bpf: str = ""  # the operator's own filter; empty: one is built from `ports`, `hosts`, tunnels
    snaplen: int = 65535
    promiscuous: bool = True
    buffer_bytes: int = 64 * MIB  # kernel buffer
    vlan_ids: tuple[int, ...] = ()  # keep these VLAN ids only; empty: all, and untagged
    vxlan_ports: tuple[int, ...] = (4789,)  # UDP ports decapsulated as VXLAN
    geneve_ports: tuple[int, ...] = (6081,)
    vni_allow: tuple[int, ...] = ()  # empty: all
    vni_deny: tuple[int, ...] = ()
    inner_vni_allow: tuple[int, ...] = ()
    listen_address: str = ""  # ADDR:PORT of a *_socket source
    inner_bpf: str = ""
    ignore_interfaces: tuple[str, ...] = ()
    fanout: bool = False  # engines af_packet and raw_socket: sources on the same interface share its flows


@dataclass(frozen=True, slots=True)
class IgnoreIps:
    subnets: tuple[str, ...] = ()
    match_type: str = "src_or_dst"  # src | dst | src_or_dst | src_and_dst


@dataclass(frozen=True, slots=True)
class Capture:
    sources: tuple[Source, ...] = (Source(),)
    ignore_ips: tuple[IgnoreIps, ...] = ()
    deduplicate: bool = True  # drop the second copy of a packet that the mirror delivers twice
    vlan_in_flow_key: bool = False  # many mirrors tag the two directions of a connection differently
    vni_in_flow_key: bool = False
    duplicate_window_ns: int = 10_000_000  # a switch may queue a copy so long; far below any retransmission timer


@dataclass(frozen=True, slots=True)
class Reassembly:
    parse_responses: bool = True
    response_timeout_ns: int = 5 * SECOND
    url_normalize: bool = True
    overlap_policy: str = "first"  # which copy of overlapping bytes a receiver keeps; names in model.overlap
    overlap_hosts: tuple[tuple[str, str], ...] = ()  # (network, policy) of the receivers for which that is another one
    urgent_data: str = "in-band"  # in-band | out-of-band


@dataclass(frozen=True, slots=True)
class Limits:
    """Every bound of the road; what happens at each is said beside it and counted."""

    memory_bytes: int = 0  # of the whole sensor, divided by `settings.memory`; 0: as much as the other limits ask for
    streams_bytes: int = 0  # flows and messages of one worker, of which the longest idle go first; 0: its share of the above
    flow_idle_ns: int = 300 * SECOND  # an idle flow is closed
    half_open_idle_ns: int = 30 * SECOND  # a flow that never carried data
    closing_idle_ns: int = 2 * SECOND  # a flow after FIN of both sides or RST
    flows: int = 262_144  # per worker; the longest idle flow is closed
    reorder_bytes: int = 1 * MIB  # out-of-order data held per direction; then the hole becomes a gap
    reorder_segments: int = 4096
    flow_depth_bytes: int = 0  # of each direction of a flow; what follows is counted and not analysed; 0: no limit
    head_bytes: int = 64 * 1024  # request or response head (nginx: 4 x 8 KiB, Apache: 100 x 8 KiB)
    header_count: int = 512
    body_bytes: int = 1 * MIB  # kept of each body; the rest is counted and hashed only
    decompressed_bytes: int = 8 * MIB  # decoded per body, kept or not; then DECOMPRESSION_LIMIT
    decompression_ratio: int = 2048  # output per input byte (Suricata's bomb limit uses the same)
    coding_layers: int = 4  # codings on one body; browsers undo any number
    pipelined_requests: int = 256  # in flight per flow
    concurrent_streams: int = 1024  # HTTP/2 streams open per flow (servers allow 100 to 256); the oldest is ended
    decode_depth: int = 8
    decode_points: int = 4096  # points per exchange
    decode_bytes: int = 4 * MIB  # decoded bytes per exchange, all layers together
    process_time_ns: int = SECOND  # CPU per exchange in detection; then `overlimit_res`
    export_request_bytes: int = 64 * 1024  # of a reported request
    export_response_bytes: int = 16 * 1024
    encapsulation_depth: int = 8
    fragments: int = 1024  # IP datagrams in reassembly per capture process
    segment_ring_bytes: int = 32 * MIB  # per capture process and worker
    report_ring_bytes: int = 16 * MIB  # per worker


@dataclass(frozen=True, slots=True)
class ProxyHeaders:
    trusted_networks: tuple[str, ...] | None = None  # None: trust every peer
    original_host: tuple[str, ...] = ()
    real_ip: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RequestFilter:
    """Conditions are AND-ed; empty ones match everything."""

    path: str = ""  # regular expression
    url: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    ip_addresses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Route:
    host: str = ""  # glob; empty: any
    route: str = ""  # NGINX-like location; empty: any
    application: int = -1
    mode: str = "monitoring"  # monitoring | block | safe_blocking | off
    tenant: str = ""
    routes: tuple[Route, ...] = ()


@dataclass(frozen=True, slots=True)
class Condition:
    """What a value of the request has to be for a rule to apply.

    ``point``: `header.HOST`, `get.id`, `path.0`, `action_name`, `action_ext`, `uri`, `method`, `proto`, `scheme` or
    `application`; ``type``: `equal`, `iequal` (without case), `regex` (found anywhere) or `absent`.
    """

    point: str = ""
    type: str = "equal"
    value: str = ""


@dataclass(frozen=True, slots=True)
class Mask:
    """Values that never leave a worker: they are overwritten in whatever it hands on.

    What has to hold of the request: ``host``, ``path``, ``where``. Which values of it and of its response: those at
    ``point`` or below, those of a ``parameter`` of this name; all of each, or, where ``pattern`` or ``classes`` are given,
    what the expression finds and what is of one of the classes. ``path``, ``parameter`` as in `Ignore`.
    """

    name: str = ""
    host: str = ""
    path: str = ""
    where: tuple[Condition, ...] = ()
    point: str = ""
    parameter: str = ""
    pattern: str = ""
    classes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ignore:
    """Findings that are counted and not reported. All conditions have to hold; an empty one holds for everything.

    ``rules``: ids, with ``*`` and ``?``. ``path`` and ``parameter``: a glob for all of it, or ``~`` and an expression.
    ``point``: names from the outside in with dots, ``*`` for any one; ``networks``: of the client's real address.
    ``parsers``: it was found in what one of these made of the value; ``binary``: in a value that is no text.
    """

    name: str = ""  # never empty in what was read
    rules: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    host: str = ""
    path: str = ""
    point: str = ""
    parameter: str = ""
    networks: tuple[str, ...] = ()
    where: tuple[Condition, ...] = ()
    parsers: tuple[str, ...] = ()
    binary: bool = False


@dataclass(frozen=True, slots=True)
class SecLang:
    directory: str = ""  # of rules in ModSecurity's language; empty: none
    paranoia_level: int = 1
    threshold: int = 5  # of a request's anomaly score


@dataclass(frozen=True, slots=True)
class Inspection:
    enabled: bool = True
    proxy_headers: tuple[ProxyHeaders, ...] = ()
    inspect: tuple[RequestFilter, ...] = ()
    bypass: tuple[RequestFilter, ...] = ()
    routes: Route = field(default_factory=Route)  # the root: its values are the defaults
    rules_dir: str = ""  # own rule packs beside the built-in one
    seclang: SecLang = field(default_factory=SecLang)
    ignore: tuple[Ignore, ...] = ()
    mask: tuple[Mask, ...] = ()
    libdetection: bool = True
    api_specification: bool = True


@dataclass(frozen=True, slots=True)
class Discovery:
    """The inventory of APIs."""

    enabled: bool = True
    interval_ns: int = 10 * SECOND  # how often a worker hands on what is new
    endpoints: int = 4096  # that a worker knows at once; requests of further ones are counted and left out


@dataclass(frozen=True, slots=True)
class Vulnerabilities:
    """Weaknesses that traffic shows without an attack."""

    enabled: bool = True


@dataclass(frozen=True, slots=True)
class Control:
    """What is too much of something in a time; where one is of the same type and counts the same, the longest path decides.

    ``count``: ``requests``, ``values`` (different ones of ``parameters``, of identifiers in paths where that is empty),
    ``paths``, ``payloads``, ``logins`` (with breached passwords), ``agents``; requests with more than ``limit``: ``uploads``
    (bytes of the body), ``graphql`` (what ``type`` says), ``large_answers``, ``slow_answers``, ``surges`` (times what is
    usual there); ``fields``: requests with one that only answers know. ``by``: whose are counted together: of a
    ``source`` address, a ``session``, all (``endpoint``), or an ``account`` (for values). ``path``, ``parameters``: a glob,
    or ``~`` and an expression.
    ``statuses``: of the answer, such as ``404`` and ``5xx``. All conditions have to hold; an empty one holds for everything.
    """

    name: str = ""  # never empty in what was read; that of a built-in control: in its place
    type: str = "brute"
    count: str = "requests"
    by: str = "source"
    host: str = ""
    path: str = ""
    methods: tuple[str, ...] = ()
    parameters: str = ""
    statuses: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    applications: tuple[int, ...] = ()
    values: str = ""  # of the parameters: only those count
    attacks: tuple[str, ...] = ()  # types of those whose payloads count
    window_ns: int = 30 * SECOND
    threshold: int = 30  # what follows it is an attack
    limit: int = 0
    mode: str = "monitoring"  # monitoring | off


@dataclass(frozen=True, slots=True)
class ProfileException:
    """Requests of which no profile is made. ``path``: a glob, or ``~`` and an expression, of a route.

    All conditions have to hold; an empty one holds for everything, but one says something.
    """

    host: str = ""
    path: str = ""
    networks: tuple[str, ...] = ()


# How sure one has to be, in percent of the votes: of eleven detectors that may vote, three, four or six. Off: nobody looks.
SENSITIVITIES: Final = {"off": 0, "paranoid": 25, "normal": 33, "safe": 50}


@dataclass(frozen=True, slots=True)
class Profiles:
    """What somebody's requests are like in an hour, by which bots are told."""

    sensitivity: str = "off"  # one of SENSITIVITIES
    exceptions: tuple[ProfileException, ...] = ()


@dataclass(frozen=True, slots=True)
class Behavior:
    """What takes more than one exchange to be seen."""

    enabled: bool = True
    controls: tuple[Control, ...] = ()  # beside the built-in ones
    profiles: Profiles = field(default_factory=Profiles)
    interval_ns: int = 2 * SECOND  # how often a worker hands on what it counted
    breached_passwords: str = ""  # a file of SHA-1 hashes; empty: the most common passwords
    breached_url: str = ""  # where the exporter asks for ranges of hashes; empty: it does not
    breached_rate: int = 2  # calls a second at most
    breached_timeout_ns: int = 5 * SECOND


@dataclass(frozen=True, slots=True)
class SessionParameter:
    """A parameter that sessions are made of or described by.

    ``type``: ``key`` (requests with the same value are one session), ``user``, ``role`` or ``context``. ``hashed``: only a
    hash of the value leaves the worker; that of a key never does otherwise.
    """

    name: str = ""  # never empty in what was read
    place: str = "header"  # header | cookie | query | form | json
    type: str = "key"
    hashed: bool = False


@dataclass(frozen=True, slots=True)
class Sessions:
    """Which requests belong together."""

    enabled: bool = True
    parameters: tuple[SessionParameter, ...] = ()  # keys before the built-in ones, in this order
    interval_ns: int = 10 * SECOND  # how often a worker hands on what is new
    sessions: int = 4_096  # that a worker follows between two digests; requests of further ones are counted and left out


@dataclass(frozen=True, slots=True)
class AccessLog:
    enabled: bool = False
    verbose: bool = True
    file: str = ""
    rate: int = 10_000  # lines a second of all workers together, 0: no limit


@dataclass(frozen=True, slots=True)
class Log:
    pretty: bool = True
    level: str = "info"  # debug | info | warn | error | fatal
    file: str = "stderr"  # stdout | stderr | a path
    access: AccessLog = field(default_factory=AccessLog)


@dataclass(frozen=True, slots=True)
class Metrics:
    enabled: bool = True
    listen_address: str = ":9000"
    namespace: str = "wallarm_gonode"
    per_host_stats: bool = True
    legacy_status_enabled: bool = True
    legacy_status_address: str = "127.0.0.1:10246"


@dataclass(frozen=True, slots=True)
class Health:
    enabled: bool = True
    listen_address: str = ":8080"


@dataclass(frozen=True, slots=True)
class SourceList:
    """A list of addresses and networks: whoever is on it is of ``kind``; ``origin``: a path or an http(s) URL."""

    kind: str = "malicious"  # names in model.source_kind
    origin: str = ""


@dataclass(frozen=True, slots=True)
class Queue:
    """A NATS JetStream between this sensor and its cloud."""

    url: str = ""  # nats:// or tls://; empty: batches go to the cloud itself
    token: str = field(default="", repr=False)
    ca_file: str = ""  # empty: the authorities of the system


@dataclass(frozen=True, slots=True)
class Cloud:
    """Where findings go; `embedded` starts our own on loopback."""

    embedded: bool = True
    url: str = ""  # of a remote cloud; empty with `embedded`
    token: str = ""  # API token of the role Deploy; empty with `embedded` (made at first start)
    group: str = ""
    verify_tls: bool = True
    listen_address: str = "127.0.0.1:8088"  # embedded: API and console
    tls_certificate: str = ""  # embedded: path of a PEM file; empty: no TLS
    tls_key: str = ""  # embedded: path of its key; empty: in the same file
    allow_plaintext: bool = False  # embedded: listen beyond loopback without TLS
    database: str = ""  # embedded: path of the SQLite file, or postgresql://...; empty: <state_dir>/cloud.db
    keep_days: int = 180  # embedded: older reports and attacks go; 0: none does
    keep_bytes: int = 0  # embedded: the oldest go where the store is larger; 0: no limit
    source_databases: tuple[str, ...] = ()  # embedded: MMDB files that tell country, network and kind of a source
    source_lists: tuple[SourceList, ...] = ()  # embedded
    sampling: str = "automatic"  # embedded: which hits are only counted; names in cloud.sampling
    batch_reports: int = 500
    batch_interval_ns: int = SECOND // 10
    heartbeat_interval_ns: int = 30 * SECOND  # a node silent for two minutes is shown as such
    timeout_s: float = 15.0
    queue: Queue = field(default_factory=Queue)


@dataclass(frozen=True, slots=True)
class Console:
    enabled: bool = True
    title: str = "tcpmirror"


@dataclass(frozen=True, slots=True)
class Spool:
    directory: str = ""  # empty: <state_dir>/spool
    quota_bytes: int = 1024 * MIB  # the oldest segment is dropped and counted
    segment_bytes: int = 4 * MIB
    fsync: bool = True


@dataclass(frozen=True, slots=True)
class Sink:
    """One addressee beside the cloud; which fields it needs depends on its type (see `settings.sink_keys`)."""

    name: str = ""  # never empty in what was read
    type: str = "file"
    url: str = ""
    target: str = ""  # index, topic, subject, bucket
    format: str = "json"  # of a syslog message: json | cef | leef
    token: str = field(default="", repr=False)
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    verify_tls: bool = True
    ca_file: str = ""
    types: tuple[str, ...] = ()  # empty: all
    confidence: float = 0.0
    hosts: tuple[str, ...] = ()  # globs; empty: all
    batch_reports: int = 100
    batch_interval_ns: int = SECOND
    timeout_s: float = 15.0


@dataclass(frozen=True, slots=True)
class Shedding:
    enabled: bool = True
    high_water: float = 0.75  # ring fill at which new flows begin to be skipped
    low_water: float = 0.25  # ring fill at which they are taken again


@dataclass(frozen=True, slots=True)
class Shard:
    """Which part of the flows this sensor takes, where several receive the same mirror."""

    index: int = 0  # from 0 to count - 1
    count: int = 1
    key: str = ""  # the same at all of them; unknown to others, it keeps them from choosing the sensor that sees a flow


@dataclass(frozen=True, slots=True)
class Tls:
    """Decryption of mirrored TLS, where there is a key log."""

    key_log: str = ""  # path of an SSLKEYLOGFILE; empty: TLS is not decrypted
    wait_ns: int = 5 * SECOND  # records wait so long for a line that is late
    waiting_bytes: int = 1 * MIB  # of one connection; then it is given up
    sessions: int = 50_000  # whose secrets each worker remembers
    keep_ns: int = 600 * SECOND  # a session's secrets are forgotten then; its connection goes on


@dataclass(frozen=True, slots=True)
class Supervisor:
    state_dir: str = "/var/lib/tcpmirror"
    run_dir: str = "/run/tcpmirror"
    stop_deadline_s: float = 10.0
    restart_backoff_s: float = 0.5  # doubled at each death within a minute, to 30 s
    heartbeat_s: float = 30.0  # a process silent for so long is killed and restarted
    memory_limit_bytes: int = 0  # of one process, without what it shares; 0: see settings.memory.process_limit


@dataclass(frozen=True, slots=True)
class Simulate:
    """Faults on purpose, in tests; no key of the settings file (see `settings.simulation`)."""

    gap: float = 0.0  # share of segments dropped as if the mirror had lost them; counted as lost_simulated
    ring_full: float = 0.0  # share of segments for which the ring is called full
    slow_worker_ns: int = 0  # that each exchange takes longer
    faults: str = ""  # all of them in the words that asked for them, to be told wherever the sensor is looked at


@dataclass(frozen=True, slots=True)
class Settings:
    version: int = 4
    mode: str = "tcp-capture"
    workers: int = 0  # 0: one per CPU the process may use
    capture: Capture = field(default_factory=Capture)
    reassembly: Reassembly = field(default_factory=Reassembly)
    limits: Limits = field(default_factory=Limits)
    inspection: Inspection = field(default_factory=Inspection)
    log: Log = field(default_factory=Log)
    metrics: Metrics = field(default_factory=Metrics)
    health: Health = field(default_factory=Health)
    cloud: Cloud = field(default_factory=Cloud)
    console: Console = field(default_factory=Console)
    spool: Spool = field(default_factory=Spool)
    sinks: tuple[Sink, ...] = ()
    shard: Shard = field(default_factory=Shard)
    shedding: Shedding = field(default_factory=Shedding)
    tls: Tls = field(default_factory=Tls)
    supervisor: Supervisor = field(default_factory=Supervisor)
    discovery: Discovery = field(default_factory=Discovery)
    vulnerabilities: Vulnerabilities = field(default_factory=Vulnerabilities)
    behavior: Behavior = field(default_factory=Behavior)
    sessions: Sessions = field(default_factory=Sessions)
    discovery_only: bool = False  # detect and log attacks, do not export them
    simulate: Simulate = field(default_factory=Simulate)
