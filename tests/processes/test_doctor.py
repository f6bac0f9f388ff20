"""The doctor names what is wrong with a mirror, for each thing that can be wrong, and nothing when nothing is."""

from __future__ import annotations

import io
import json
import ssl
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP, UDP, fragment
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.layers.vxlan import VXLAN
from scapy.packet import Packet, Raw
from scapy.utils import wrpcap

from tcpmirror.capture.interface_facts import InterfaceFacts
from tcpmirror.capture.pcap_source import KernelStats
from tcpmirror.cli import main
from tcpmirror.errors import EXIT_ENVIRONMENT, EXIT_OK, EXIT_USAGE
from tcpmirror.processes.diagnosis import diagnose
from tcpmirror.processes.doctor import examine_file
from tcpmirror.processes.examination import Examination, write_json, write_table
from tcpmirror.processes.survey import Survey
from tcpmirror.settings.tree import Capture, IgnoreIps, Settings, Source
from tests.traffic import EPOCH, MAC, conversation, request, response

TALK = [(0, request("/a")), (1, response(b"one" * 300)), (0, request("/b")), (1, response(b"two" * 300))]
Frames = list[Packet]


def client_hello(host: str) -> bytes:
    """Return the first flight of this Python's own TLS client."""
    sent, received = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = ssl.create_default_context().wrap_bio(received, sent, server_hostname=host)
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return sent.read()


def talks(count: int = 6, turns: list[tuple[int, bytes]] | None = None, server: str = "10.1.0.2") -> Frames:
    """Return *count* conversations, one after the other."""
    return [
        frame
        for number in range(count)
        for frame in conversation(turns or TALK, port=40000 + number, start=EPOCH + number, server=server)
    ]


def changed(frames: Frames, change: Callable[[Packet], Packet]) -> Frames:
    """Return what *change* makes of each frame, at its time."""
    made = []
    for frame in frames:
        new = change(Ether(bytes(frame)))
        new.time = frame.time
        made.append(new)
    return made


def tagged(frames: Frames, vid: int) -> Frames:
    return changed(frames, lambda frame: Ether(**MAC) / Dot1Q(vlan=vid) / frame[IP])


def in_vxlan(frames: Frames, vni: int = 42, port: int = 4789) -> Frames:
    outer = Ether(**MAC) / IP(src="10.9.0.1", dst="10.9.0.2") / UDP(sport=5555, dport=port)
    # scapy writes the VXLAN flags and reserved fields; Raw keeps it from choosing the port by itself
    return changed(frames, lambda frame: outer / Raw(bytes(VXLAN(flags=0x08, vni=vni) / frame)))


def twice(frames: Frames) -> Frames:
    return [copy for frame in frames for copy in (frame, frame)]


def in_fragments(frames: Frames) -> Frames:
    pieces = []
    for frame in frames:
        for piece in fragment(frame[IP], fragsize=200):
            whole = Ether(**MAC) / piece
            whole.time = frame.time
            pieces.append(whole)
    return pieces


def wrong_sum(frame: Packet) -> Packet:
    frame[TCP].chksum = 0x1234
    return frame


def of_server(frame: Packet) -> bool:
    return bool(frame[TCP].sport == 80)


def chatter() -> Frames:
    return [Ether(**MAC) / ARP(), Ether(**MAC) / IP(dst="224.0.0.251") / UDP(dport=5353) / Raw(b"who")] * 3


PRIVATE = [(0, client_hello("shop.example")), (1, b"\x16\x03\x03\x00\x7a\x02" + bytes(200))]
HTTP_2 = [(0, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"), (1, b"\0\0\0\4\0\0\0\0\0")]
LONG = [(0, request("/a")), (1, response(b"y" * 30_000)), (0, request("/b")), (1, response(b"two"))]

# what is there -> the codes that must be told; nothing else may be a problem or a warning
CAPTURES: dict[str, tuple[Callable[[], Frames], set[str]]] = {
    "healthy": (talks, {"http-is-here"}),
    "healthy, in a VLAN": (lambda: tagged(talks(), 7), {"http-is-here"}),
    "healthy, in VXLAN": (lambda: in_vxlan(talks()), {"http-is-here"}),
    "healthy, one direction after the other": (lambda: sorted(talks(), key=lambda f: int(f.time * 100)), {"http-is-here"}),
    "empty": (list, {"no-packets"}),
    "only what everybody gets": (chatter, {"no-tcp"}),
    "TLS": (lambda: talks(turns=PRIVATE), {"no-http", "encrypted"}),
    "TLS beside HTTP": (lambda: talks() + talks(2, PRIVATE, "10.1.0.9"), {"http-is-here", "encrypted"}),
    "HTTP/2": (lambda: talks(turns=HTTP_2), {"no-http"}),
    "some other protocol": (lambda: talks(turns=[(0, bytes(50)), (1, bytes(60))]), {"no-http"}),
    "requests only": (lambda: [f for f in talks() if not of_server(f)], {"one-sided", "mirror-loss"}),
    "responses only": (lambda: [f for f in talks() if of_server(f)], {"one-sided", "mirror-loss"}),
    "duplicates": (lambda: twice(talks()), {"duplicates", "http-is-here"}),
    "duplicates in another VLAN": (
        lambda: [f for pair in zip(tagged(talks(), 1), tagged(talks(), 2), strict=True) for f in pair],
        {"duplicates", "http-is-here"},
    ),
    "cut packets": (lambda: changed(talks(), lambda f: Ether(bytes(f)[:200])), {"truncated"}),
    "fragments": (lambda: in_fragments(talks()), {"fragments"}),
    "no SYN": (lambda: [f for f in talks() if not f[TCP].flags & 2], {"missing-syn", "http-is-here"}),
    "wrong checksums": (lambda: changed(talks(), wrong_sum), {"bad-checksums", "http-is-here"}),
    "lost packets": (lambda: [f for n, f in enumerate(talks(turns=LONG)) if n % 9 != 7], {"mirror-loss"}),
    "VXLAN on another port": (lambda: in_vxlan(talks(), port=9999), {"no-tcp", "tunnel-port"}),
    "an EtherType of its own": (lambda: changed(talks(), lambda f: Ether(**MAC, type=0x88B5) / Raw(bytes(60))), {"no-tcp", "unknown-ethertype"}),
}  # fmt: skip


def examined(folder: Path, frames: Frames, source: Source | None = None, chosen: Settings | None = None) -> Examination:
    path = folder / "mirror.pcap"
    wrpcap(str(path), frames, linktype=1)
    return examine_file(str(path), chosen or Settings(), source)


def codes(examination: Examination, *levels: str) -> set[str]:
    return {advice.code for advice in examination.advice if not levels or advice.level in levels}


@pytest.mark.parametrize(("make", "expected"), CAPTURES.values(), ids=CAPTURES.keys())
def test_what_is_wrong_is_named_and_nothing_else(make: Callable[[], Frames], expected: set[str], tmp_path: Path) -> None:
    found = examined(tmp_path, make())
    assert expected <= codes(found)
    assert codes(found, "problem", "warning") <= expected


CONFIGURATIONS: dict[str, tuple[Callable[[], Frames], Source, set[str], str]] = {
    "all is kept": (talks, Source(), set(), ""),
    "its port is kept": (talks, Source(ports=(80,)), set(), ""),
    "another port": (talks, Source(ports=(8080,)), {"filtered", "wrong-ports"}, "ports"),
    "another VLAN": (lambda: tagged(talks(), 7), Source(vlan_ids=(8,)), {"filtered", "wrong-vlan-ids"}, "vlan_ids"),
    "another VNI": (lambda: in_vxlan(talks()), Source(vni_allow=(1,)), {"filtered", "wrong-vni-filter"}, "vni_filter"),
    "a VNI that is denied": (lambda: in_vxlan(talks()), Source(vni_deny=(42,)), {"filtered"}, "vni_deny"),
    "a nested VNI": (lambda: in_vxlan(talks()), Source(inner_vni_allow=(1,)), {"filtered"}, "inner_vni_filter"),
    "another host": (talks, Source(hosts=("10.7.7.7",)), {"filtered"}, "hosts"),
    "another VXLAN port": (lambda: in_vxlan(talks()), Source(vxlan_ports=(4444,)), {"filtered"}, "tunnel ports"),
    "a filter without VLANs": (lambda: tagged(talks(), 7), Source(bpf="tcp port 80"), {"filtered"}, "filter"),
    "a filter that keeps": (talks, Source(bpf="tcp port 80"), set(), ""),
}


@pytest.mark.parametrize(("make", "source", "expected", "setting"), CONFIGURATIONS.values(), ids=CONFIGURATIONS.keys())
def test_what_a_configuration_leaves_out_is_named_with_its_setting(
    make: Callable[[], Frames], source: Source, expected: set[str], setting: str, tmp_path: Path
) -> None:
    frames = make()
    found = examined(tmp_path, frames, source)
    assert codes(found, "problem", "warning") == expected
    [place] = found.survey.places.values()
    assert dict(place.filtered) == ({setting: len(frames)} if setting else {})


def test_ignored_addresses_are_named_as_such(tmp_path: Path) -> None:
    chosen = Settings(capture=Capture(ignore_ips=(IgnoreIps(("10.1.0.0/16",)),)))
    found = examined(tmp_path, talks(), Source(), chosen)
    [place] = found.survey.places.values()
    assert list(place.filtered) == ["ignore_ips"]
    [advice] = [advice for advice in found.advice if advice.code == "filtered"]
    assert "`ignore_ips: [10.1.0.0/16]`" in advice.what
    assert "they are of 10.1.0.2" in advice.what
    assert "take [10.1.0.0/16] out of `ignore_ips`" in advice.todo


# id -> (traffic, configuration, value of the setting, what was seen instead)
INSTEAD: dict[str, tuple[Callable[[], Frames], Source, str, str]] = {
    "port": (talks, Source(ports=(8080, 8081)), "`ports: [8080, 8081]`", "they are of 80 ("),
    "address": (talks, Source(hosts=("10.7.7.7",)), "`hosts: [10.7.7.7]`", "10.1.0.2 ("),
    "VLAN": (lambda: tagged(talks(), 7), Source(vlan_ids=(8,)), "`vlan_ids: [8]`", "they are of 7 ("),
    "no VLAN": (talks, Source(vlan_ids=(8,)), "`vlan_ids: [8]`", "they are of untagged ("),
    "denied VNI": (lambda: in_vxlan(talks()), Source(vni_deny=(7, 42)), "`vni_deny: [7, 42]`", "they are of 42 ("),
    "VNI": (lambda: in_vxlan(talks()), Source(vni_allow=(1,)), "`vni_filter: [1]`", "they are of 42 ("),
    "filter": (talks, Source(bpf="tcp port 8080"), "`filter: tcp port 8080`", "they are of 10.1.0.2:80 ("),
}


@pytest.mark.parametrize(("make", "source", "wanted", "seen"), INSTEAD.values(), ids=INSTEAD.keys())
def test_the_value_configured_and_what_was_seen_instead_are_named(
    make: Callable[[], Frames], source: Source, wanted: str, seen: str, tmp_path: Path
) -> None:
    [advice] = [advice for advice in examined(tmp_path, make(), source).advice if advice.code == "filtered"]
    assert wanted in advice.what
    assert seen in advice.what
    assert f"`{wanted.strip('`').split(':')[0]}`" in advice.todo or "filter" in advice.todo


def test_a_filter_on_what_is_no_http_is_only_a_note(tmp_path: Path) -> None:
    found = examined(tmp_path, talks() + changed(talks(turns=PRIVATE), port_443), Source(ports=(80,)))
    assert "filtered" in codes(found, "note")


def port_443(frame: Packet) -> Packet:
    raw = bytearray(bytes(frame))
    at = 34 if frame[TCP].sport == 80 else 36
    raw[at : at + 2] = (443).to_bytes(2, "big")
    return Ether(bytes(raw))


def test_the_sums_are_those_of_the_traffic(tmp_path: Path) -> None:
    frames = tagged(talks(3), 100) + in_vxlan(talks(2, server="10.1.0.7")) + talks(1, PRIVATE, "10.1.0.8")
    found = examined(tmp_path, frames).described()
    rows = {(place["vlan"], place["vni"]): place for place in found["places"]}
    assert sum(place["packets"] for place in found["places"]) == found["packets"] == len(frames)
    assert {key: row["protocols"] for key, row in rows.items()} == {
        (100, None): {"HTTP/1": 3},
        (None, 42): {"HTTP/1": 2},
        (None, None): {"TLS": 1},
    }
    assert found["exchanges"] == 10
    assert rows[None, None]["tls_server_names"] == {"shop.example": 1}
    assert rows[None, 42]["tunnels"] == {"vxlan": len(talks(2))}
    assert rows[100, None]["server_ports"] == [{"port": 80, "flows": {"HTTP/1": 3}}]
    assert all(row["loss"] == 0 for row in rows.values())


def test_which_direction_is_missing_is_said(tmp_path: Path) -> None:
    for keep, word in ((of_server, "requests"), (lambda frame: not of_server(frame), "responses")):
        found = examined(tmp_path, [frame for frame in talks() if keep(frame)])
        [advice] = [advice for advice in found.advice if advice.code == "one-sided"]
        assert f"so that {word} come too" in advice.todo


def test_the_table_and_the_json_say_the_same(tmp_path: Path) -> None:
    found = examined(tmp_path, tagged(talks(), 7), Source(vlan_ids=(8,)))
    table, document = io.StringIO(), io.StringIO()
    write_table([found], table)
    write_json([found], document)
    [told] = json.loads(document.getvalue())["examinations"]
    for advice in told["advice"]:
        assert advice["what"][:60] in " ".join(table.getvalue().split())
    assert "│ 7 " in table.getvalue()


def test_the_command_takes_files_and_says_what_it_needs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mirror.pcap"
    wrpcap(str(path), talks())
    assert main(["doctor", str(path), "--json"]) == EXIT_OK
    assert json.loads(capsys.readouterr().out)["examinations"][0]["exchanges"] == 12
    assert main(["doctor", str(path)]) == EXIT_OK
    assert "12 HTTP exchanges could be rebuilt" in capsys.readouterr().out
    assert main(["doctor"]) == EXIT_USAGE
    assert main(["doctor", str(tmp_path / "none.pcap")]) == EXIT_ENVIRONMENT
    assert main(["doctor", "-i", "nosuch0"]) == EXIT_ENVIRONMENT


def test_a_cut_file_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    path = tmp_path / "cut.pcap"
    wrpcap(str(path), talks())
    path.write_bytes(path.read_bytes()[:-7])
    found = examine_file(str(path), Settings(), None)
    assert "cut-file" in codes(found, "problem")
    assert found.survey.exchanges == 12


ETH0 = InterfaceFacts("eth0", 1500, is_up=True, has_carrier=True, received=5, dropped=0, gro=True, lro=None)
SILENT = {
    "down": (replace(ETH0, is_up=False), "interface-down"),
    "no link": (replace(ETH0, has_carrier=False), "no-carrier"),
    "silent": (ETH0, "no-packets"),
}


@pytest.mark.parametrize(("facts", "code"), SILENT.values(), ids=SILENT.keys())
def test_why_an_interface_is_silent_is_told(facts: InterfaceFacts, code: str) -> None:
    assert [advice.code for advice in diagnose("eth0", Survey(1, Settings()), None, facts, KernelStats())] == [code]


def test_joined_frames_and_drops_of_the_kernel_are_told() -> None:
    survey = Survey(1, Settings())
    for frame in conversation([(0, request()), (1, response(b"x" * 9000))], segment=20_000):
        survey(int(frame.time * 10**9), bytes(frame))
    survey.finish()
    found = {advice.code: advice for advice in diagnose("eth0", survey, None, ETH0, KernelStats(10, 4, 1))}
    assert {"receive-offload", "kernel-drops"} <= found.keys()
    assert "GRO on, LRO unknown" in found["receive-offload"].what
    assert "5 packets" in found["kernel-drops"].what


def test_a_filter_that_cannot_be_used_on_the_link_is_told() -> None:
    survey = Survey(0, Settings(), Source(bpf="vlan 7"), "vlan 7")
    survey(1, b"\x02\0\0\0" + bytes(IP() / TCP()))
    survey.finish()
    advice = diagnose("lo0", survey, Source(bpf="vlan 7"), None, KernelStats())
    assert [one.level for one in advice if one.code == "filter-refused"] == ["problem"]


@settings(deadline=None)
@given(st.lists(st.binary(max_size=120), max_size=20), st.sampled_from([0, 1, 101, 113, 276, 147]))
def test_no_bytes_make_a_survey_raise(frames: list[bytes], link_type: int) -> None:
    survey = Survey(link_type, Settings(), Source(ports=(80,)), "tcp port 80")
    for number, frame in enumerate(frames):
        survey(number, frame)
    survey.finish()
    diagnose("x", survey, Source(ports=(80,)), None, KernelStats())


# What the doctor counts of a place -> what `analyze` counts of the same file.
SAME = {
    "packets": "packets",
    "segments": "segments",
    "duplicates": "duplicates",
    "fragments_joined": "fragments_joined",
    "flows_total": "flows",
    "exchanges": "exchanges",
    "gaps": "gaps",
    "gap_bytes": "gap_bytes",
    "not_http_bytes": "not_http_bytes",
}


@pytest.mark.parametrize("name", CAPTURES)
def test_the_doctor_counts_what_the_sensor_counts(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frames = CAPTURES[name][0]()
    survey = examined(tmp_path, frames).survey
    assert main(["analyze", "--until", "http", "--workers", "1", str(tmp_path / "mirror.pcap")]) == EXIT_OK
    analysed = json.loads(capsys.readouterr().out)
    counts = survey.counts | {"duplicates": sum(place.duplicates for place in survey.places.values())}
    assert {mine: counts[mine] for mine in SAME} == {mine: analysed[theirs] for mine, theirs in SAME.items()}
    assert survey.exchanges == analysed["exchanges"]
    assert [ledger.difference for ledger in survey.ledgers] == [0, 0, 0]
    for ledger in survey.ledgers[:2]:
        assert ledger.described() == analysed["ledgers"][ledger.unit]


def test_one_flow_has_one_protocol_the_sensors(tmp_path: Path) -> None:
    upgrade = request("/chat", Upgrade="websocket", Connection="Upgrade", Sec_WebSocket_Key="dGhlIHNhbXBsZSBub25jZQ==")
    switched = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
    kinds = {
        "HTTP/1": TALK,
        "WebSocket": [(0, upgrade), (1, switched), (1, b"\x81\x02hi")],
        "TLS": PRIVATE,
        "HTTP/2": HTTP_2,
        "unknown": [(0, b"SSH-2.0-OpenSSH_9.6\r\n"), (1, b"SSH-2.0-OpenSSH_9.6\r\n")],
    }
    frames = [frame for number, turns in enumerate(kinds.values()) for frame in talks(1, turns, f"10.1.0.{number + 2}")]
    [place] = examined(tmp_path, frames).survey.places.values()
    assert place.protocols == dict.fromkeys(kinds, 1)
