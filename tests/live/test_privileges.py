"""What a sensor may do with the privileges it was given: buffers beyond the system's limit, and a clear word without any."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.live.bed import bed
from tests.live.configurations import V4_RAW, V4_VXLAN_SOCKET
from tests.live.sensor import configured, environment, program, running

pytestmark = pytest.mark.live

WANTED = 64 << 20
GENEVE = """
version: 4
mode: tcp-capture-v2
tcp_stream:
  from_geneve: {enabled: true, listen_addr: "0.0.0.0:6081"}
"""
UDP, PACKET = ("ss", "-uamnH"), ("ss", "-0amnH")
# id -> configuration, what lists the sockets of its kind, a word of the one that is meant
SOCKETS = {
    "vxlan": (V4_VXLAN_SOCKET, UDP, ":4789"),
    "geneve": (GENEVE, UDP, ":6081"),
    "raw_socket": (V4_RAW, PACKET, "mon0"),
}


@pytest.mark.parametrize("name", SOCKETS)
def test_a_socket_has_the_whole_buffer_when_root_starts_the_sensor(name: str, artefacts: Path) -> None:
    configuration, listing, word = SOCKETS[name]
    with bed("vxlan", artefacts / "bed") as ground, running(ground.sensor, artefacts / "sensor", configuration, pages=True):
        lines = ground.sensor.run(*listing).replace("\n\t", " ").splitlines()
    found = [re.search(r"skmem:\(r\d+,rb(\d+)", each) for each in lines if word in each]
    # Other programs may have such a socket for a moment. The kernel doubles the size, for what it keeps beside the bytes.
    assert 2 * WANTED in [int(each[1]) for each in found if each], lines


WITHOUT = ("setpriv", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs")
REFUSED = {
    "supervisor": ("tcpmirror-supervisor", "run", "-c", "{file}"),
    "doctor": ("tcpmirror", "doctor", "-i", "mon0", "--seconds", "1"),
}


@pytest.mark.parametrize("engine", ["libpcap", "af_packet", "raw_socket"])
def test_without_privileges_the_missing_one_is_named(engine: str, artefacts: Path) -> None:
    with bed("span", artefacts / "bed") as ground:
        sensor = configured(ground.sensor, artefacts / "sensor", V4_RAW.replace("raw_socket", engine))
        for words in REFUSED.values():
            command = [program(words[0]), *(word.format(file=sensor.file) for word in words[1:])]
            done = subprocess.run(
                ground.sensor.command(*WITHOUT, *command),
                capture_output=True,
                text=True,
                timeout=120,
                env=environment(),
                check=False,
            )
            assert done.returncode == 4, (words, done.stdout, done.stderr)
            assert "CAP_NET_RAW" in done.stdout + done.stderr, (words, done.stdout, done.stderr)
            assert "Traceback" not in done.stdout + done.stderr
