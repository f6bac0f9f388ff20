"""The rules that nodes fetch: the operator's packs and what is to be ignored, signed, under a number that grows.

The key is made with the store and stays in it; a node pins its public half when it registers, so that from then on no one
who comes between, or has a copy of the node's credential, can give it rules.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection, Row, delete, insert, select, update

from tcpmirror.cloud.apis.specifications import specification_pack
from tcpmirror.cloud.audit import Actor, record
from tcpmirror.cloud.database import Database
from tcpmirror.cloud.facts import fact, keep_fact
from tcpmirror.cloud.ignore_rules import ignore_pack
from tcpmirror.cloud.masks import mask_pack
from tcpmirror.cloud.schema import rule_packs
from tcpmirror.cloud.serial import rules_serial, rules_were_changed
from tcpmirror.detect.pack import read_pack
from tcpmirror.errors import SettingsError
from tcpmirror.model.rule_document import PACK_NAME, RuleDocument, encode_rules, signed_bytes

PACK_LIMIT: Final = 512 * 1024  # characters of one pack
PACKS: Final = 8
_KEY: Final = "rules_key"
_MADE: Final = {"ignored": ignore_pack, "masks": mask_pack, "specifications": specification_pack}  # packs that are made here


class BadPack(Exception):
    """A pack that a node would refuse; its text says where and why."""


@dataclass(frozen=True, slots=True)
class SignedRules:
    """``payload``: see `model.rule_document`; ``signature``: Base64; ``etag``: the same for the same payload."""

    payload: bytes
    signature: str
    etag: str
    serial: int


def signed_rules(database: Database) -> SignedRules:
    """Return what nodes are to have now."""
    with database.reading() as connection:
        document = RuleDocument(rules_serial(connection), tuple(_packs(connection)))
    key = signing_key(database)
    payload = encode_rules(document)
    signature = base64.b64encode(key.sign(signed_bytes(payload))).decode()
    return SignedRules(payload, signature, f'"{hashlib.sha256(payload).hexdigest()[:32]}"', document.serial)


def public_key(database: Database) -> str:
    """Return the key by which nodes know our rules, Base64."""
    return base64.b64encode(signing_key(database).public_key().public_bytes_raw()).decode()


def signing_key(database: Database) -> Ed25519PrivateKey:
    """Return the key that rules and settings for nodes are signed with."""
    with database.reading() as connection:
        stored = fact(connection, _KEY)
    return Ed25519PrivateKey.from_private_bytes(stored) if stored else _new_key(database)


def keep_pack(database: Database, name: str, text: str, actor: Actor, now_ns: int) -> int:
    """Keep the pack *text* as *name*, in place of one of that name; return how many rules it has. BadPack: it cannot be."""
    rules = _checked(name, text)
    row = {"text": text, "rules": rules, "changed_ns": now_ns, "changed_by": actor.name}
    with database.writing() as connection:
        names = set(connection.execute(select(rule_packs.c.name)).scalars())
        if name in names:
            connection.execute(update(rule_packs).where(rule_packs.c.name == name).values(**row))
        elif len(names) >= PACKS:
            raise BadPack(f"there are {PACKS} packs already; accepted: one of their names")
        else:
            connection.execute(insert(rule_packs), row | {"name": name})
        rules_were_changed(connection)
        digest = hashlib.sha256(text.encode()).hexdigest()
        record(connection, actor, "rules.keep", name, {"rules": rules, "sha256": digest}, now_ns)
    return rules


def remove_pack(database: Database, name: str, actor: Actor, now_ns: int) -> bool:
    """Remove a pack; return whether there was one."""
    with database.writing() as connection:
        if not connection.execute(delete(rule_packs).where(rule_packs.c.name == name)).rowcount:
            return False
        rules_were_changed(connection)
        record(connection, actor, "rules.remove", name, {}, now_ns)
    return True


def list_packs(database: Database) -> list[Row[Any]]:
    """Return every pack, by name."""
    with database.reading() as connection:
        return list(connection.execute(select(rule_packs).order_by(rule_packs.c.name)).all())


def _packs(connection: Connection) -> list[tuple[str, str]]:
    packs = [(row.name, row.text) for row in connection.execute(select(rule_packs.c.name, rule_packs.c.text))]
    made = [(name, make(connection)) for name, make in _MADE.items()]
    return [*packs, *((name, text) for name, text in made if text)]


def _checked(name: str, text: str) -> int:
    if not PACK_NAME.fullmatch(name) or name in _MADE:
        raise BadPack(f"name: {name!r}; accepted: small letters, digits and dashes, not {', '.join(_MADE)}")
    if len(text) > PACK_LIMIT:
        raise BadPack(f"text: {len(text)} characters; accepted: at most {PACK_LIMIT}")
    try:
        pack = read_pack(name, text)
    except SettingsError as error:
        raise BadPack(str(error)) from error
    return len(pack.rules)


def _new_key(database: Database) -> Ed25519PrivateKey:
    with database.writing() as connection:
        stored = fact(connection, _KEY)  # another call may have made one meanwhile
        if stored:
            return Ed25519PrivateKey.from_private_bytes(stored)
        key = Ed25519PrivateKey.generate()
        keep_fact(connection, _KEY, key.private_bytes_raw())
    return key
