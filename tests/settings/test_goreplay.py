from dataclasses import replace

import pytest

from tcpmirror.errors import SettingsError
from tcpmirror.settings import parse_settings
from tcpmirror.settings.goreplay import FLAGS
from tcpmirror.settings.tree import Source


def load(filter_text: str | None, *arguments: str):
    lines = ["version: 3", "mode: tcp-capture", "goreplay:"]
    lines += [f"  filter: '{filter_text}'"] if filter_text is not None else []
    lines += ["  extra_args:", *(f"    - {argument}" for argument in arguments)]
    return parse_settings("\n".join(lines), "f.yaml")


ANY = Source()
ETH0 = Source(interface="eth0")

FILTERS = {
    "all ports of one interface": ("eth0:", (ETH0,)),
    "one port": ("eth0:80", (replace(ETH0, ports=(80,)),)),
    "ports": ("eth0:80,8080", (replace(ETH0, ports=(80, 8080)),)),
    "one port everywhere": (":80", (replace(ANY, ports=(80,)),)),
    "everything": (":", (ANY,)),
    "empty": ("", (ANY,)),
    "unset": (None, (ANY,)),
    "port 0 is every port": ("eth0:0", (ETH0,)),
    "address": ("192.0.2.1:80", (replace(ANY, hosts=("192.0.2.1",), ports=(80,)),)),
    "every address": ("0.0.0.0:80", (replace(ANY, ports=(80,)),)),
    "IPv6 in brackets": ("[2001:DB8::1]:80", (replace(ANY, hosts=("2001:db8::1",), ports=(80,)),)),
    "every IPv6 address": ("[::]:443", (replace(ANY, ports=(443,)),)),
    "VLAN interface": ("eth0.42:", (Source(interface="eth0.42"),)),
    "alias of an interface": ("eth0:1:80", (Source(interface="eth0:1", ports=(80,)),)),
}


@pytest.mark.parametrize(("text", "sources"), FILTERS.values(), ids=FILTERS)
def test_filter(text: str | None, sources: tuple[Source, ...]) -> None:
    assert load(text).settings.capture.sources == sources


BAD_FILTERS = {
    "no colon": ("eth0", "write `eth0:`"),
    "port too high": ("eth0:65536", "out of range"),
    "port is a word": ("eth0:http", "no decimal integer"),
    "empty port in a list": ("eth0:80,", "no decimal integer"),
    "bare IPv6": ("2001:db8::1:80", "brackets"),
    "not IPv6 in brackets": ("[eth0]:80", "no IPv6 address"),
    "name too long": ("interface-with-a-long-name:80", "is not accepted"),
    "pods": ("k8s://deployment/app:80", "pods"),
}


@pytest.mark.parametrize(("text", "words"), BAD_FILTERS.values(), ids=BAD_FILTERS)
def test_bad_filter_is_named_with_its_line(text: str, words: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(text)
    assert caught.value.line == 4
    assert caught.value.key == "goreplay.filter"
    assert words in str(caught.value)
    assert "`eth0:80`" in caught.value.accepted


VLAN42 = replace(ETH0, vlan_ids=(42,))
ARGUMENTS = {
    "seed's VLAN form, number unquoted": (["-input-raw-vlan", "-input-raw-vlan-vid", "42"], VLAN42),
    "two dashes": (["--input-raw-vlan", "--input-raw-vlan-vid", "42"], VLAN42),
    "with equals signs": (["-input-raw-vlan=true", "-input-raw-vlan-vid=42"], VLAN42),
    "boolean with its value as the next item": (["-input-raw-vlan", "true", "--input-raw-vlan-vid", "'42'"], VLAN42),
    "VLAN flag alone": (["-input-raw-vlan"], ETH0),
    "several VLANs": (
        ["-input-raw-vlan", "-input-raw-vlan-vid", "1", "-input-raw-vlan-vid", "2"],
        replace(ETH0, vlan_ids=(1, 2)),
    ),
    "seed's VXLAN form": (["-input-raw-engine", "vxlan"], ETH0),
    "VXLAN port and VNI": (
        ["-input-raw-engine", "vxlan", "-input-raw-vxlan-port", "8472", "-input-raw-vxlan-vni", "1"],
        replace(ETH0, vxlan_ports=(8472,), vni_allow=(1,)),
    ),
    "negative VNI": (
        ["-input-raw-engine=vxlan", "-input-raw-vxlan-vni", "-7", "-input-raw-vxlan-vni=9"],
        replace(ETH0, vni_allow=(9,), vni_deny=(7,)),
    ),
    "own filter": (
        ["-input-raw-bpf-filter", '"tcp port 80 and host 192.0.2.1"'],
        replace(ETH0, bpf="tcp port 80 and host 192.0.2.1"),
    ),
    "not promiscuous": (["-input-raw-promisc=false"], replace(ETH0, promiscuous=False)),
    "buffer": (["--input-raw-buffer-size", "10mb"], replace(ETH0, buffer_bytes=10 << 20)),
    "engine": (["--input-raw-engine", "af_packet"], replace(ETH0, engine="af_packet")),
    "raw sockets": (["--input-raw-engine", "raw_socket"], replace(ETH0, engine="raw_socket")),
    "interfaces left out": (
        ["-input-raw-ignore-interface", "lo", "-input-raw-ignore-interface", "docker0"],
        replace(ETH0, ignore_interfaces=("lo", "docker0")),
    ),
    "what is so anyway": (
        ["-input-raw-override-snaplen", "-input-raw-track-response", "--input-raw-protocol", "http"],
        ETH0,
    ),
    "the last of one flag counts": (
        ["-input-raw-engine", "libpcap", "-input-raw-engine", "af_packet"],
        replace(ETH0, engine="af_packet"),
    ),
}


@pytest.mark.parametrize(("arguments", "source"), ARGUMENTS.values(), ids=ARGUMENTS)
def test_arguments(arguments: list[str], source: Source) -> None:
    loaded = load("eth0:", *arguments)
    assert loaded.settings.capture.sources == (source,)
    assert loaded.warnings == ()


def test_flags_hold_for_every_input() -> None:
    loaded = load("eth0:80", "-input-raw", "'eth1:'", "-input-raw-vlan", "-input-raw-vlan-vid=5")
    assert [(s.interface, s.ports, s.vlan_ids) for s in loaded.settings.capture.sources] == [
        ("eth0", (80,), (5,)),
        ("eth1", (), (5,)),
    ]


def test_ports_of_one_interface_become_one_source() -> None:
    assert load("eth0:80", "-input-raw", "eth0:443").settings.capture.sources == (replace(ETH0, ports=(80, 443)),)
    assert load("eth0:80", "-input-raw", "'eth0:'").settings.capture.sources == (ETH0,)


FILES = {
    "as filter": ("/x/a.pcap", ["-input-raw-engine", "pcap_file"], Source(kind="file", interface="/x/a.pcap")),
    "with a colon": ("a.pcap:", ["-input-raw-engine", "pcap_file"], Source(kind="file", interface="a.pcap")),
    "with a port": ("a.pcap:80", ["-input-raw-engine", "pcap_file"], Source(kind="file", interface="a.pcap", ports=(80,))),
    "as an argument": (
        None,
        ["-input-raw", "/x/a.pcap", "-input-raw-engine", "pcap_file"],
        Source(kind="file", interface="/x/a.pcap"),
    ),
}


@pytest.mark.parametrize(("text", "arguments", "source"), FILES.values(), ids=FILES)
def test_file(text: str | None, arguments: list[str], source: Source) -> None:
    assert load(text, *arguments).settings.capture.sources == (source,)


BAD_ARGUMENTS = {
    "dangling value flag": (["-input-raw-vlan", "-input-raw-vlan-vid"], 7, "stands without its value"),
    "value flag before a flag": (["-input-raw-vlan-vid", "-input-raw-vlan"], 6, "stands without its value"),
    "value out of range": (["-input-raw-vlan-vid", "5000"], 7, "out of range"),
    "value of the wrong kind": (["-input-raw-vxlan-port=http"], 6, "no decimal integer"),
    "unknown engine": (["-input-raw-engine", "pf_ring"], 7, "is not accepted"),
    "unknown flag": (["-input-raw-vlna"], 6, "did you mean `-input-raw-vlan`"),
    "value of no flag": (["eth0:80"], 6, "belongs to no flag"),
    "flag and value in one item": (["-input-raw-vlan-vid 42"], 6, "two items"),
    "flag twice in one": (["-input-raw-vlan=maybe"], 6, "no boolean"),
    "bad source": (["-input-raw", "eth1"], 7, "write `eth1:`"),
    "unquoted colon at the end": (["-input-raw", "eth1:"], 7, "write 'eth1:'"),
    "a list in the list": (["[a]"], 6, "found a list"),
    "end of flags": (["--"], 6, "unknown flag"),
}


@pytest.mark.parametrize(("arguments", "line", "words"), BAD_ARGUMENTS.values(), ids=BAD_ARGUMENTS)
def test_bad_argument_is_named_with_its_line(arguments: list[str], line: int, words: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load("eth0:", *arguments)
    assert caught.value.line == line
    assert words in str(caught.value)


def test_every_flag_that_means_nothing_warns_once_and_every_other_is_silent() -> None:
    values = {"input-raw-protocol": "http", "input-raw-engine": "libpcap", "input-raw": "eth0:80", "http-pprof": ":8181"}
    seen = 0
    for name, flag in FLAGS.items():
        kind_values = [values[name]] if name in values else ["5s", "42", "64K", "x"]
        for value in kind_values if flag.kind else [None]:
            try:
                loaded = load("eth0:", "-input-raw-vlan", f"-{name}" if value is None else f"-{name}={value}")
            except SettingsError:
                continue
            assert len(loaded.warnings) == (1 if flag.instead else 0), name
            seen += 1
            break
    assert seen == len(FLAGS) >= 23


def test_vlan_ids_without_the_vlan_flag_are_left_out_with_a_warning() -> None:
    loaded = load("eth0:", "-input-raw-vlan-vid", "42")
    assert loaded.settings.capture.sources == (ETH0,)
    assert "no effect without -input-raw-vlan" in loaded.warnings[0]


def test_engine_vxlan_drops_the_port_with_a_warning() -> None:
    loaded = load(":4789", "-input-raw-engine", "vxlan")
    assert loaded.settings.capture.sources == (ANY,)
    assert "takes every TCP port" in loaded.warnings[0]


def test_overlapping_sources_are_warned_of() -> None:
    assert "read twice" in load(":80", "-input-raw", "eth1:80").warnings[0]


def test_arguments_left_empty_are_none() -> None:
    text = "version: 3\nmode: tcp-capture\ngoreplay:\n  filter: 'lo:'\n  extra_args:\n    # - -input-raw-vlan\n"
    assert parse_settings(text, "f").settings.capture.sources == (Source(interface="lo"),)
