"""The doctor at a real interface: what a mirror brings, while it comes."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from bench.network import Namespace, wait_until
from tests.live.bed import SERVER, Bed, bed
from tests.live.configurations import V4
from tests.live.sensor import CLOUD, environment, program, running
from tests.live.visits import Stream

pytestmark = pytest.mark.live

SECONDS = 3
CONFIGURATION = """
version: 4
mode: tcp-capture-v2
tcp_stream:
  from_interface: {enabled: true, interface: mon0, ports: [8080], vlan_ids: [7]}
"""


def examined(ground: Bed, *words: str) -> dict[str, Any]:
    """Return what the doctor says of `mon0` while a client fetches over and over."""
    command = (program("tcpmirror"), "doctor", "-i", "mon0", "--seconds", str(SECONDS), "--json", *words)
    doctor = subprocess.Popen(ground.sensor.command(*command), stdout=subprocess.PIPE, text=True, env=environment())
    wait_until(lambda: is_capturing(ground.sensor), "an open capture")
    while doctor.poll() is None:
        ground.curl(f"http://{SERVER}/api/v1/items/[1-3]")
    assert doctor.stdout is not None
    assert doctor.returncode == 0
    (one,) = json.loads(doctor.stdout.read())["examinations"]
    return dict(one)


def is_capturing(namespace: Namespace) -> bool:
    return len(namespace.run("cat", "/proc/net/packet").splitlines()) > 1


PLACES = {"span": (None, None, None), "vxlan": (None, None, 42), "vlan": (42, None, None)}


@pytest.mark.parametrize(("mirror", "place"), PLACES.items(), ids=PLACES.keys())
def test_a_working_mirror_is_called_so(mirror: str, place: tuple[int | None, ...], artefacts: Path) -> None:
    with bed(mirror, artefacts / "bed") as ground:
        found = examined(ground)
    assert "http-is-here" in [advice["code"] for advice in found["advice"]]
    assert not [advice for advice in found["advice"] if advice["level"] == "problem"]
    assert found["exchanges"] >= 3
    (busiest, *_) = found["places"]
    assert (busiest["vlan"], busiest["inner_vlan"], busiest["vni"]) == place
    assert busiest["server_ports"][0]["port"] == 80
    assert found["interface"]["mtu"] >= 1500
    assert found["kernel"]["dropped"] == 0


def test_a_configuration_that_leaves_everything_out_is_told(artefacts: Path) -> None:
    file = artefacts / "wrong.yaml"
    file.write_text(CONFIGURATION)
    with bed("vlan", artefacts / "bed") as ground:
        found = examined(ground, "-c", str(file))
    codes = {advice["code"] for advice in found["advice"] if advice["level"] == "problem"}
    assert {"filtered", "wrong-ports", "wrong-vlan-ids"} <= codes


# id -> (mirror, what is added to the interface's section, words of the advice)
MISTAKES = {
    "port, which the kernel filters by": ("span", "ports: [8080]", ("`ports: [8080]`", "they are of 80 (")),
    "VNI": ("vxlan", "vni_deny: [42]", ("`vni_deny: [42]`", "they are of 42 (")),
}


@pytest.mark.parametrize(("mirror", "mistake", "words"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_running_sensor_tells_what_its_configuration_leaves_out(
    mirror: str, mistake: str, words: tuple[str, ...], artefacts: Path
) -> None:
    text = V4.replace("interface: mon0", f"interface: mon0\n    {mistake}")
    with bed(mirror, artefacts / "bed") as ground, running(ground.sensor, artefacts / "sensor", text) as sensor:

        def told() -> list[dict[str, str]]:
            (node,) = sensor.get(f"{CLOUD}/api/v1/nodes").json()["nodes"]
            advice = node["stats"].get("mirror_health", {}).get("advice", [])
            return [one for one in advice if one["code"] == "filtered" and one["level"] == "problem"]

        with Stream(ground) as stream:
            wait_until(told, "the mistake told to the cloud", 90, 0.5)
            stream.stop()
        (advice,) = told()
        assert all(part in advice["what"] for part in words), advice


def test_a_silent_interface_is_told(artefacts: Path) -> None:
    with bed("span", artefacts / "bed") as ground:
        command = (program("tcpmirror"), "doctor", "-i", "lo", "--seconds", "0.5", "--json")
        done = subprocess.run(ground.sensor.command(*command), capture_output=True, text=True, env=environment(), check=True)
    (found,) = json.loads(done.stdout)["examinations"]
    assert [advice["code"] for advice in found["advice"]] == ["no-packets"]
