"""Settings: one YAML file (versions 2, 3 and 4) -> one frozen tree.

`tree` is what the rest of the sensor sees. The key tables (`table` and what it joins) say what a file may hold; `document`
reads YAML, `reading` holds it against the tables, `assemble` makes the tree. `describe` goes the other way, and
`reference` writes the documentation, from the same tables.
"""

from tcpmirror.settings.describe import describe_settings
from tcpmirror.settings.environment import apply_environment
from tcpmirror.settings.load import LoadedSettings, load_settings, parse_settings

__all__ = ["LoadedSettings", "apply_environment", "describe_settings", "load_settings", "parse_settings"]
