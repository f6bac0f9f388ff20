"""The image and the manifest: sound to a linter, and true of what the installer installs. Nothing here builds or runs them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from tcpmirror.settings import load_settings
from tcpmirror.settings.memory import memory_shares
from tcpmirror.settings.tree import Settings
from tcpmirror.settings.units import parse_size
from tests.packaging.test_metadata import ROOT

DOCKERFILE = ROOT / "configs" / "container" / "Dockerfile"
MANIFEST = ROOT / "configs" / "kubernetes" / "tcpmirror.yaml"
INSTALLER = (ROOT / "scripts" / "install.sh").read_text()
KUBERNETES = ("1.29", "1.34")


def linted(file: Path) -> list[dict[str, Any]]:
    program = shutil.which("hadolint") or str(Path(sys.executable).with_name("hadolint"))
    done = subprocess.run([program, "--format", "json", str(file)], capture_output=True, text=True, timeout=60, check=False)
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def manifest() -> dict[str, dict[str, Any]]:
    return {document["kind"]: document for document in yaml.safe_load_all(MANIFEST.read_text())}


def pod() -> dict[str, Any]:
    spec: dict[str, Any] = manifest()["DaemonSet"]["spec"]["template"]["spec"]
    return spec


def words(instruction: str) -> list[str]:
    """Return the words of an instruction of the image in its exec form."""
    found = re.search(rf"^{instruction} (\[.*\])$", DOCKERFILE.read_text(), re.MULTILINE)
    assert found, instruction
    return [str(word) for word in json.loads(found[1])]


def test_a_linter_finds_nothing_in_the_image() -> None:
    assert linted(DOCKERFILE) == []


def test_the_linter_finds_what_is_wrong(tmp_path: Path) -> None:
    wrong = tmp_path / "Dockerfile"
    wrong.write_text(DOCKERFILE.read_text().replace("debian:12-slim", "debian"))
    assert [found["code"] for found in linted(wrong)] == ["DL3006"]


@pytest.mark.parametrize("version", KUBERNETES)
@pytest.mark.parametrize("kind", ["ConfigMap", "DaemonSet"])
def test_the_manifest_is_of_kubernetes(kind: str, version: str) -> None:
    kubernetes_validate.validate(manifest()[kind], version, strict=True)


def test_a_manifest_with_a_wrong_key_is_refused() -> None:
    wrong = manifest()["DaemonSet"]
    wrong["spec"]["template"]["spec"]["hostNetworks"] = True
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, KUBERNETES[-1], strict=True)


def test_both_start_what_the_installer_installs() -> None:
    assert words("ENTRYPOINT") == ["/opt/tcpmirror/bin/tcpmirror-service"]
    assert 'cat >"$PREFIX/bin/tcpmirror-service"' in INSTALLER and "readonly PREFIX=/opt/tcpmirror " in INSTALLER
    (sensor,) = pod()["containers"]
    assert words("CMD") == sensor["args"] == ["run"]
    mounts = {mount["name"]: mount["mountPath"] for mount in sensor["volumeMounts"]}
    assert mounts == {"settings": "/opt/tcpmirror/etc/node.yaml", "state": "/opt/tcpmirror/var", "scratch": "/tmp"}


def test_their_probes_ask_where_the_sensor_answers() -> None:
    usual = Settings()
    (sensor,) = pod()["containers"]
    ports = {port["name"]: f":{port['containerPort']}" for port in sensor["ports"]}
    assert ports == {"metrics": usual.metrics.listen_address, "health": usual.health.listen_address}
    asked = {name: probe["httpGet"]["path"] for name, probe in sensor.items() if name.endswith("Probe")}
    assert asked == {"startupProbe": "/live", "livenessProbe": "/live", "readinessProbe": "/ready"}
    assert f"http://127.0.0.1{usual.health.listen_address}/live" in DOCKERFILE.read_text()


def test_the_pod_has_the_least_that_a_sensor_needs() -> None:
    (sensor,) = pod()["containers"]
    context = sensor["securityContext"]
    assert context["capabilities"] == {"drop": ["ALL"], "add": ["NET_RAW", "SETUID", "SETGID"]}
    assert (context["allowPrivilegeEscalation"], context["readOnlyRootFilesystem"]) == (False, True)
    assert pod()["hostNetwork"] and not pod()["automountServiceAccountToken"]
    assert pod()["terminationGracePeriodSeconds"] > Settings().supervisor.stop_deadline_s


def test_its_settings_can_be_used_and_fit_into_its_memory(tmp_path: Path) -> None:
    file = tmp_path / "node.yaml"
    file.write_text(manifest()["ConfigMap"]["data"]["node.yaml"])
    settings = load_settings(file).settings
    (sensor,) = pod()["containers"]
    assert memory_shares(settings, 4).total <= parse_size(sensor["resources"]["limits"]["memory"] + "B")
