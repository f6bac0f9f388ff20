from dataclasses import replace

import pytest

from tcpmirror.errors import SettingsError
from tcpmirror.settings import apply_environment
from tcpmirror.settings.tree import Cloud, Log, Settings, Supervisor

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
    ("name", "text"),
    [
        ("WALLARM_APID_ONLY", "maybe"),
        ("TCPMIRROR_STATE_DIR", "here"),
        ("WALLARM_API_HOST", "http://"),
        ("TCPMIRROR_LABELS", "edge"),
        ("WALLARM_LABELS", "group=a\x07"),
    ],
)
def test_value_that_means_nothing_is_refused_by_its_name(name: str, text: str) -> None:
    with pytest.raises(SettingsError) as caught:
        apply_environment(Settings(), {name: text})
    assert (caught.value.key, caught.value.value) == (name, text)


def test_places_are_taken_where_the_file_names_none() -> None:
    environ = {"TCPMIRROR_STATE_DIR": "/opt/s", "TCPMIRROR_RUN_DIR": "/opt/r", "TCPMIRROR_LOG_FILE": "/opt/l"}
    settings = apply_environment(Settings(), environ)
    assert (settings.supervisor.state_dir, settings.supervisor.run_dir, settings.log.file) == ("/opt/s", "/opt/r", "/opt/l")
    own = Settings(supervisor=Supervisor(state_dir="/srv/s", run_dir="/srv/r"), log=Log(file="stdout"))
    assert apply_environment(own, environ) == own


CLOUDS = {
    "a name": ("cloud.example", "https://cloud.example"),
    "a name and a port": ("cloud.example:8443", "https://cloud.example:8443"),
    "a URL": ("http://127.0.0.1:8088/", "http://127.0.0.1:8088/"),
}


@pytest.mark.parametrize("prefix", ["TCPMIRROR_", "WALLARM_"])
@pytest.mark.parametrize(("host", "url"), CLOUDS.values(), ids=CLOUDS)
def test_a_cloud_elsewhere_is_named_by_its_host(host: str, url: str, prefix: str) -> None:
    cloud = apply_environment(Settings(), {prefix + "API_HOST": host, prefix + "API_TOKEN": "secret"}).cloud
    assert (cloud.url, cloud.token, cloud.embedded) == (url, "secret", False)


def test_a_token_without_a_cloud_is_refused_and_not_shown() -> None:
    with pytest.raises(SettingsError) as caught:
        apply_environment(Settings(), {"WALLARM_API_TOKEN": "the secret"})
    assert caught.value.key == "WALLARM_API_TOKEN"
    assert "the secret" not in str(caught.value)
    elsewhere = Settings(cloud=Cloud(embedded=False, url="https://cloud.example", token="file"))
    assert apply_environment(elsewhere, {"WALLARM_API_TOKEN": "new"}).cloud.token == "new"
