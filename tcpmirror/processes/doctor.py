"""`tcpmirror doctor`: looks at an interface or a capture file and says why a sensor would see nothing, or less than all."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from tcpmirror.capture.bpf import build_filter
from tcpmirror.capture.file_source import FileSource
from tcpmirror.capture.interface_facts import interface_facts, may_capture
from tcpmirror.capture.pcap_source import KernelStats, LiveSource
from tcpmirror.errors import EnvironmentFault
from tcpmirror.processes.advice import Advice
from tcpmirror.processes.diagnosis import diagnose
from tcpmirror.processes.examination import Examination
from tcpmirror.processes.key_log import decryption_of_files, secrets_of_files
from tcpmirror.processes.survey import Survey
from tcpmirror.settings.tree import Settings, Source


def examine_file(path: str, settings: Settings, source: Source | None, key_log: str = "") -> Examination:
    """Look at a capture file; EnvironmentFault when it cannot be read (a cut one is read as far as it goes).

    TLS is decrypted with the secrets that it holds, and those of *key_log*, if one is named.
    """
    file = FileSource(path)
    secrets = secrets_of_files([path], key_log)
    survey = Survey(file.link_type, settings, source, source.bpf if source else "", decryption_of_files(secrets))
    cut: list[Advice] = []
    try:
        while file.receive(survey):
            pass
    except EnvironmentFault as problem:
        cut = [
            Advice("cut-file", "problem", path, str(problem), "Write the capture again; what came before the cut was read.")
        ]
    finally:
        file.close()
    survey.finish()
    found = diagnose(path, survey, source, None, KernelStats())
    return Examination(path, (survey.last_ns - survey.first_ns) / 1e9, survey, None, KernelStats(), cut + found)


def examine_interfaces(
    names: list[str], seconds: float, settings: Settings, source_of: Callable[[str], Source | None]
) -> list[Examination]:
    """Look at interfaces for *seconds*, all at the same time; EnvironmentFault when one cannot be opened."""
    if not may_capture():
        raise EnvironmentFault(
            "capturing needs root or CAP_NET_RAW: run with sudo, or setcap cap_net_raw+ep on the interpreter"
        )
    sources = [source_of(name) for name in names]
    opened = [LiveSource(_wide(name, source)) for name, source in zip(names, sources, strict=True)]
    surveys = [
        Survey(live.link_type, settings, source, build_filter(source) if source else "")
        for live, source in zip(opened, sources, strict=True)
    ]
    faults: dict[str, list[Advice]] = {name: [] for name in names}
    until = time.monotonic() + seconds
    try:
        while time.monotonic() < until and not all(faults.values()):
            for name, live, survey in zip(names, opened, surveys, strict=True):
                _receive(name, live, survey, faults[name])
    except KeyboardInterrupt:
        pass  # what was seen so far is told
    finished: list[Examination] = []
    for name, live, survey, source in zip(names, opened, surveys, sources, strict=True):
        kernel = live.stats()
        live.close()
        survey.finish()
        facts = interface_facts(name)
        advice = faults[name] + diagnose(name, survey, source, facts, kernel)
        finished.append(Examination(name, seconds, survey, facts, kernel, advice))
    return finished


def _wide(name: str, source: Source | None) -> Source:
    """Return a source that leaves nothing out, cutting frames where the configured one would."""
    wide = Source(interface=name)
    return wide if source is None else replace(wide, snaplen=source.snaplen, promiscuous=source.promiscuous)


def _receive(name: str, live: LiveSource, survey: Survey, faults: list[Advice]) -> None:
    if faults:
        return
    try:
        live.receive(survey)
    except OSError as problem:
        faults.append(Advice("interface-gone", "problem", name, str(problem), "The sensor waits until it is back."))
