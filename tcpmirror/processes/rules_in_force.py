"""The own rules in force: looked through and compiled in one process, then taken by every worker.

What was accepted is kept whole in one file of the state directory. Workers read that file and never the operator's folders,
so a rule that is being edited, or wrong, changes nothing for them, not even when a worker has to be started again.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from tcpmirror.detect.detector import Detector
from tcpmirror.detect.pack import join_packs, own_texts, read_rules
from tcpmirror.errors import EnvironmentFault, SettingsError, TcpmirrorError
from tcpmirror.export.atomic_file import write_atomically
from tcpmirror.processes.detection import build_detector, detector_of, fetched_packs, remove_unused, rule_folders
from tcpmirror.settings.in_force import SETTINGS_NAME, in_force_directory, packed_settings, unpacked_settings
from tcpmirror.settings.tree import Settings

NAME: Final = "rules-in-force.json"
_PACK_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True, slots=True)
class RulesInForce:
    """``packs``: (file, text) of own packs; ``seclang``: SecLang rules as one text; ``problem``: why newer were refused."""

    packs: tuple[tuple[str, str], ...] = ()
    seclang: str = ""
    problem: str = ""

    @property
    def digest(self) -> str:
        """A short name of these rules, the same for the same content."""
        return hashlib.sha256(json.dumps([self.packs, self.seclang]).encode()).hexdigest()[:12]


def prepare_rules(settings: Settings) -> dict[str, Any]:
    """Look through the own rules, compile them into the cache, and put them in force; return facts as JSON values.

    TcpmirrorError: they cannot be used; then those before stay in force, with the reason noted beside them.
    """
    file = in_force_directory(settings) / NAME
    _keep_settings(settings)
    try:
        rules = _read_anew(settings)
        detector = _detector(rules, settings)
    except TcpmirrorError as problem:
        before = read_in_force(file)
        if before is not None:
            _write(file, replace(before, problem=str(problem)))
        raise
    _write(file, rules)
    remove_unused(cache_directory(settings))
    return {"digest": rules.digest, "rules": detector.rule_count, "own": detector.own_rule_count}


def build_detector_in_force(settings: Settings) -> tuple[Detector, str]:
    """Return a detector with the rules in force and why newer ones were refused (empty: they were not).

    Without a supervisor that put rules in force, they are read from the settings' folders.
    """
    rules = read_in_force(in_force_directory(settings) / NAME)
    if rules is None:
        return build_detector(settings, cache_directory(settings)), ""
    return _detector(rules, settings), rules.problem


def read_in_force(file: Path) -> RulesInForce | None:
    """Return the rules kept in *file*; None where there are none, or not whole."""
    try:
        given = json.loads(file.read_bytes())
        return RulesInForce(tuple((name, text) for name, text in given["packs"]), given["seclang"], given["problem"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def rules_signature(settings: Settings) -> tuple[tuple[str, int, int, int], ...]:
    """Return what tells whether own rules were changed: name, time, size and inode of every file."""
    folders = [*rule_folders(settings), Path(settings.inspection.seclang.directory or os.devnull)]
    found: list[tuple[str, int, int, int]] = []
    for folder in folders:
        files = sorted(folder.glob("**/*")) if folder.is_dir() else [folder]
        for file in files:
            try:
                status = file.stat()
            except OSError:
                continue
            if file.suffix in (".yaml", ".conf", ".data"):
                found.append((str(file), status.st_mtime_ns, status.st_size, status.st_ino))
    return tuple(found)


def take_pack(settings: Settings, name: str, text: str) -> None:
    """Keep a pack that was fetched, such as one of the cloud's, as *name*; it is put in force like any changed own pack.

    SettingsError: its rules cannot be used, and nothing was kept.
    """
    if not _PACK_NAME.fullmatch(name):
        raise SettingsError(name, 0, "name", name, "letters, digits, dots, dashes, beginning with a letter or digit")
    read_rules(name, text)
    folder = fetched_packs(settings)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / f"{name}.yaml", text.encode())
    except OSError as error:
        raise EnvironmentFault(f"{folder}: a rule pack cannot be kept there: {error.strerror}") from error


def cache_directory(settings: Settings) -> Path:
    """Where compiled rules are kept from one start to the next."""
    return Path(settings.supervisor.state_dir) / "cache"


def settings_in_force(settings: Settings) -> Settings:
    """Return the settings in force, without credentials; *settings* where nobody has kept any."""
    try:
        return unpacked_settings((in_force_directory(settings) / SETTINGS_NAME).read_bytes())
    except (OSError, ValueError):
        return settings


def _keep_settings(settings: Settings) -> None:
    folder = in_force_directory(settings)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomically(folder / SETTINGS_NAME, packed_settings(settings))
    except OSError as error:
        raise EnvironmentFault(f"{folder}: the settings in force cannot be kept: {error.strerror}") from error


def _read_anew(settings: Settings) -> RulesInForce:
    packs = tuple(own_texts(rule_folders(settings)))
    if not settings.inspection.seclang.directory:
        return RulesInForce(packs)
    from tcpmirror.detect.seclang.ruleset import load_ruleset, written  # with lark, which few sensors need

    return RulesInForce(packs, written(load_ruleset(Path(settings.inspection.seclang.directory))))


def _detector(rules: RulesInForce, settings: Settings) -> Detector:
    return detector_of(join_packs(rules.packs), settings, cache_directory(settings), rules.seclang)


def _write(file: Path, rules: RulesInForce) -> None:
    try:
        write_atomically(file, json.dumps(asdict(rules)).encode())
    except OSError as error:
        raise EnvironmentFault(f"{file}: the rules in force cannot be kept: {error.strerror}") from error
