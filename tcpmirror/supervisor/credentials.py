"""What the embedded cloud and the exporter of one sensor share: made at the first start, kept under `supervisor.state_dir`.

`embedded.json` holds the deploy token for good. `admin-password` holds the console's first password only until a complete
start has shown it to somebody: a start that fails half-way must not leave a console that nobody can enter.
"""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tcpmirror.errors import EnvironmentFault

CREDENTIALS_FILE: Final = "embedded.json"
PASSWORD_FILE: Final = "admin-password"
TOKEN_BYTES: Final = 32
PASSWORD_BYTES: Final = 15  # 120 bits, 20 characters


@dataclass(frozen=True, slots=True)
class Credentials:
    """``admin_password`` is empty once it has been shown."""

    deploy_token: str = field(default="", repr=False)
    admin_password: str = field(default="", repr=False)


def load_or_create(state_dir: Path) -> Credentials:
    """Return the credentials under *state_dir*, made now if there are none; EnvironmentFault if that fails."""
    try:
        if not (state_dir / CREDENTIALS_FILE).exists():
            # The password first: with the token file in place it would never be made again.
            _write_private(state_dir / PASSWORD_FILE, secrets.token_urlsafe(PASSWORD_BYTES) + "\n")
            _write_private(
                state_dir / CREDENTIALS_FILE, json.dumps({"deploy_token": secrets.token_urlsafe(TOKEN_BYTES)}) + "\n"
            )
        return Credentials(_read_token(state_dir / CREDENTIALS_FILE), _read_password(state_dir / PASSWORD_FILE))
    except OSError as fault:
        raise EnvironmentFault(f"supervisor.state_dir: {fault.filename or state_dir}: {fault.strerror}") from fault


def forget_password(state_dir: Path) -> None:
    """Remove the first password: it has been shown."""
    (state_dir / PASSWORD_FILE).unlink(missing_ok=True)


def _read_token(path: Path) -> str:
    try:
        token = json.loads(path.read_bytes())["deploy_token"]
    except (ValueError, KeyError, TypeError) as fault:
        raise EnvironmentFault(f'{path}: not a JSON object with "deploy_token"; remove it to have a new one made') from fault
    if not isinstance(token, str) or not token:
        raise EnvironmentFault(f"{path}: deploy_token is not a text; remove the file to have a new one made")
    return token


def _read_password(path: Path) -> str:
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        return ""


def _write_private(path: Path, text: str) -> None:
    """Write *text* so that the file is there whole or not at all, mode 0600 from its first moment."""
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    out = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(out, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(out)
    part.replace(path)
