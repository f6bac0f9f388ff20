"""Findings that are not to be reported: entries made here, and the rule pack in which nodes get them.

An entry is checked by the very code with which a node will read it.
"""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import Any, Final

import yaml
from sqlalchemy import Connection, Row, delete, insert, select

from tcpmirror.cloud.audit import Actor, record
from tcpmirror.cloud.database import Database
from tcpmirror.cloud.schema import attacks, hits, ignore_rules, reports
from tcpmirror.cloud.serial import rules_were_changed
from tcpmirror.detect.pack import read_pack
from tcpmirror.errors import SettingsError
from tcpmirror.settings.tree import Ignore

_LOOKED_AT: Final = 200  # hits of an attack, to see which rules found it
_PACK: Final = "cloud"
_RULE_ID: Final = re.compile(r"[A-Za-z0-9-]{1,128}")


class BadEntry(Exception):
    """An entry that a node would refuse; its text names key, value and what is accepted."""


class NameTaken(Exception):
    """There is an entry of this name."""


def checked_entry(given: dict[str, Any]) -> Ignore:
    """Return the entry with the fields *given* (those of `settings.tree.Ignore`); BadEntry if a node would refuse it."""
    text = _pack_text([{name: value for name, value in given.items() if value}])
    try:
        (entry,) = read_pack(_PACK, text).ignores
    except SettingsError as error:
        raise BadEntry(f"{error.key}: {error.problem or error.value!r}; accepted: {error.accepted}") from error
    return entry


def create_rule(
    database: Database, given: dict[str, Any], reason: str, attack_id: int | None, actor: Actor, now_ns: int
) -> int:
    """Return the id of a new entry, which nodes get from now on; BadEntry or NameTaken if it cannot be made."""
    entry = checked_entry(given)
    row = {
        "name": entry.name,
        "entry": asdict(entry),
        "reason": reason,
        "attack_id": attack_id,
        "created_ns": now_ns,
        "created_by": actor.name,
    }
    with database.writing() as connection:
        if connection.execute(select(ignore_rules.c.id).where(ignore_rules.c.name == entry.name)).first():
            raise NameTaken(entry.name)
        made = connection.execute(insert(ignore_rules).returning(ignore_rules.c.id), [row]).scalar_one()
        rules_were_changed(connection)
        record(connection, actor, "ignore.create", entry.name, {"entry": _given(asdict(entry)), "reason": reason}, now_ns)
    return int(made)


def remove_rule(database: Database, rule_id: int, actor: Actor, now_ns: int) -> bool:
    """Remove an entry; return whether there was one."""
    gone = delete(ignore_rules).where(ignore_rules.c.id == rule_id).returning(ignore_rules.c.name)
    with database.writing() as connection:
        name = connection.execute(gone).scalar()
        if name is None:
            return False
        rules_were_changed(connection)
        record(connection, actor, "ignore.remove", name, {}, now_ns)
    return True


def list_rules(database: Database) -> list[Row[Any]]:
    """Return every entry, the newest first."""
    with database.reading() as connection:
        return list(connection.execute(select(ignore_rules).order_by(ignore_rules.c.id.desc())).all())


def ignore_pack(connection: Connection) -> str:
    """Return the rule pack that holds every entry, empty if there is none; the same for the same entries."""
    entries = connection.execute(select(ignore_rules.c.entry).order_by(ignore_rules.c.name)).scalars()
    kept = [_given(entry) for entry in entries]
    return _pack_text(kept) if kept else ""


def proposed_entry(database: Database, attack_id: int) -> Ignore | None:
    """Return the narrowest entry that would have ignored the hits of an attack, None if there is no such attack.

    Where a part of the target cannot be written as a condition (a host that is no name, a point with brackets in it), that
    condition is left out.
    """
    with database.reading() as connection:
        attack = connection.execute(select(attacks).where(attacks.c.id == attack_id)).first()
        if attack is None:
            return None
        rules = _rules_of(connection, attack)
    wanted: dict[str, Any] = {
        "rules": rules,
        "host": "" if attack.host == attack.server else _glob(re.sub(r":\d*\Z", "", attack.host)),
        "path": _glob(attack.path),
        "point": _point(attack.point),
    }
    if attack.point and attack.point[0] in ("uri", "path", "action_name", "action_ext"):
        wanted["path"] = ""  # the payload is a part of it
    entry = Ignore(name=f"attack-{attack_id}", types=(attack.type,))
    for name, value in wanted.items():
        try:
            entry = checked_entry(_given(asdict(entry)) | {name: value}) if value else entry
        except BadEntry:
            continue
    return entry


def _rules_of(connection: Connection, attack: Row[Any]) -> tuple[str, ...]:
    found = (
        select(reports.c.findings)
        .join(hits, hits.c.report_id == reports.c.id)
        .where(hits.c.attack_id == attack.id)
        .order_by(hits.c.time_ns.desc())
        .limit(_LOOKED_AT)
    )
    rules = {
        finding["rule"]
        for findings in connection.execute(found).scalars()
        for finding in findings
        if finding["type"] == attack.type
    }
    return tuple(sorted(rules)) if all(_RULE_ID.fullmatch(rule) for rule in rules) else ()


def _glob(text: str) -> str:
    """Return the glob that only *text* matches."""
    return re.sub(r"([*?\[])", r"[\1]", text)


def _point(point: list[str]) -> str:
    """Return *point* as entries write it, up to the first part that cannot be written."""
    parts: list[str] = []
    for part in point:
        if not part or set(part) & set("[]"):
            break
        parts.append(f"[{part}]")
    return "".join(parts)


def _given(entry: dict[str, Any]) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in entry.items() if value}


def _pack_text(entries: list[dict[str, Any]]) -> str:
    plain = [_given(entry) for entry in entries]
    return yaml.safe_dump({"ignore": plain}, allow_unicode=True, sort_keys=False, width=1000)
