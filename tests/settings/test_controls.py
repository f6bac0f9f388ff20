"""Controls as they are written: what is accepted, and what is refused in plain words."""

from __future__ import annotations

import pytest

from tcpmirror.settings import parse_settings
from tcpmirror.settings.reading import SettingsProblemsError
from tcpmirror.settings.tree import SECOND, Control

START = "version: 4\nmode: tcp-capture-v2\ntcp_stream: {from_interface: {enabled: true}}\nbehavior:\n  controls:\n    - "


def control(text: str) -> Control:
    (found,) = parse_settings(START + text + "\n", "f").settings.behavior.controls
    return found


def test_triggers_of_the_native_node_can_be_written() -> None:
    text = "{name: a, type: brute, count: requests, path: /login, applications: [3], networks: [10.0.0.0/8], window: 30s}"
    found = control(text)
    assert (found.applications, found.networks, found.window_ns, found.threshold) == ((3,), ("10.0.0.0/8",), 30 * SECOND, 30)
    found = control(
        "{name: a, type: multiple_payloads, count: payloads, attacks: [sqli, xss], statuses: ['403'], window: 1h}"
    )
    assert (found.attacks, found.statuses, found.window_ns) == (("sqli", "xss"), ("403",), 3600 * SECOND)
    found = control("{name: a, type: enum, count: values, parameters: ref, values: '~^A', window: 1m}")
    assert (found.parameters, found.values) == ("ref", "~^A")
    for kind in ("gql_introspection", "gql_debug"):
        assert control(f"{{name: a, type: {kind}, count: graphql, path: /graphql, threshold: 0}}").limit == 0


REFUSED = {
    "a limit for what a request has or has not": ("type: gql_debug, count: graphql, limit: 1", "`limit` is needed with"),
    "no limit": ("type: gql_value_size, count: graphql", "`limit` is needed with"),
    "values without parameters": ("type: bola, count: values, values: x", "so it needs these"),
    "values of what is no value": ("type: brute, count: requests, values: x", "so it needs these"),
    "types of attacks where none are counted": ("type: brute, count: requests, attacks: [sqli]", "whose payloads"),
    "an attack that is none": ("type: multiple_payloads, count: payloads, attacks: [sql]", "sqli"),
    "an application that is none": ("type: brute, applications: [0]", "applications"),
}


@pytest.mark.parametrize(("text", "words"), REFUSED.values(), ids=REFUSED)
def test_what_makes_no_sense_is_refused(text: str, words: str) -> None:
    with pytest.raises(SettingsProblemsError, match=words):
        control(f"{{name: a, {text}}}")


def test_nobody_is_asked_about_passwords_unless_it_is_written() -> None:
    plain = parse_settings(START.partition("behavior")[0], "f").settings.behavior
    assert plain.breached_url == ""
    text = START.partition("behavior")[0] + "behavior: {breached_url: 'https://ranges.example/range', breached_rate: 5}\n"
    assert parse_settings(text, "f").settings.behavior.breached_rate == 5
    with pytest.raises(SettingsProblemsError, match="URL"):
        parse_settings(text.replace("https:", "ftp:"), "f")
