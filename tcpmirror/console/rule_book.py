"""What the rules have to say of themselves."""

from __future__ import annotations

from functools import cache, lru_cache

from tcpmirror.cloud.database import Database
from tcpmirror.cloud.served_rules import PACKS, list_packs
from tcpmirror.detect.pack import Rule, examine_pack, load_pack


@cache
def rule_book() -> dict[str, Rule]:
    """Return the built-in rules by their ids, read once a process."""
    return {rule.id: rule for rule in load_pack().rules}


def rule_of(database: Database, rule_id: str) -> Rule | None:
    """Return the rule *rule_id*, built in or of the packs that this cloud gives to its sensors; None if neither has it."""
    known = rule_book().get(rule_id)
    if known is None:
        own = (_rules_of(row.name, row.text).get(rule_id) for row in list_packs(database))
        known = next((rule for rule in own if rule is not None), None)
    return known


@lru_cache(maxsize=PACKS)
def _rules_of(name: str, text: str) -> dict[str, Rule]:
    pack, _ = examine_pack(name, text)  # what a newer version of this program may no longer take is left out
    return {rule.id: rule for rule in pack.rules}


def weakness_address(number: int) -> str:
    return f"https://cwe.mitre.org/data/definitions/{number}.html"


def attack_pattern_address(number: int) -> str:
    return f"https://capec.mitre.org/data/definitions/{number}.html"
