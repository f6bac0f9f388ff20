"""The grammars that rules may ask to confirm what their patterns chose: name -> whether a value is what the name says.

Each reads the value alone, in every place where it may land, in time linear in its size.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from tcpmirror.detect import (
    page_injection,
    path_injection,
    script_injection,
    shell_injection,
    sql_injection,
    template_injection,
)

GRAMMARS: Final[dict[str, Callable[[bytes], bool]]] = {
    "sql-injection": sql_injection.breaks_out,
    "sql-statement": sql_injection.is_statement,
    "sql-query": sql_injection.is_query,
    "sql-terse": sql_injection.is_terse,
    "shell-injection": shell_injection.breaks_out,
    "shell-tail": shell_injection.ends_in_command,
    "shell-command-line": shell_injection.is_command_line,
    "shell-command": shell_injection.is_command,
    "shell-disguise": shell_injection.is_disguised,
    "path-climbs": path_injection.climbs,
    "path-secret": path_injection.reaches_secret,
    "path-system": path_injection.names_system_file,
    "template-acts": template_injection.acts,
    "template-probes": template_injection.probes,
    "markup-runs": page_injection.runs,
    "markup-loads": page_injection.loads,
    "markup-breaks-out": page_injection.breaks_out,
    "markup-claims": page_injection.claims,
    "markup-probe": page_injection.probes,
    "script-url": page_injection.urls,
    "script-acts": script_injection.acts,
    "style-runs": page_injection.styles,
}
