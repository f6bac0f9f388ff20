"""The grammars that rules may ask to confirm what their patterns chose: name -> whether a value is what the name says.

Each reads the value alone, in every place where it may land, in time linear in its size.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from tcpmirror.detect import page_injection, script_injection
from tcpmirror.detect.sql_injection import breaks_out, is_statement

GRAMMARS: Final[dict[str, Callable[[bytes], bool]]] = {
    "sql-injection": breaks_out,
    "sql-statement": is_statement,
    "markup-runs": page_injection.runs,
    "markup-loads": page_injection.loads,
    "markup-breaks-out": page_injection.breaks_out,
    "markup-claims": page_injection.claims,
    "markup-probe": page_injection.probes,
    "script-url": page_injection.urls,
    "script-acts": script_injection.acts,
    "style-runs": page_injection.styles,
}
