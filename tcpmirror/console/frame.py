"""What every page has: who is signed in, the bar at the top, light or dark."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from fastapi import Request
from nicegui import ui

from tcpmirror.cloud.accounts import Account
from tcpmirror.cloud.api.access import COOKIE, caller_address
from tcpmirror.cloud.audit import Actor
from tcpmirror.cloud.roles import Role
from tcpmirror.cloud.service import Service
from tcpmirror.cloud.sign_in import account_of_session
from tcpmirror.console.parts import Text, block, link

THEME_COOKIE: Final = "tcpmirror_theme"
_THEMES: Final = {"auto": None, "light": False, "dark": True}
_NEXT_THEME: Final = {"auto": "light", "light": "dark", "dark": "auto"}
_THEME_ICONS: Final = {"auto": "brightness_auto", "light": "light_mode", "dark": "dark_mode"}
_HEAD: Final = (
    '<link rel="stylesheet" href="/console/console.css">'
    '<link rel="icon" type="image/svg+xml" href="/console/mark.svg"><meta name="robots" content="noindex">'
    '<script>document.documentElement.lang = "en"</script>'
)
_SIGN_OUT: Final = 'fetch("/api/v1/session", {method: "DELETE"}).finally(() => location.assign("/sign-in"))'


@dataclass(frozen=True, slots=True)
class Visit:
    """One visit of a signed-in person to one page."""

    service: Service
    title: str
    account: Account
    secret: str
    theme: str
    address: str = ""

    @property
    def actor(self) -> Actor:
        """Who acts, for the log of changes."""
        return Actor(self.account.name, self.address)

    def may(self, role: Role) -> bool:
        """Tell whether this person, as the account stands now, may do what *role* may."""
        account = account_of_session(self.service.database, self.secret, self.service.clock())
        return account is not None and account.role.may(role)

    async def allows(self, role: Role) -> bool:
        """Tell whether this person still may do what *role* may, and say so on the page where not."""
        if await asyncio.to_thread(self.may, role):
            return True
        ui.notify(f"This needs the role {role.value}.", type="warning")
        return False

    def is_signed_in(self) -> bool:
        """Tell whether the session still holds; a page left open asks this before it shows anything new."""
        return account_of_session(self.service.database, self.secret, self.service.clock()) is not None


class NotSignedIn(Exception):
    """Nobody is; ``address``: where to sign in, and where to go then."""

    def __init__(self, asked: str) -> None:
        super().__init__(asked)
        self.address = f"/sign-in?next={quote(asked, safe='')}"


@dataclass(frozen=True, slots=True)
class Console:
    """What all pages are about; the application of the pages keeps it as ``state.console``."""

    service: Service
    title: str


async def visit(request: Request) -> Visit:
    """Return who *request* for a page comes from; NotSignedIn where that is nobody."""
    console: Console = request.app.state.console
    service = console.service
    secret = request.cookies.get(COOKIE, "")
    account = await asyncio.to_thread(account_of_session, service.database, secret, service.clock()) if secret else None
    if account is None:
        raise NotSignedIn(request.url.path + (f"?{request.url.query}" if request.url.query else ""))
    theme = request.cookies.get(THEME_COOKIE, "auto")
    return Visit(service, console.title, account, secret, theme if theme in _THEMES else "auto", caller_address(request))


@contextmanager
def frame(visited: Visit, heading: str, place: str) -> Iterator[None]:
    """Build the page around the block's elements; *place* is the menu entry it belongs to."""
    ui.add_head_html(_HEAD)
    ui.page_title(f"{heading} · {visited.title}")
    # Quasar's page would be a <main> around the one with what the page is about.
    slot = ui.context.client.content.parent_slot
    assert slot is not None
    slot.parent.tag = "div"
    theme = ui.dark_mode(_THEMES[visited.theme])
    with block("div", "tm-page"):
        with block("header", "tm-bar"):
            with link("", "/overview", "tm-brand").props('aria-label="Start"'):
                block("span", "tm-mark")
                Text("span", visited.title, "tm-brand-name")
            with block("nav", "tm-nav").props('aria-label="Pages"'):
                _entry("Overview", "/overview", place)
                _entry("Attacks", "/attacks", place)
                _entry("Incidents", "/incidents", place)
                _entry("Vulnerabilities", "/vulnerabilities", place)
                _entry("Sessions", "/sessions", place)
                _entry("APIs", "/apis", place)
                _entry("Sources", "/sources", place)
                _entry("Rules", "/rules", place)
                _entry("Nodes", "/nodes", place)
                _entry("Mirror", "/health", place)
                _entry("Set-up", "/setup", place)
                _entry("Settings", "/settings", place)
                _entry("Reference", "/api/docs", place)
            with block("div", "tm-tools"):
                _theme_button(visited.theme, lambda name: theme.set_value(_THEMES[name]))
                Text("span", visited.account.name, "tm-who")
                _icon_button("logout", "Sign out", lambda: ui.run_javascript(_SIGN_OUT))
        with block("main", "tm-main"):
            yield


def _entry(text: str, target: str, place: str) -> None:
    entry = link(text, target, "tm-here" if text == place else "")
    if text == place:
        entry.props('aria-current="page"')


def _theme_button(current: str, apply: Callable[[str], object]) -> None:
    def turn() -> None:
        chosen = _NEXT_THEME[button.theme]
        button.theme = chosen
        button.props(f"icon={_THEME_ICONS[chosen]}")
        apply(chosen)
        ui.run_javascript(f'document.cookie = "{THEME_COOKIE}={chosen}; path=/; max-age=31536000; samesite=lax"')

    button = _ThemeButton(icon=_THEME_ICONS[current], on_click=turn, color=None)
    button.theme = current
    button.props('flat round dense size=sm aria-label="Change between automatic, light and dark"').classes("tm-tool")
    button.tooltip("Automatic, light, dark")


class _ThemeButton(ui.button):
    theme: str = "auto"


def _icon_button(icon: str, label: str, act: Callable[[], object]) -> None:
    button = (
        ui.button(icon=icon, on_click=act, color=None)
        .props(f'flat round dense size=sm aria-label="{label}"')
        .classes("tm-tool")
    )
    button.tooltip(label)
