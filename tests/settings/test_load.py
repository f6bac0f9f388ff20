import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tcpmirror.errors import EXIT_SETTINGS, SettingsError
from tcpmirror.settings import load_settings, parse_settings
from tcpmirror.settings.reading import SettingsProblemsError
from tcpmirror.settings.tree import IgnoreIps, ProxyHeaders, RequestFilter, Route, Settings, Source

V3 = "version: 3\nmode: tcp-capture\n"
V4 = "version: 4\nmode: tcp-capture-v2\ntcp_stream: {from_interface: {enabled: true}}\n"


def test_seed_file_of_version_3() -> None:
    text = """\
version: 3
mode: tcp-capture
goreplay:
  filter: 'enp7s0:'
  extra_args:
      - -input-raw-engine
      - vxlan
  parse_responses: false
  response_timeout: 1m30s
  url_normalize: false
http_inspector:
  real_ip_header: "X-Real-IP"
  workers: 3
"""
    loaded = parse_settings(text, "f")
    tree = loaded.settings
    assert tree.capture.sources == (Source(interface="enp7s0"),)
    assert (tree.reassembly.parse_responses, tree.reassembly.response_timeout_ns) == (False, 90_000_000_000)
    assert tree.reassembly.url_normalize is False
    assert tree.inspection.proxy_headers == (ProxyHeaders(real_ip=("X-Real-IP",)),)
    assert tree.workers == 3
    assert loaded.warnings == ()


def test_file_of_version_2_names_pairing_middleware() -> None:
    text = "version: 2\nmode: tcp-capture\nmiddleware: {parse_responses: false, response_timeout: 2s}\n"
    assert parse_settings(text, "f").settings.reassembly.response_timeout_ns == 2_000_000_000


def test_file_of_version_4() -> None:
    text = """\
version: 4
mode: "tcp-capture-v2"
tcp_stream:
  from_interface:
    - {enabled: true, interface: eth0, filter: "tcp port 80", snap_len: 1600, promiscuous: false}
    - {enabled: true, interface: eth1, vlan_ids: [7]}
    - {enabled: false, interface: eth2}
  from_vxlan: {enabled: true, vni_filter: [1, 2], filter: "port 80"}
  from_geneve: {enabled: true, listen_addr: "[::]:6081", vni_filter: [3], inner_vni_filter: [4]}
  ignore_ips:
    - {subnets: [10.0.0.5, "2001:db8::/32"], match_type: src}
proxy_headers:
  - {trusted_networks: [10.0.0.0/8], original_host: [X-Forwarded-Host], real_ip: [X-Forwarded-For]}
  - {real_ip: [X-Real-IP]}
input_filters:
  inspect: [{path: ^/api/, headers: {Host: example}}]
  bypass: [{url: healthz, ip_addresses: [192.0.2.1]}]
"""
    loaded = parse_settings(text, "f")
    capture, inspection = loaded.settings.capture, loaded.settings.inspection
    assert capture.sources == (
        Source(interface="eth0", bpf="tcp port 80", snaplen=1600, promiscuous=False),
        Source(interface="eth1", vlan_ids=(7,)),
        Source(kind="vxlan_socket", listen_address="0.0.0.0:4789", vni_allow=(1, 2), inner_bpf="port 80"),
        Source(kind="geneve_socket", listen_address="[::]:6081", vni_allow=(3,), inner_vni_allow=(4,)),
    )
    assert capture.ignore_ips == (IgnoreIps(("10.0.0.5/32", "2001:db8::/32"), "src"),)
    assert inspection.proxy_headers == (
        ProxyHeaders(("10.0.0.0/8",), ("X-Forwarded-Host",), ("X-Forwarded-For",)),
        ProxyHeaders(None, (), ("X-Real-IP",)),
    )
    assert inspection.inspect == (RequestFilter(path="^/api/", headers=(("Host", "example"),)),)
    assert inspection.bypass == (RequestFilter(url="healthz", ip_addresses=("192.0.2.1/32",)),)
    assert loaded.warnings == ()


def test_routes_inherit_what_they_leave_out() -> None:
    text = """\
route_config:
  wallarm_application: 5
  wallarm_mode: off
  routes:
    - host: "*.example.com"
      routes:
        - {route: "~* ^/v[0-9]", wallarm_mode: block}
    - {route: /other, wallarm_application: 6}
"""
    assert parse_settings(V3 + text, "f").settings.inspection.routes == Route(
        application=5,
        mode="off",
        routes=(
            Route(
                host="*.example.com",
                application=5,
                mode="off",
                routes=(Route(route="~* ^/v[0-9]", application=5, mode="block"),),
            ),
            Route(route="/other", application=6, mode="off"),
        ),
    )


def test_no_capture_section_means_every_interface_in_the_older_mode() -> None:
    assert parse_settings(V3, "f").settings == Settings()


def test_empty_values_leave_the_default() -> None:
    assert parse_settings(V3 + "http_inspector: {real_ip_header: ''}\n", "f").settings == Settings()
    assert parse_settings(V3 + "log:\nmetrics: {listen_address: }\nproxy_headers:\n", "f").settings == Settings()


def test_mode_decides_between_two_capture_sections() -> None:
    text = "tcp_stream: {from_interface: {enabled: true, interface: eth4}}\ngoreplay: {filter: 'eth3:'}\n"
    newer = parse_settings("version: 4\nmode: tcp-capture-v2\n" + text, "f")
    older = parse_settings("version: 4\nmode: tcp-capture\n" + text, "f")
    assert [source.interface for source in newer.settings.capture.sources] == ["eth4"]
    assert [source.interface for source in older.settings.capture.sources] == ["eth3"]
    assert "goreplay: not used" in newer.warnings[0]
    assert "tcp_stream: not used" in older.warnings[0]


def test_own_sections() -> None:
    text = """\
workers: 2
limits: {memory: 1GiB, flow_idle: 10s, decode_points: 10}
cloud: {url: "https://cloud.example", token: abc, timeout: 500ms}
console: {enabled: false}
spool: {quota: 100M, segment: 64K}
shedding: {high_water: 90%, low_water: 0.5}
supervisor: {state_dir: /tmp/x, stop_deadline: 3s}
discovery_only: true
"""
    tree = parse_settings(V4 + text, "f").settings
    assert (tree.workers, tree.limits.memory_bytes, tree.limits.flow_idle_ns, tree.limits.decode_points) == (
        2,
        1 << 30,
        10**10,
        10,
    )
    assert (tree.cloud.embedded, tree.cloud.url, tree.cloud.timeout_s) == (False, "https://cloud.example", 0.5)
    assert (tree.console.enabled, tree.spool.quota_bytes, tree.shedding.high_water) == (False, 100 << 20, 0.9)
    assert (tree.supervisor.state_dir, tree.supervisor.stop_deadline_s, tree.discovery_only) == ("/tmp/x", 3.0, True)


REFUSED = {
    "unknown key": ("metrisc: {}\n", "metrisc", 4, "did you mean `metrics`?"),
    "unknown inner key": ("log: {leval: info}\n", "log.leval", 4, "did you mean `level`?"),
    "unknown key of a list item": (
        "proxy_headers:\n  - {real_ips: [a]}\n",
        "proxy_headers[0].real_ips",
        5,
        "did you mean `real_ip`?",
    ),
    "key twice": ("log: {}\nlog: {}\n", "log", 5, "stands in line 4 already"),
    "map for a value": ("metrics: {listen_address: {}}\n", "metrics.listen_address", 4, "found a map"),
    "value for a map": ("metrics: yes\n", "metrics", 4, "'yes'"),
    "value for a list": ("proxy_headers: X-Real-IP\n", "proxy_headers", 4, "where a list belongs"),
    "text for a boolean": ("metrics: {enabled: 'true'}\n", "metrics.enabled", 4, "no boolean"),
    "number for a boolean": ("metrics: {enabled: 1}\n", "metrics.enabled", 4, "true or false"),
    "text for a number": ("workers: four\n", "workers", 4, "no decimal integer"),
    "octal": ("workers: 010\n", "workers", 4, "no decimal integer"),
    "no workers": ("workers: 0\n", "workers", 4, "out of range"),
    "unknown level": ("log: {level: loud}\n", "log.level", 4, "`debug`, `info`"),
    "unknown mode of a route": ("route_config: {wallarm_mode: on}\n", "route_config.wallarm_mode", 4, "`monitoring`"),
    "application 0": ("route_config: {wallarm_application: 0}\n", "route_config.wallarm_application", 4, "out of range"),
    "tenant": ("route_config: {wallarm_partner_client_uuid: me}\n", "route_config.wallarm_partner_client_uuid", 4, "a UUID"),
    "duration without unit": (
        "http_inspector: {wallarm_process_time_limit: 5}\n",
        "http_inspector.wallarm_process_time_limit",
        4,
        "no unit",
    ),
    "listen without port": ("metrics: {listen_address: localhost}\n", "metrics.listen_address", 4, "no port"),
    "listen port too high": ("metrics: {listen_address: ':70000'}\n", "metrics.listen_address", 4, "no port"),
    "listen on a bad address": ("metrics: {listen_address: '300.1.1.1:80'}\n", "metrics.listen_address", 4, "300.1.1.1"),
    "listen on bare IPv6": ("metrics: {listen_address: '::1:80'}\n", "metrics.listen_address", 4, "brackets"),
    "two listeners at one address": (
        "health_check: {listen_address: ':9000'}\n",
        "health_check.listen_address",
        4,
        "taken by",
    ),
    "network": (
        "proxy_headers: [{trusted_networks: [10.0.0.0/33]}]\n",
        "proxy_headers[0].trusted_networks[0]",
        4,
        "no network",
    ),
    "header name": ("http_inspector: {real_ip_header: 'a b'}\n", "http_inspector.real_ip_header", 4, "a header"),
    "header name is no text": (
        "http_inspector: {real_ip_header: yes}\n",
        "http_inspector.real_ip_header",
        4,
        "put it in quotes",
    ),
    "pattern": ("input_filters: {bypass: [{path: '('}]}\n", "input_filters.bypass[0].path", 4, "does not compile"),
    "pattern of a header": (
        "input_filters: {bypass: [{headers: {A: '('}}]}\n",
        "input_filters.bypass[0].headers.A",
        4,
        "compile",
    ),
    "filter without a condition": ("input_filters: {bypass: [{}]}\n", "input_filters.bypass[0]", 4, "no condition"),
    "host glob": ("route_config: {routes: [{host: '[a'}]}\n", "route_config.routes[0].host", 4, "without its `]`"),
    "deep route": (
        "route_config: {routes: [{routes: [{route: x}]}]}\n",
        "route_config.routes[0].routes[0].route",
        4,
        "slash",
    ),
    "share above the whole": ("shedding: {high_water: 120%}\n", "shedding.high_water", 4, "more than the whole"),
    "a shard that is not there": ("shard: {index: 3, count: 3}\n", "shard.index", 4, "no flow would be taken"),
    "low water above high": ("shedding: {low_water: 0.8}\n", "shedding.low_water", 4, "below the high water"),
    "remote cloud without url": ("cloud: {embedded: false}\n", "cloud.url", 0, "nowhere to go"),
    "remote cloud without token": ("cloud: {url: 'https://x'}\n", "cloud.token", 0, "takes nothing without a token"),
    "two clouds": ("cloud: {url: 'https://x', embedded: true, token: a}\n", "cloud.embedded", 4, "both"),
    "url": ("cloud: {url: 'ftp://x', token: a}\n", "cloud.url", 4, "no http(s) URL"),
    "spool of one segment": ("spool: {quota: 1MiB}\n", "spool.segment", 0, "drop the spool"),
    "report ring too small": ("limits: {head: 16MiB}\n", "limits.report_ring", 0, "too small"),
    "size out of range": ("limits: {memory: 1K}\n", "limits.memory", 4, "out of range"),
    "control character": ('console: {title: "a\\nb"}\n', "console.title", 4, "control character"),
    "python tag": ("console: {title: !!python/object/apply:os.system [id]}\n", "console.title", 4, "found a list"),
    "key that is a list": ("? [a]\n: b\n", "(root)", 4, "a plain key"),
    "key of an older version": ("middleware: {parse_responses: true}\n", "middleware", 4, "no key of version 4"),
    "merge of a text": ("log: {<<: x}\n", "log.<<", 4, "unknown key"),
}


@pytest.mark.parametrize(("text", "key", "line", "words"), REFUSED.values(), ids=REFUSED)
def test_bad_value_is_named_with_line_and_key(text: str, key: str, line: int, words: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_settings(V4 + text, "f.yaml")
    error = caught.value
    assert (error.file, error.line, error.key) == ("f.yaml", line, key)
    assert error.accepted
    assert words in str(error)
    assert error.exit_code == EXIT_SETTINGS


SOURCES_REFUSED = {
    "nothing enabled": ("tcp_stream: {from_interface: {interface: eth0}}\n", "no source is enabled"),
    "no section": ("", "no source is enabled"),
    "empty list": ("tcp_stream: {from_interface: []}\n", "no source is enabled"),
    "match type missing": ("tcp_stream: {ignore_ips: [{subnets: [10.0.0.1]}]}\n", "match_type: the key is missing"),
    "file without a path": ("tcp_stream: {from_file: {enabled: true}}\n", "path: the key is missing"),
    "interface name": ("tcp_stream: {from_interface: {enabled: true, interface: a/b}}\n", "name of an interface"),
    "VNI": ("tcp_stream: {from_vxlan: {enabled: true, vni_filter: [16777216]}}\n", "out of range"),
}


@pytest.mark.parametrize(("text", "words"), SOURCES_REFUSED.values(), ids=SOURCES_REFUSED)
def test_bad_source_is_refused(text: str, words: str) -> None:
    with pytest.raises(SettingsError, match="f:") as caught:
        parse_settings("version: 4\nmode: tcp-capture-v2\n" + text, "f")
    assert words in str(caught.value)


HEADS = {
    "no version": ("mode: tcp-capture\n", "version", "the key is missing"),
    "version 1": ("Version: 1\n", "version", "version 1"),
    "future version": ("version: 5\nmode: tcp-capture\n", "version", "2, 3, 4"),
    "version as text": ("version: '4'\nmode: tcp-capture\n", "version", "2, 3, 4"),
    "version is a map": ("version: {}\nmode: tcp-capture\n", "version", "2, 3, 4"),
    "no mode": ("version: 3\n", "mode", "the key is missing"),
    "connector": ("version: 3\nmode: connector-server\n", "mode", "mirrored traffic only"),
    "envoy": ("version: 4\nmode: envoy-external-filter\n", "mode", "mirrored traffic only"),
    "unknown mode": ("version: 4\nmode: capture\n", "mode", "`tcp-capture`"),
    "newer mode in an older file": ("version: 3\nmode: tcp-capture-v2\n", "mode", "version: 4"),
    "newer section in an older file": (
        "version: 3\nmode: tcp-capture\ntcp_stream: {}\n",
        "tcp_stream",
        "no key of version 3",
    ),
}


@pytest.mark.parametrize(("text", "key", "words"), HEADS.values(), ids=HEADS)
def test_bad_version_or_mode(text: str, key: str, words: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_settings(text, "f")
    assert caught.value.key == key
    assert words in str(caught.value)


def test_every_problem_is_told_in_the_order_of_lines() -> None:
    text = V3 + "log: {level: loud}\nmetrisc: 1\nmetrics: {enabled: 5}\n"
    with pytest.raises(SettingsProblemsError) as caught:
        parse_settings(text, "f")
    assert [problem.line for problem in caught.value.problems] == [3, 4, 5]
    assert str(caught.value).count("accepted:") == 3
    assert caught.value.key == "log.level"


def test_a_value_as_long_as_the_file_is_shown_in_part() -> None:
    with pytest.raises(SettingsProblemsError) as caught:
        parse_settings(f"{V3}workers: {'9' * 900_000}\n", "f")
    assert len(str(caught.value)) < 1000


def test_a_thousand_problems_are_told_in_part() -> None:
    with pytest.raises(SettingsProblemsError) as caught:
        parse_settings(V3 + "".join(f"key{index}: 1\n" for index in range(1000)), "f")
    assert "950 more problems" in str(caught.value)


WARNED = {
    "goreplay.path": ("goreplay: {path: /x}\n", "no GoReplay is started"),
    "shm_dir": ("http_inspector: {shm_dir: /tmp}\n", "anonymous"),
    "wallarm_dir": ("http_inspector: {wallarm_dir: /tmp}\n", "rules are built in"),
    "specification database": ("http_inspector: {api_firewall_database: /x.db}\n", "kept by the cloud"),
    "MCP": ("http_inspector: {wmcp_enabled: false}\n", "MCP"),
    "drop_percent": ("http_inspector: {drop_percent: 5}\n", "shedding"),
    "log mask": ("log: {proton_log_mask: 'info@*'}\n", "log.level"),
    "tarantool": ("tarantool_exporter: {address: '127.0.0.1:3313', enabled: true}\n", "spool"),
    "post-analytics": ("postanalytics_exporter: {enabled: false}\n", "spool"),
    "connector": ("connector: {address: ':5050', anything: [1]}\n", "traffic comes from"),
    "envoy": ("envoy_external_filter: {}\n", "traffic comes from"),
    "IP lists": ("acl: {enabled: false}\n", "no IP lists"),
    "overload": ("drop_on_overload: false\n", "a tap cannot hold traffic back"),
    "same thing twice": ("workers: 2\nhttp_inspector: {workers: 3}\n", "`workers` in line 3 says the same"),
    "header beside rules": (
        "http_inspector: {real_ip_header: A}\nproxy_headers: [{real_ip: [B]}]\n",
        "`proxy_headers` says",
    ),
    "trusting nobody": ("proxy_headers: [{trusted_networks: [], real_ip: [B]}]\n", "trusts no peer"),
}


@pytest.mark.parametrize(("text", "words"), WARNED.values(), ids=WARNED)
def test_what_has_no_effect_is_accepted_with_one_warning(text: str, words: str) -> None:
    loaded = parse_settings(V3 + text, "f.yaml")
    assert len(loaded.warnings) == 1
    assert loaded.warnings[0].startswith("f.yaml:")
    assert words in loaded.warnings[0]


def test_ignored_section_is_still_checked() -> None:
    with pytest.raises(SettingsError, match="did you mean `address`"):
        parse_settings(V3 + "postanalytics_exporter: {adress: x}\n", "f")


def test_own_workers_goes_before_the_inspectors() -> None:
    assert parse_settings(V3 + "http_inspector: {workers: 3}\nworkers: 2\n", "f").settings.workers == 2


def test_file_that_cannot_be_read(tmp_path: Path) -> None:
    for path in (tmp_path / "none.yaml", tmp_path, Path("a\0b")):
        with pytest.raises(SettingsError, match="accepted: a YAML file"):
            load_settings(path)


def test_file_with_bytes_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "f.yaml"
    path.write_bytes(b"version: 3\nmode: \xff\n")
    with pytest.raises(SettingsError, match=r"f.yaml:2: .*UTF-8"):
        load_settings(path)


def test_byte_order_mark_and_windows_line_ends_are_taken(tmp_path: Path) -> None:
    path = tmp_path / "f.yaml"
    path.write_bytes(b"\xef\xbb\xbfversion: 3\r\nmode: tcp-capture\r\nworkers: 2\r\n")
    assert load_settings(path).settings == replace(Settings(), workers=2)


def test_huge_file_is_refused_unread() -> None:
    with pytest.raises(SettingsError, match="too big"):
        load_settings(Path("/dev/zero"))


_WORDS = st.sampled_from(
    ["version", "mode", "log", "level", "routes", "goreplay", "extra_args", "limits", "body", "tcp_stream", "x"]
)
_SCALARS = st.sampled_from(
    ["1", "-1", "''", "~", "true", "off", "64K", "5s", "eth0", "':'", "2001-01-01", "!!binary x", "1e999", "'-'"]
)
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]")
        | st.dictionaries(_WORDS, inner, max_size=3).map(
            lambda items: "{" + ", ".join(f"{k}: {v}" for k, v in items.items()) + "}"
        )
    ),
    max_leaves=8,
)


@settings(max_examples=300)
@given(
    st.sampled_from(["goreplay", "tcp_stream", "http_inspector", "route_config", "proxy_headers", "limits", "log", "cloud"]),
    _VALUES,
)
def test_no_file_raises_anything_but_a_settings_error(section: str, value: str) -> None:
    try:
        parse_settings(
            f"{V4.replace('tcp_stream', 'x' if section == 'tcp_stream' else 'tcp_stream')}{section}: {value}\n", "f"
        )
    except SettingsError as error:
        assert error.accepted


@given(
    st.lists(
        st.text(alphabet="-=input-raw:vlan0159.,[]/ ", max_size=24)
        | st.sampled_from(["-input-raw", "-input-raw-vlan-vid=1"])
    )
)
def test_no_argument_raises_anything_but_a_settings_error(items: list[str]) -> None:
    listed = "".join(f"    - '{item}'\n" for item in items)
    try:
        parse_settings(f"{V3}goreplay:\n  extra_args:\n{listed}", "f")
    except SettingsError as error:
        assert error.accepted


UNPROTECTED = {
    "every address": "{listen_address: '0.0.0.0:8088'}",
    "an address of the network": "{listen_address: '192.0.2.1:8088'}",
    "no address": "{listen_address: ':8088'}",
}


@pytest.mark.parametrize("cloud", UNPROTECTED.values(), ids=UNPROTECTED.keys())
def test_embedded_cloud_beyond_loopback_needs_tls_or_a_word(cloud: str) -> None:
    with pytest.raises(SettingsError, match=r"cloud\.listen_address.*in the clear"):
        parse_settings(V3 + f"cloud: {cloud}\n", "f")
    for word in ("tls_certificate: /etc/c.pem", "allow_plaintext: true", "embedded: false, url: 'https://c', token: t"):
        assert not parse_settings(V3 + f"cloud: {cloud[:-1]}, {word}}}\n", "f").warnings


def test_key_without_a_certificate_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"cloud\.tls_key.*a key alone"):
        parse_settings(V3 + "cloud: {tls_key: /etc/c.key}\n", "f")


SINK_FAULTS = {
    "no address": ("{name: a, type: webhook}", "needs a `url`"),
    "another scheme": ("{name: a, type: syslog, url: 'http://x'}", "does not begin with udp://, tcp://, tls://"),
    "no topic": ("{name: a, type: kafka, url: 'x:9092'}", "needs a `target`"),
    "a path from here": ("{name: a, type: file, url: hits.jsonl}", "no absolute path"),
    "the cloud's name": ("{name: cloud, type: stdout}", "sinks"),
    "a name twice": ("{name: a, type: stdout}, {name: a, type: stdout}", "the name of several"),
    "an unknown type": ("{name: a, type: fax}", "`syslog`"),
    "nobody to write to": ("{name: a, type: email, url: 'smtp://x'}", "needs a `target`"),
    "no address of mail": ("{name: a, type: email, url: 'smtp://x', target: 'a@x, b'}", "' b' is no address"),
    "a sender with a name": (
        "{name: a, type: email, url: 'smtp://x', target: 'a@x', headers: {From: 'B <b@x>'}}",
        "'B <b@x>' is no address",
    ),
    "an unknown attack": ("{name: a, type: stdout, types: [sql]}", "`sqli`"),
}


@pytest.mark.parametrize(("sinks", "problem"), SINK_FAULTS.values(), ids=SINK_FAULTS.keys())
def test_a_sink_that_cannot_work_is_refused_with_what_it_lacks(sinks: str, problem: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(problem)):
        parse_settings(f"{V4}sinks: [{sinks}]\n", "f")


def test_a_digest_is_an_hours_unless_told_otherwise() -> None:
    mail = "type: email, url: 'smtps://mail.example', target: 'a@mail.example, b@mail.example'"
    usual, quick = parse_settings(
        f"{V4}sinks: [{{name: a, {mail}}}, {{name: b, {mail}, batch_interval: 1m}}]\n", "f"
    ).settings.sinks
    assert (usual.batch_interval_ns, usual.batch_reports) == (3_600 * 10**9, 10_000)
    assert (quick.batch_interval_ns, quick.batch_reports) == (60 * 10**9, 10_000)


QUEUES = {
    "another scheme": ("{url: 'https://c', token: t, queue: {url: 'kafka://q'}}", "no other queue is spoken"),
    "an embedded cloud": ("{queue: {url: 'nats://q:4222'}}", "takes nothing off a queue"),
}


@pytest.mark.parametrize(("cloud", "problem"), QUEUES.values(), ids=QUEUES.keys())
def test_a_queue_that_cannot_be_is_refused(cloud: str, problem: str) -> None:
    with pytest.raises(SettingsError, match=rf"cloud\.queue\.url.*{problem}"):
        parse_settings(f"{V4}cloud: {cloud}\n", "f")


def test_a_sink_is_read_whole() -> None:
    text = (
        f"{V4}sinks: [{{name: siem, type: syslog, url: 'tls://siem:6514', format: cef, confidence: 50%, hosts: ['*.x']}}]\n"
    )
    (sink,) = parse_settings(text, "f").settings.sinks
    assert (sink.name, sink.url, sink.format, sink.confidence, sink.hosts) == (
        "siem",
        "tls://siem:6514",
        "cef",
        0.5,
        ("*.x",),
    )
