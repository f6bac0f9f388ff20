from dataclasses import fields, is_dataclass, replace

from hypothesis import given, settings
from hypothesis import strategies as st

from tcpmirror.settings import describe_settings, parse_settings
from tcpmirror.settings.assemble import with_value
from tcpmirror.settings.rows import rows
from tcpmirror.settings.tree import (
    AccessLog,
    Cloud,
    IgnoreIps,
    ProxyHeaders,
    RequestFilter,
    Route,
    Settings,
    Simulate,
    Source,
)

PORTS = st.lists(st.integers(1, 65535), max_size=3).map(tuple)
VNIS = st.lists(st.integers(0, (1 << 24) - 1), max_size=3).map(tuple)
WORDS = st.text(alphabet="abc:#'\" é-{}&*!|>%@`,0", max_size=12)
NAMES = st.from_regex(r"[a-z]{1,10}[0-9]{0,3}", fullmatch=True)
NETWORKS = st.lists(st.ip_addresses().map(lambda ip: f"{ip}/{ip.max_prefixlen}"), max_size=2).map(tuple)
HEADERS = st.lists(st.from_regex(r"[A-Z][a-z-]{1,10}", fullmatch=True), max_size=2).map(tuple)

SELECTION = {
    "ports": PORTS,
    "hosts": st.lists(st.ip_addresses().map(str), max_size=2).map(tuple),
    "bpf": WORDS,
    "vlan_ids": st.lists(st.integers(0, 4095), max_size=3).map(tuple),
    "vxlan_ports": PORTS,
    "geneve_ports": PORTS,
    "vni_allow": VNIS,
    "vni_deny": VNIS,
    "inner_vni_allow": VNIS,
    "inner_bpf": WORDS,
}
BUFFER = st.integers(1 << 16, 1 << 30)
INTERFACES = st.builds(
    Source,
    kind=st.just("interface"),
    engine=st.sampled_from(["libpcap", "af_packet", "raw_socket"]),
    interface=NAMES,
    snaplen=st.integers(64, 262_144),
    promiscuous=st.booleans(),
    buffer_bytes=BUFFER,
    ignore_interfaces=st.lists(NAMES, max_size=2).map(tuple),
    **SELECTION,
)
FILES = st.builds(Source, kind=st.just("file"), interface=NAMES, **SELECTION)
LISTENING = {
    "listen_address": st.sampled_from(["0.0.0.0:4789", "[::1]:6081", ":5000"]),
    "vni_allow": VNIS,
    "vni_deny": VNIS,
    "inner_bpf": WORDS,
    "ports": PORTS,
    "buffer_bytes": BUFFER,
}
VXLAN = st.builds(Source, kind=st.just("vxlan_socket"), **LISTENING)
GENEVE = st.builds(Source, kind=st.just("geneve_socket"), inner_vni_allow=VNIS, **LISTENING)
SOURCES = st.tuples(*(st.lists(kind, max_size=2) for kind in (INTERFACES, VXLAN, GENEVE, FILES))).map(
    lambda kinds: tuple(source for sources in kinds for source in sources)
)

PATTERN = st.sampled_from(["", "^/api", "(?i)a|b", "[0-9]{2}: #"])
FILTERS = (
    st.builds(
        RequestFilter,
        path=PATTERN,
        url=PATTERN,
        headers=st.dictionaries(st.sampled_from(["Host", "X-A"]), PATTERN).map(lambda pairs: tuple(pairs.items())),
        ip_addresses=NETWORKS,
    )
    .filter(lambda one: one != RequestFilter())
    .map(lambda one: (one,))
) | st.just(())
ROUTE_VALUES = {
    "application": st.integers(1, 100) | st.just(-1),
    "mode": st.sampled_from(["monitoring", "block", "safe_blocking", "off"]),
    "tenant": st.uuids().map(str) | st.just(""),
}
INNER = st.builds(
    Route,
    host=st.sampled_from(["", "*.x", "a"]),
    route=st.sampled_from(["", "/a", "= /b", "~ ^/c"]),
    routes=st.just(()),
    **ROUTE_VALUES,
)
ROUTES = st.recursive(
    INNER, lambda inner: st.builds(replace, INNER, routes=st.lists(inner, max_size=2).map(tuple)), max_leaves=4
)


@settings(max_examples=60, deadline=None)
@given(
    SOURCES.filter(bool),
    st.lists(st.builds(IgnoreIps, NETWORKS, st.sampled_from(["src", "dst", "src_or_dst", "src_and_dst"])), max_size=2).map(
        tuple
    ),
    st.lists(st.builds(ProxyHeaders, st.none() | NETWORKS, HEADERS, HEADERS), max_size=2).map(tuple),
    FILTERS,
    FILTERS,
    st.builds(Route, routes=st.lists(ROUTES, max_size=2).map(tuple), **ROUTE_VALUES),
)
def test_described_records_read_as_the_same_tree(sources, ignore, proxies, inspect, bypass, routes) -> None:
    tree = Settings()
    tree = replace(tree, capture=replace(tree.capture, sources=sources, ignore_ips=ignore))
    tree = replace(
        tree, inspection=replace(tree.inspection, proxy_headers=proxies, inspect=inspect, bypass=bypass, routes=routes)
    )
    assert parse_settings(describe_settings(tree), "f").settings == tree


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_described_values_read_as_the_same_tree(data: st.DataObject) -> None:
    tree = Settings()
    for path, default in leaves(Settings()):
        if isinstance(default, bool) and path[-1] != "embedded":
            tree = with_value(tree, list(path), data.draw(st.booleans(), label=".".join(path)))
        elif path == ("limits", "memory_bytes"):  # what is too little depends on the other limits
            enough = st.just(0) | st.integers((1 << 40) - 7, 1 << 40)
            tree = with_value(tree, list(path), data.draw(enough, label="limits.memory_bytes"))
        elif isinstance(default, int) and path[0] == "limits" and path[1] != "streams_bytes":
            tree = with_value(tree, list(path), default + data.draw(st.integers(0, 7), label=".".join(path)))
    tree = replace(tree, shedding=replace(tree.shedding, low_water=data.draw(st.floats(0.0001, 0.4))))
    tree = replace(tree, supervisor=replace(tree.supervisor, heartbeat_s=data.draw(st.integers(20_000, 36_000_000)) / 1e4))
    tree = replace(tree, console=replace(tree.console, title=data.draw(WORDS)), workers=data.draw(st.integers(0, 1024)))
    tree = replace(tree, log=replace(tree.log, access=AccessLog(True, False, data.draw(WORDS))))
    assert parse_settings(describe_settings(tree), "f").settings == tree


def leaves(node: object, path: tuple[str, ...] = ()):
    for field in fields(node):
        value = getattr(node, field.name)
        if is_dataclass(value):
            yield from leaves(value, (*path, field.name))
        else:
            yield (*path, field.name), value


def test_every_field_of_the_tree_has_a_key() -> None:
    targets = {row.key.target for row in rows() if not row.key.alias and 4 in row.key.versions}
    without = {".".join(path) for path, _ in leaves(Settings())} - targets
    # The version is that of the file written; sources and routes are records, whose identity is tested above.
    routes = {f"inspection.routes.{field.name}" for field in fields(Route)}
    simulate = {f"simulate.{field.name}" for field in fields(Simulate)}  # faults for tests stand in no settings file
    faults = simulate | {"limits.streams_bytes"}
    assert without == {"version", "capture.sources"} | routes | faults


def test_mode_is_kept() -> None:
    tree = replace(Settings(), mode="tcp-capture-v2")
    assert parse_settings(describe_settings(tree), "f").settings == tree


def test_token_is_hidden_on_request_only() -> None:
    tree = replace(Settings(), cloud=Cloud(embedded=False, url="https://x", token="s3cret"))
    assert parse_settings(describe_settings(tree), "f").settings == tree
    assert "s3cret" not in describe_settings(tree, hide_secrets=True)
