"""The grammars that a rule can ask to confirm what its patterns chose."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from tcpmirror.detect import shell_injection, sql_injection

GRAMMARS: Final[dict[str, Callable[[bytes], bool]]] = {
    "sql-injection": sql_injection.breaks_out,
    "sql-statement": sql_injection.is_statement,
    "shell-injection": shell_injection.breaks_out,
    "shell-tail": shell_injection.ends_in_command,
    "shell-command-line": shell_injection.is_command_line,
    "shell-command": shell_injection.is_command,
    "shell-disguise": shell_injection.is_disguised,
}
