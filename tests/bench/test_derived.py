"""Derived captures hold the frames of their source, behind what they announce."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from scapy.layers.l2 import Dot1Q, Ether
from scapy.layers.vxlan import VXLAN

from bench.derived import encapsulated, frames, with_idle
from bench.traffic import FORMAT, Capture
from tcpmirror.cli import main
from tests.traffic import conversation, request, response, write_capture


@pytest.fixture
def source(tmp_path: Path) -> Capture:
    """A capture of one connection with one exchange."""
    packets = conversation([(0, request()), (1, response())])
    path = write_capture(tmp_path / "a-1.pcap", packets)
    return Capture(str(path), FORMAT, "a", 1, {}, len(packets), path.stat().st_size)


@pytest.mark.parametrize("name", ["e", "f"])
def test_each_frame_stands_behind_the_encapsulation(source: Capture, name: str) -> None:
    made = encapsulated(name, source)
    for (before_s, plain), (after_s, wrapped) in zip(frames(source), frames(made), strict=True):
        outer = Ether(wrapped)
        if name == "e":
            assert (outer[VXLAN].vni, bytes(outer[VXLAN].payload)) == (4711, plain)
        else:
            assert (outer[Dot1Q].vlan, outer.src, bytes(outer[Dot1Q].payload)) == (42, Ether(plain).src, plain[14:])
        assert after_s == pytest.approx(before_s, abs=1e-6)


def test_idle_connections_are_handshakes_of_other_clients(source: Capture, capsys: pytest.CaptureFixture[str]) -> None:
    made = with_idle(source, 120)
    assert made.packets == source.packets + 3 * 120
    assert main(["analyze", "--workers", "1", made.path]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert (summary["packets"], summary["flows"], summary["exchanges"]) == (made.packets, 121, 1)
