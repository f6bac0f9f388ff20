"""Rules of the cloud on this node: fetched after a heartbeat, kept as packs, put in force by the supervisor like any others.

What is wrong changes nothing: the packs before stay, and the next heartbeat says why. A pack that reads well can still be
refused when the rules are compiled; `rules-in-force.json` tells, and so does the heartbeat.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any, Final

from tcpmirror.detect.pack import read_pack
from tcpmirror.errors import TcpmirrorError
from tcpmirror.export.atomic_file import write_atomically
from tcpmirror.export.client import BatchRefusedError, CloudClient, CloudError
from tcpmirror.export.cloud_rules import UnsoundRulesError
from tcpmirror.model.rule_document import RuleDocument
from tcpmirror.processes.detection import fetched_packs
from tcpmirror.processes.rules_in_force import NAME as IN_FORCE
from tcpmirror.processes.rules_in_force import read_in_force, take_pack
from tcpmirror.settings.in_force import in_force_directory
from tcpmirror.settings.tree import Settings

_PREFIX: Final = "cloud."  # of the names of packs that come from the cloud, among those that come from elsewhere
_NOTE: Final = "cloud-rules.json"
log = logging.getLogger(__name__)


class CloudRules:
    """Looks for new rules with *client* and keeps them under the state directory."""

    def __init__(self, settings: Settings, client: CloudClient) -> None:
        self._settings = settings
        self._client = client
        self._note = Path(settings.supervisor.state_dir) / _NOTE
        self._etag, self._serial = _noted(self._note)
        self._refused = ""

    def look(self) -> None:
        """Take the cloud's rules if they are others than before; CloudError: it could not be asked."""
        try:
            served = self._client.rules(self._etag)
        except (UnsoundRulesError, BatchRefusedError) as error:
            self._refuse(str(error))
            return
        if served is None:
            return
        # Asked for again only when they change: a pack that is wrong now is wrong in a minute.
        self._etag = served.etag
        try:
            self._take(served.document)
        except (TcpmirrorError, OSError) as error:
            self._refuse(str(error))
            return
        self._refused = ""
        log.info("took rules %d of the cloud: %d packs", self._serial, len(served.document.packs))

    def describe(self) -> dict[str, Any]:
        """Return what the heartbeat says: which rules were taken, which are in force, why newer ones were refused."""
        in_force = read_in_force(in_force_directory(self._settings) / IN_FORCE)
        return {
            "serial": self._serial,
            "in_force": "" if in_force is None else in_force.digest,
            "problem": self._refused or ("" if in_force is None else in_force.problem),
        }

    def _take(self, document: RuleDocument) -> None:
        if document.serial < self._serial:
            raise UnsoundSerialFault(document.serial, self._serial)
        for name, text in document.packs:  # all of them, or none
            read_pack(_PREFIX + name, text)
        for name, text in document.packs:
            take_pack(self._settings, _PREFIX + name, text)
        self._remove_others({f"{_PREFIX}{name}.yaml" for name, _ in document.packs})
        self._serial = document.serial
        write_atomically(self._note, json.dumps({"etag": self._etag, "serial": self._serial}).encode())

    def _remove_others(self, kept: set[str]) -> None:
        for file in fetched_packs(self._settings).glob(f"{_PREFIX}*.yaml"):
            if file.name not in kept:
                file.unlink()

    def _refuse(self, problem: str) -> None:
        if problem != self._refused:
            log.error("rules of the cloud are refused, those before stay: %s", problem)
        self._refused = problem


class UnsoundSerialFault(TcpmirrorError):
    """Rules that are older than those this node has: an old answer played again, or a cloud set back."""

    def __init__(self, served: int, known: int) -> None:
        super().__init__(f"rules {served} are older than rules {known}, which this node has")


def look_quietly(rules: CloudRules) -> None:
    """Look for new rules; a cloud that cannot answer now will be asked after the next heartbeat."""
    try:
        rules.look()
    except CloudError as error:
        log.debug("the cloud was not asked for rules: %s", error)


def _noted(note: Path) -> tuple[str, int]:
    try:
        given = json.loads(note.read_bytes())
        return str(given["etag"]), int(given["serial"])
    except (OSError, ValueError, KeyError, TypeError):
        return "", 0
