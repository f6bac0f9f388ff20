"""Looks: what the configuration of a running sensor leaves out is found in a sample of what arrives."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from scapy.layers.inet import IP
from scapy.layers.l2 import Dot1Q, Ether

from tcpmirror.capture.bpf import build_filter
from tcpmirror.processes.arrivals import PLACES_LIMIT, Arrivals
from tcpmirror.processes.look import described, read_look
from tcpmirror.settings.tree import Capture, IgnoreIps, Settings, Source
from tcpmirror.telemetry.notes import Note
from tests.processes.test_doctor import Frames, in_vxlan, tagged, talks
from tests.traffic import MAC

ETHERNET = 1
SERVER = b"\x0a\x01\x00\x02"


def looked(
    frames: Frames, source: Source, chosen: Settings | None = None, own: frozenset[tuple[bytes, int]] = frozenset()
) -> Arrivals:
    arrivals = Arrivals(ETHERNET, chosen or Settings(), source, build_filter(source, ETHERNET), own)
    for frame in frames:
        arrivals.receive_frame(0, bytes(frame), ETHERNET, 0)
    return arrivals


def told(arrivals: Arrivals, source: Source) -> list[dict[str, str]]:
    note = Note.private()
    note.write(described(arrivals, source, note.room))
    return read_look(note)


# id -> (traffic, configuration, codes, words of the advice `filtered`)
MISTAKES: dict[str, tuple[Callable[[], Frames], Source, set[str], str]] = {
    "none": (talks, Source(ports=(80,), hosts=("10.1.0.2",)), set(), ""),
    "wrong port": (talks, Source(ports=(8080,)), {"filtered", "wrong-ports"}, "`ports: [8080]`) leaves"),
    "wrong address": (talks, Source(hosts=("10.7.7.7",)), {"filtered"}, "`hosts: [10.7.7.7]`) leaves"),
    "wrong VLAN": (lambda: tagged(talks(), 7), Source(vlan_ids=(8,)), {"filtered", "wrong-vlan-ids"}, "they are of 7"),
    "wrong VNI": (lambda: in_vxlan(talks()), Source(vni_allow=(1,)), {"filtered", "wrong-vni-filter"}, "they are of 42"),
    "denied VNI": (lambda: in_vxlan(talks()), Source(vni_deny=(42,)), {"filtered"}, "`vni_deny: [42]`"),
    "wrong filter": (talks, Source(bpf="tcp port 8080"), {"filtered"}, "they are of 10.1.0.2:80"),
    "tunnel on another port": (lambda: in_vxlan(talks(), port=9999), Source(), {"tunnel-port"}, ""),
}


@pytest.mark.parametrize(("make", "source", "codes", "words"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_told_with_what_was_there_instead(
    make: Callable[[], Frames], source: Source, codes: set[str], words: str
) -> None:
    advice = told(looked(make(), source), source)
    assert {one["code"] for one in advice} == codes
    assert all(one["level"] == "problem" for one in advice)
    assert not words or words in next(one["what"] for one in advice if one["code"] == "filtered")


def test_http_left_out_beside_http_that_is_kept_may_be_meant() -> None:
    chosen = Settings(capture=Capture(ignore_ips=(IgnoreIps(("10.1.0.9/32",)),)))
    [advice] = told(looked(talks() + talks(server="10.1.0.9"), Source(), chosen), Source())
    assert advice["level"] == "warning"
    assert "`ignore_ips: [10.1.0.9/32]`" in advice["what"]


def test_connections_of_the_sensor_itself_are_no_part_of_it() -> None:
    source = Source(ports=(8080,))
    assert told(looked(talks(), source, own=frozenset({(SERVER, 80)})), source) == []


def test_a_tag_that_the_kernel_took_off_is_put_back() -> None:
    arrivals = Arrivals(ETHERNET, Settings(), Source(), "")
    for frame in talks(1):
        arrivals.receive_frame(0, bytes(frame), ETHERNET, 300)
    assert set(arrivals.places) == {(300, 0, -1)}


def test_places_that_traffic_makes_up_are_bounded() -> None:
    [frame, *_] = talks(1)
    arrivals = looked([Ether(**MAC) / Dot1Q(vlan=vlan) / frame[IP] for vlan in range(1, 1000)], Source())
    assert len(arrivals.places) == PLACES_LIMIT
    assert arrivals.frames == 999


def test_what_finds_no_room_in_the_note_is_what_matters_least() -> None:
    source = Source(ports=(8080,))
    arrivals = looked([frame for vlan in range(1, 60) for frame in tagged(talks(1), vlan)], source)
    content = described(arrivals, source, 4096)
    assert len(content) <= 4096
    advice = json.loads(content)["advice"]
    assert advice
    assert advice[0]["level"] == "problem"
