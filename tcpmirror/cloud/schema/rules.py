"""What people set here: rules, masks, what to ignore, settings of nodes, integrations."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, Table

from tcpmirror.cloud.schema.columns import Id, Packed, TrafficText, metadata

# What nodes are told to ignore. An attack may be gone before the entry that it led to, so nothing refers to it.
ignore_rules = Table(
    "ignore_rules",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", TrafficText, nullable=False, unique=True),
    Column("entry", Packed, nullable=False),  # the fields of settings.tree.Ignore
    Column("reason", TrafficText, nullable=False),
    Column("attack_id", Id),
    Column("created_ns", BigInteger, nullable=False),
    Column("created_by", TrafficText, nullable=False),
    sqlite_autoincrement=True,
)

mask_rules = Table(
    "mask_rules",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", TrafficText, nullable=False, unique=True),
    Column("entry", Packed, nullable=False),  # the fields of settings.tree.Mask
    Column("reason", TrafficText, nullable=False),
    Column("created_ns", BigInteger, nullable=False),
    Column("created_by", TrafficText, nullable=False),
    sqlite_autoincrement=True,
)

# What there is one of: the key that rules are signed with, the number of their last change.
facts = Table(
    "facts",
    metadata,
    Column("name", TrafficText, primary_key=True),
    Column("value", LargeBinary, nullable=False),
)

rule_packs = Table(
    "rule_packs",
    metadata,
    Column("name", TrafficText, primary_key=True),
    Column("text", TrafficText, nullable=False),
    Column("rules", Integer, nullable=False),
    Column("changed_ns", BigInteger, nullable=False),
    Column("changed_by", TrafficText, nullable=False),
)

# What nodes are given over their files: YAML by scope (`all`, `group:NAME`, `node:ID`).
node_settings = Table(
    "node_settings",
    metadata,
    Column("scope", TrafficText, primary_key=True),
    Column("text", TrafficText, nullable=False),
    Column("changed_ns", BigInteger, nullable=False),
    Column("changed_by", TrafficText, nullable=False),
)

# Where hits are sent from here. ``sink``: keys of one of `settings.tree.Sink`, with its secrets; ``after_hit``: it has what
# was stored up to this hit; ``problem``: why the last delivery failed.
integrations = Table(
    "integrations",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", TrafficText, nullable=False, unique=True),
    Column("sink", Packed, nullable=False),
    Column("created_ns", BigInteger, nullable=False),
    Column("created_by", TrafficText, nullable=False),
    Column("after_hit", BigInteger, nullable=False),
    Column("sent", BigInteger, nullable=False),
    Column("problem", TrafficText, nullable=False),
    sqlite_autoincrement=True,
)
