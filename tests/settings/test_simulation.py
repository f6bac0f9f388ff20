from __future__ import annotations

import pytest

from tcpmirror.errors import SettingsError
from tcpmirror.settings import apply_environment
from tcpmirror.settings.simulation import simulated
from tcpmirror.settings.tree import MIB, Limits, Settings, Simulate

FAULTS = {
    "none": ("", Simulate(), Limits().memory_bytes),
    "gap": ("gap=2%", Simulate(gap=0.02), Limits().memory_bytes),
    "share without a number": ("ring-full", Simulate(ring_full=0.01), Limits().memory_bytes),
    "all": ("ring-full=1%, gap=0.5%,memory=64MiB,slow-worker=5ms", Simulate(0.005, 0.01, 5_000_000), 64 * MIB),
}


@pytest.mark.parametrize(("text", "simulate", "memory"), FAULTS.values(), ids=FAULTS.keys())
def test_faults_are_read(text: str, simulate: Simulate, memory: int) -> None:
    for settings in (simulated(Settings(), text), apply_environment(Settings(), {"TCPMIRROR_SIMULATE": text})):
        assert settings.simulate == simulate
        assert settings.limits.memory_bytes == memory


@pytest.mark.parametrize("text", ["earthquake", "gap=x", "gap=101%", "gap=-1%", "memory=1", "slow-worker=fast", "gap=nan"])
def test_what_is_no_fault_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="accepted: ring-full"):
        simulated(Settings(), text)
