"""The page Set-up: how to point a mirror at a sensor, with the reader's own values in the commands."""

from __future__ import annotations

import re
from typing import Any, Final

from nicegui import ui
from sqlalchemy import Row

from tcpmirror.console.mirror_guides import DOCTOR, MIRRORS, SETTINGS, settings_for
from tcpmirror.console.parts import Text, block, link
from tcpmirror.console.text import shortened

_SAFE: Final = re.compile(r"[A-Za-z0-9._:/-]{1,100}")


class SetupPage:
    """The page's state in one browser tab."""

    def __init__(self, kind: str, nodes: list[Row[Any]]) -> None:
        self._mirror = MIRRORS[kind]
        self._values = {name: first for name, (_, first) in self._mirror.fields.items()}
        with block("div", "tm-head"):
            Text("h1", "Set up a mirror")
        with block("nav", "tm-chips").props('aria-label="Where the traffic is"'):
            for name, mirror in MIRRORS.items():
                chip = link(mirror.title, f"/setup?kind={name}", "tm-chip")
                if name == kind:
                    chip.props('aria-current="true"')
        with block("div", "tm-stack"):
            with block("section", "tm-panel"):
                Text("h2", self._mirror.title)
                Text("p", self._mirror.about)
                with block("div", "tm-fields"):
                    for name, (label, _) in self._mirror.fields.items():
                        self._field(name, label)
            self._steps = block("section", "tm-panel")
            self._show()
            _after(nodes)

    def _field(self, name: str, label: str) -> None:
        field = ui.input(label, value=self._values[name], on_change=lambda event: self._change(name, str(event.value or "")))
        field.props("outlined dense maxlength=100 debounce=200 spellcheck=false autocapitalize=none").classes("tm-filter")
        field.validation = {"Letters, digits and . _ : / - only": lambda value: bool(_SAFE.fullmatch(str(value or "")))}

    def _change(self, name: str, value: str) -> None:
        if _SAFE.fullmatch(value):  # anything else would be more than a value in a command
            self._values[name] = value
            self._show()

    def _show(self) -> None:
        self._steps.clear()
        with self._steps:
            Text("h2", "What to do")
            for number, step in enumerate(self._mirror.steps(self._values), 1):
                Text("p", f"{number}. {step.what}")
                _commands(step.commands, step.what)
            Text("p", SETTINGS)
            _commands(settings_for(self._values), "Settings of the sensor")


def _commands(text: str, label: str) -> None:
    Text("pre", text, "tm-pre").props("tabindex=0")._props["aria-label"] = label


def _after(nodes: list[Row[Any]]) -> None:
    with block("section", "tm-panel"):
        Text("h2", "Then")
        Text("p", "See what arrives, and what is wrong with it:")
        Text("pre", DOCTOR, "tm-pre").props('tabindex=0 aria-label="Doctor"')
        with block("p"):
            Text("span", "A running sensor says the same on the page ")
            link("Mirror", "/health")
            names = ", ".join(shortened(row.name, 40) for row in nodes[:5])
            Text("span", f". Registered: {names}." if nodes else ". No sensor has registered yet.")
