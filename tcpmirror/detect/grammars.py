"""The grammars that rules may ask to confirm what their patterns chose: name -> whether a value is what the name says.

Each reads the value alone, in every place where it may land, in time linear in its size.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from tcpmirror.detect.sql_injection import breaks_out, is_statement

GRAMMARS: Final[dict[str, Callable[[bytes], bool]]] = {
    "sql-injection": breaks_out,
    "sql-statement": is_statement,
}
