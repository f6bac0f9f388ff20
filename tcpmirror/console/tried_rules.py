"""What rules that are tried out would have found, of all sensors: shown, and no attack."""

from __future__ import annotations

from tcpmirror.console.parts import Text, block, table, text_cell


class TriedRules:
    """A panel with a row a rule, the one that found most first; nothing where none found anything."""

    def __init__(self, found: dict[str, int]) -> None:
        if not found:
            return
        with block("section", "tm-panel"):
            Text("h2", "Tried out")
            Text("p", "What experimental rules would have found since their sensors started. It is no attack.", "tm-quiet")
            with table("Tried out", ("Rule", "Would have found")):
                for rule, count in sorted(found.items(), key=lambda row: (-row[1], row[0])):
                    with block("tr"):
                        text_cell("Rule", rule)
                        text_cell("Would have found", f"{count:,}")
