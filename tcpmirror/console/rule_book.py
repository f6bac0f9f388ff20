"""What the built-in rules have to say of themselves."""

from __future__ import annotations

from functools import cache

from tcpmirror.detect.pack import Rule, load_pack


@cache
def rule_book() -> dict[str, Rule]:
    """Return the built-in rules by their ids, read once a process; the rules of operators live on their nodes."""
    return {rule.id: rule for rule in load_pack().rules}


def weakness_address(number: int) -> str:
    return f"https://cwe.mitre.org/data/definitions/{number}.html"


def attack_pattern_address(number: int) -> str:
    return f"https://capec.mitre.org/data/definitions/{number}.html"
