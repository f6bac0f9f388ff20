"""Which version this is."""

from __future__ import annotations

from importlib import metadata


def installed_version() -> str:
    """Return the version of the installed package; a bare source tree has none."""
    try:
        return metadata.version("tcpmirror")
    except metadata.PackageNotFoundError:
        return "source"
