from dataclasses import replace

import pytest

from tcpmirror.errors import SettingsError
from tcpmirror.settings import apply_environment
from tcpmirror.settings.tree import Cloud, Settings

TAKEN = {
    "nothing": ({}, False, ""),
    "older name": ({"WALLARM_APID_ONLY": "true"}, True, ""),
    "own name": ({"TCPMIRROR_APID_ONLY": "1"}, True, ""),
    "own name goes first": ({"TCPMIRROR_APID_ONLY": "false", "WALLARM_APID_ONLY": "true"}, False, ""),
    "group": ({"WALLARM_LABELS": "group=edge"}, False, "edge"),
    "group among labels": ({"TCPMIRROR_LABELS": "site=x, group=edge eu"}, False, "edge eu"),
    "no labels": ({"WALLARM_LABELS": ""}, False, ""),
}


@pytest.mark.parametrize(("environ", "discovery_only", "group"), TAKEN.values(), ids=TAKEN)
def test_environment(environ: dict[str, str], discovery_only: bool, group: str) -> None:
    settings = apply_environment(Settings(), environ)
    assert (settings.discovery_only, settings.cloud.group) == (discovery_only, group)


def test_environment_goes_before_the_file() -> None:
    settings = replace(Settings(), discovery_only=True, cloud=Cloud(group="file"))
    changed = apply_environment(settings, {"WALLARM_APID_ONLY": "false", "WALLARM_LABELS": "group=environment"})
    assert (changed.discovery_only, changed.cloud.group) == (False, "environment")
    assert apply_environment(settings, {"WALLARM_LABELS": "site=x"}) == settings


@pytest.mark.parametrize(
    ("name", "text"), [("WALLARM_APID_ONLY", "maybe"), ("TCPMIRROR_LABELS", "edge"), ("WALLARM_LABELS", "group=a\x07")]
)
def test_value_that_means_nothing_is_refused_by_its_name(name: str, text: str) -> None:
    with pytest.raises(SettingsError) as caught:
        apply_environment(Settings(), {name: text})
    assert (caught.value.key, caught.value.value) == (name, text)
