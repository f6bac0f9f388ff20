"""The address of a page with several lists: it says how each is shown, and changes in place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final
from urllib.parse import urlencode

from fastapi import Depends, Request
from nicegui import ui

from tcpmirror.cloud.short_lists import TEXT_LIMIT

_NAMES_LIMIT: Final = 40  # names in an address: more than any page has


@dataclass(slots=True)
class Address:
    """A page's *path*, and what stands behind it by name."""

    path: str
    named: dict[str, str]

    def of(self, name: str) -> str:
        """Return what is said under *name*, empty if nothing is."""
        return self.named.get(name, "")[:TEXT_LIMIT]

    def url(self, changes: dict[str, str]) -> str:
        """Return the address with *changes*; what is empty is left out."""
        query = urlencode({name: value for name, value in (self.named | changes).items() if value})
        return f"{self.path}?{query}" if query else self.path

    def keep(self, changes: dict[str, str]) -> None:
        """Let the browser show the address with *changes*, without another entry in its history."""
        self.named |= changes
        ui.navigate.history.replace(self.url({}))


def _address(request: Request) -> Address:
    return Address(request.url.path, dict(list(request.query_params.items())[:_NAMES_LIMIT]))


PageAddress = Annotated[Address, Depends(_address)]
