"""What a rule set decides about itself before any request: set-up rules run once, and ranges they skip are left out.

Rule sets such as the OWASP CRS set their defaults and choose their level by dozens of rules that look at nothing but
variables of their own. Of about five hundred rules a third is left at the lowest level.
"""

from __future__ import annotations

import re
from typing import Final

from tcpmirror.detect.seclang.operators import COMPARISONS, number
from tcpmirror.detect.seclang.rules import Link, Marker, SecRule

_MACRO: Final = re.compile(r"%\{([^{}]{1,128})\}")
Items = list[SecRule | Marker]


def pruned(items: Items, tx: dict[str, bytes]) -> tuple[Items, dict[str, bytes]]:
    """Return *items* less what is decided already, and the variables as the decided rules leave them."""
    tx = dict(tx)
    changing = _changing(items)
    gone: set[int] = set()
    for phase in (1, 2):
        read: set[str] = set()
        skipped_to = ""
        for at, item in enumerate(items):
            if isinstance(item, Marker):
                skipped_to = "" if item.name == skipped_to else skipped_to
            elif item.phase != phase:
                continue
            elif skipped_to:
                gone.add(at)
            elif _is_decided(item, changing) and not _writes(item) & read:
                gone.add(at)
                if _run(item, tx) and item.skip_after and _has_marker(items, at, item.skip_after):
                    skipped_to = item.skip_after
            else:
                read |= _reads(item)
                changing |= _writes(item)
    return [item for at, item in enumerate(items) if at not in gone], tx


def _has_marker(items: Items, at: int, name: str) -> bool:
    return any(isinstance(item, Marker) and item.name == name for item in items[at:])


def _changing(items: Items) -> set[str]:
    """Return the names of the variables that some request could change."""
    changing = {str(digit) for digit in range(10)}
    while True:
        found = {
            name for item in items if isinstance(item, SecRule) and not _is_decided(item, changing) for name in _writes(item)
        }
        if found <= changing:
            return changing
        changing |= found


def _is_decided(rule: SecRule, changing: set[str]) -> bool:
    """Tell whether *rule* does the same for every request."""
    if rule.action not in ("pass", "block") or (rule.is_logged and rule.message):
        return False
    return not _reads(rule) & changing and all(_is_own(link) for link in rule.links)


def _is_own(link: Link) -> bool:
    """Tell whether *link* looks at single variables of the rule set only, and changes nothing else."""
    if link.removals or link.processor or link.captures or link.transformations:
        return False
    if any(target.name != "TX" or target.expression or target.excluded or not target.key for target in link.targets):
        return False
    if link.operator is not None and link.operator.name not in COMPARISONS:
        return False
    texts = [setting.value for setting in link.settings] + [link.operator.argument if link.operator else ""]
    if any("%{" in setting.name for setting in link.settings):
        return False
    return all(macro.lower().startswith("tx.") for text in texts for macro in _MACRO.findall(text))


def _reads(rule: SecRule) -> set[str]:
    found: set[str] = set()
    for link in rule.links:
        found |= {target.key for target in link.targets if target.name == "TX"}
        texts = [setting.value for setting in link.settings] + [link.operator.argument if link.operator else ""]
        found |= {macro[3:].lower() for text in texts for macro in _MACRO.findall(text) if macro.lower().startswith("tx.")}
        found |= {setting.name for setting in link.settings if setting.how in ("+", "-")}
    return found


def _writes(rule: SecRule) -> set[str]:
    return {setting.name for link in rule.links for setting in link.settings}


def _run(rule: SecRule, tx: dict[str, bytes]) -> bool:
    """Run a decided rule over *tx*; tell whether it matched."""
    for link in rule.links:
        if not _holds(link, tx):
            return False
        for setting in link.settings:
            value = _expanded(setting.value, tx)
            if setting.how == "!":
                tx.pop(setting.name, None)
            elif setting.how == "=":
                tx[setting.name] = value
            else:
                before = number(tx.get(setting.name, b""))
                tx[setting.name] = b"%d" % (before + number(value) if setting.how == "+" else before - number(value))
    return True


def _holds(link: Link, tx: dict[str, bytes]) -> bool:
    operator = link.operator
    if operator is None:
        return True
    argument = _expanded(operator.argument, tx)
    values = []
    for target in link.targets:
        if target.counted:
            values.append(b"1" if target.key in tx else b"0")
        elif target.key in tx:
            values.append(tx[target.key])
    return any(COMPARISONS[operator.name](value, argument) is not operator.negated for value in values)


def _expanded(text: str, tx: dict[str, bytes]) -> bytes:
    def named(match: re.Match[str]) -> str:
        return tx.get(match[1][3:].lower(), b"").decode("utf-8", "surrogateescape")

    return _MACRO.sub(named, text).encode("utf-8", "surrogateescape")
