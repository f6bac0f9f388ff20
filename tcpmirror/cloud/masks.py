"""Masks made here, and the rule pack in which nodes get them; checked by the very code with which a node reads them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Final

import yaml
from sqlalchemy import Connection, Row, delete, insert, select

from tcpmirror.cloud.audit import Actor, record
from tcpmirror.cloud.database import Database
from tcpmirror.cloud.ignore_rules import BadEntry, NameTaken
from tcpmirror.cloud.schema import mask_rules
from tcpmirror.cloud.serial import rules_were_changed
from tcpmirror.detect.pack import read_pack
from tcpmirror.errors import SettingsError
from tcpmirror.settings.tree import Mask

_PACK: Final = "cloud"


def checked_mask(given: dict[str, Any]) -> Mask:
    """Return the mask with the fields *given* (those of `settings.tree.Mask`); BadEntry if a node would refuse it."""
    try:
        (entry,) = read_pack(_PACK, _pack_text([_given(given)])).masks
    except SettingsError as error:
        raise BadEntry(f"{error.key}: {error.problem or error.value!r}; accepted: {error.accepted}") from error
    return entry


def create_mask(database: Database, given: dict[str, Any], reason: str, actor: Actor, now_ns: int) -> int:
    """Return the id of a new mask, which nodes get from now on; BadEntry or NameTaken if it cannot be made."""
    entry = _given(asdict(checked_mask(given)))
    row = {"name": entry["name"], "entry": entry, "reason": reason, "created_ns": now_ns, "created_by": actor.name}
    with database.writing() as connection:
        if connection.execute(select(mask_rules.c.id).where(mask_rules.c.name == entry["name"])).first():
            raise NameTaken(entry["name"])
        made = connection.execute(insert(mask_rules).returning(mask_rules.c.id), [row]).scalar_one()
        rules_were_changed(connection)
        record(connection, actor, "mask.create", entry["name"], {"entry": entry, "reason": reason}, now_ns)
    return int(made)


def remove_mask(database: Database, mask_id: int, actor: Actor, now_ns: int) -> bool:
    """Remove a mask; return whether there was one."""
    gone = delete(mask_rules).where(mask_rules.c.id == mask_id).returning(mask_rules.c.name)
    with database.writing() as connection:
        name = connection.execute(gone).scalar()
        if name is None:
            return False
        rules_were_changed(connection)
        record(connection, actor, "mask.remove", name, {}, now_ns)
    return True


def list_masks(database: Database) -> list[Row[Any]]:
    """Return every mask, the newest first."""
    with database.reading() as connection:
        return list(connection.execute(select(mask_rules).order_by(mask_rules.c.id.desc())).all())


def mask_pack(connection: Connection) -> str:
    """Return the rule pack that holds every mask, empty if there is none; the same for the same masks."""
    entries = list(connection.execute(select(mask_rules.c.entry).order_by(mask_rules.c.name)).scalars())
    return _pack_text(entries) if entries else ""


def mask_text(entry: dict[str, Any]) -> str:
    """Return a mask as a rule pack says it."""
    return yaml.safe_dump(_given(entry), allow_unicode=True, sort_keys=False, width=1000)


def _given(entry: dict[str, Any]) -> dict[str, Any]:
    """Return what *entry* says, in YAML's types."""
    plain = {name: list(value) if isinstance(value, tuple) else value for name, value in entry.items() if value}
    if "where" in plain:
        plain["where"] = [{name: value for name, value in each.items() if value} for each in plain["where"]]
    return plain


def _pack_text(entries: list[dict[str, Any]]) -> str:
    return yaml.safe_dump({"mask": entries}, allow_unicode=True, sort_keys=False, width=1000)
