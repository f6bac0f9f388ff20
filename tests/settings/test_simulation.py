from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tcpmirror.errors import SettingsError
from tcpmirror.settings import apply_environment, load_settings
from tcpmirror.settings.simulation import simulated
from tcpmirror.settings.tree import MIB, Settings, Simulate

FAULTS = {
    "none": ("", Simulate(), 0),
    "gap": ("gap=2%", Simulate(gap=0.02), 0),
    "share without a number": ("ring-full", Simulate(ring_full=0.01), 0),
    "all": ("ring-full=1%, gap=0.5%,memory=64MiB,slow-worker=5ms", Simulate(0.005, 0.01, 5_000_000), 64 * MIB),
}


@pytest.mark.parametrize(("text", "simulate", "memory"), FAULTS.values(), ids=FAULTS.keys())
def test_faults_are_read(text: str, simulate: Simulate, memory: int) -> None:
    for settings in (simulated(Settings(), text), apply_environment(Settings(), {"TCPMIRROR_SIMULATE": text})):
        assert settings.simulate == replace(simulate, faults=text)
        assert settings.limits.streams_bytes == memory


@pytest.mark.parametrize("text", ["earthquake", "gap=x", "gap=101%", "gap=-1%", "memory=1", "slow-worker=fast", "gap=nan"])
def test_what_is_no_fault_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="accepted: ring-full"):
        simulated(Settings(), text)


def test_a_wrong_fault_in_the_environment_names_its_variable() -> None:
    with pytest.raises(SettingsError, match=r"TCPMIRROR_SIMULATE.*earthquake"):
        apply_environment(Settings(), {"TCPMIRROR_SIMULATE": "earthquake"})


def test_no_settings_file_can_make_faults(tmp_path: Path) -> None:
    file = tmp_path / "tcpmirror.yaml"
    for key in ("simulate: {gap: 0.5}", "limits: {simulate: ring-full}"):
        file.write_text(f"version: 4\nmode: tcp-capture-v2\n{key}\n")
        with pytest.raises(SettingsError, match="simulate"):
            load_settings(file)
