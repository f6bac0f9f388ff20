"""Settings of the cloud on this node: fetched after a heartbeat, looked through, kept, put in force by the supervisor.

What is wrong changes nothing: the settings before stay, and the next heartbeat says why. The supervisor notices the kept
file and reloads: workers hold on to their flows, other processes are started anew where a setting of theirs changed.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any, Final

from tcpmirror.errors import SettingsError
from tcpmirror.export.atomic_file import write_atomically
from tcpmirror.export.client import BatchRefusedError, CloudClient, CloudError
from tcpmirror.export.cloud_rules import UnsoundRulesError
from tcpmirror.model.settings_document import SettingsDocument, encode_settings
from tcpmirror.settings.in_force import in_force_directory
from tcpmirror.settings.pushed import NAME, with_pushed
from tcpmirror.settings.tree import Settings

_NOTE: Final = "cloud-settings-note.json"
log = logging.getLogger(__name__)


class CloudSettings:
    """Looks for new settings with *client* and keeps them under the state directory."""

    def __init__(self, settings: Settings, client: CloudClient) -> None:
        self._settings = settings
        self._client = client
        folder = in_force_directory(settings)
        self._file, self._note = folder / NAME, folder / _NOTE
        self._etag, self._serial, self._refused = _noted(self._note)

    def look(self) -> None:
        """Take the cloud's settings if they are others than before; CloudError: it could not be asked."""
        try:
            served = self._client.settings(self._etag)
        except (UnsoundRulesError, BatchRefusedError) as error:
            self._refuse(str(error))
            return
        if served is None:
            return
        try:
            self._take(served.document)
        except (SettingsError, OSError) as error:
            self._refuse(str(error))
        else:
            self._refused = ""
            log.info("took settings %d of the cloud for %s", self._serial, ", ".join(s for s, _ in served.document.layers))
        # Asked for again only when they change: what is wrong now is wrong in a minute.
        self._etag = served.etag
        self._remember()

    def describe(self) -> dict[str, Any]:
        """Return what the heartbeat says: which settings were taken, and why newer ones were refused."""
        return {"serial": self._serial, "problem": self._refused}

    def _take(self, document: SettingsDocument) -> None:
        if document.serial < self._serial:
            raise OlderSettingsFault(document.serial, self._serial)
        settings = self._settings
        for scope, text in document.layers:  # all of them, or none
            settings = with_pushed(settings, text, f"cloud settings for {scope}")
        payload = encode_settings(document)
        self._serial = document.serial
        if document.layers or self._file.exists():
            _keep(self._file, payload)

    def _refuse(self, problem: str) -> None:
        if problem != self._refused:
            log.error("settings of the cloud are refused, those before stay: %s", problem)
        self._refused = problem

    def _remember(self) -> None:
        try:
            note = {"etag": self._etag, "serial": self._serial, "refused": self._refused}
            _keep(self._note, json.dumps(note).encode())
        except OSError as error:
            log.warning("%s: cannot be kept: %s", self._note, error)


class OlderSettingsFault(SettingsError):
    """Settings that are older than those this node has: an old answer played again, or a cloud set back."""

    def __init__(self, served: int, known: int) -> None:
        accepted, problem = f"{known} or more", f"settings {served} are older than settings {known}, which this node has"
        super().__init__("cloud settings", 0, "serial", served, accepted, problem)


def look_for_settings(settings: CloudSettings) -> None:
    """Look for new settings; a cloud that cannot answer now will be asked after the next heartbeat."""
    try:
        settings.look()
    except CloudError as error:
        log.debug("the cloud was not asked for settings: %s", error)


def _keep(file: Path, content: bytes) -> None:
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_atomically(file, content)


def _noted(note: Path) -> tuple[str, int, str]:
    try:
        given = json.loads(note.read_bytes())
        return str(given["etag"]), int(given["serial"]), str(given["refused"])
    except (OSError, ValueError, KeyError, TypeError):
        return "", 0, ""
