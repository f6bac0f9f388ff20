"""The number of the last change of the rules: nodes take no rules with a smaller one than they have."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection

from tcpmirror.cloud.facts import fact, keep_fact

_SERIAL: Final = "rules_serial"


def rules_serial(connection: Connection) -> int:
    return int(fact(connection, _SERIAL) or b"0")


def rules_were_changed(connection: Connection) -> None:
    """Count a change, in the transaction that makes it."""
    keep_fact(connection, _SERIAL, str(rules_serial(connection) + 1).encode())
