"""Settings that come from environment variables, after the file's; `TCPMIRROR_*` goes before the older `WALLARM_*`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from tcpmirror.errors import SettingsError
from tcpmirror.settings.kinds import URL, RejectedError
from tcpmirror.settings.simulation import VARIABLE, simulated
from tcpmirror.settings.tree import Log, Settings, Supervisor

CONFIG: Final = "TCPMIRROR_CONFIG"  # the settings file of a command that was given none
STATE_DIR, RUN_DIR, LOG_FILE = "TCPMIRROR_STATE_DIR", "TCPMIRROR_RUN_DIR", "TCPMIRROR_LOG_FILE"
PREFIXES: Final = ("TCPMIRROR_", "WALLARM_")
TRUE: Final = ("true", "1", "yes", "on")
FALSE: Final = ("false", "0", "no", "off", "")


def apply_environment(settings: Settings, environ: Mapping[str, str]) -> Settings:
    """Return *settings* with what `*_APID_ONLY` (attacks are not exported) and `*_LABELS` (`group=NAME`) say.

    `*_API_HOST` and `*_API_TOKEN` name a cloud elsewhere, `TCPMIRROR_SIMULATE` faults for tests, and some more variables
    places (see `placed`).

    SettingsError, with the variable as its key, for a value that means nothing.
    """
    settings = _with_cloud(placed(settings, environ), environ)
    name, text = _variable(environ, "APID_ONLY")
    if name:
        settings = replace(settings, discovery_only=_flag(name, text))
    name, text = _variable(environ, "LABELS")
    group = _labels(name, text).get("group") if name else None
    if group is not None:
        settings = replace(settings, cloud=replace(settings.cloud, group=group))
    return simulated(settings, environ.get(VARIABLE, ""), "(environment)", VARIABLE)


def placed(settings: Settings, environ: Mapping[str, str]) -> Settings:
    """Return *settings* with the places that an installation has, each where the settings still have the default.

    So a file that names none can be moved from one machine to another, and one that names its own keeps it.
    """
    places, log, usual = settings.supervisor, settings.log, Supervisor()
    if places.state_dir == usual.state_dir:
        places = replace(places, state_dir=_absolute(environ, STATE_DIR) or usual.state_dir)
    if places.run_dir == usual.run_dir:
        places = replace(places, run_dir=_absolute(environ, RUN_DIR) or usual.run_dir)
    if log.file == Log().file:
        log = replace(log, file=_absolute(environ, LOG_FILE) or log.file)
    return replace(settings, supervisor=places, log=log)


def config_file(environ: Mapping[str, str]) -> Path | None:
    """Return the settings file that the environment names, None where it names none."""
    return Path(environ[CONFIG]) if environ.get(CONFIG) else None


def _with_cloud(settings: Settings, environ: Mapping[str, str]) -> Settings:
    name, host = _variable(environ, "API_HOST")
    token_name, token = _variable(environ, "API_TOKEN")
    cloud = settings.cloud
    if host:
        url = host if "://" in host else f"https://{host}"
        try:
            cloud = replace(cloud, url=str(URL.parse(url, "str")), embedded=False)
        except RejectedError as error:
            raise SettingsError("(environment)", 0, name, host, f"a host name or {URL.accepted}") from error
    if token and cloud.embedded:
        problem = "a token is for a cloud elsewhere, and nothing says where it is"
        raise SettingsError("(environment)", 0, token_name, "(hidden)", "the cloud's host in TCPMIRROR_API_HOST", problem)
    return replace(settings, cloud=replace(cloud, token=token) if token else cloud)


def _absolute(environ: Mapping[str, str], name: str) -> str:
    path = environ.get(name, "")
    if path and not Path(path).is_absolute():
        raise SettingsError("(environment)", 0, name, path, "an absolute path")
    return path


def _variable(environ: Mapping[str, str], suffix: str) -> tuple[str, str]:
    """Return name and value of the variable that counts; empty if none is set."""
    return next(((prefix + suffix, environ[prefix + suffix]) for prefix in PREFIXES if prefix + suffix in environ), ("", ""))


def _flag(name: str, text: str) -> bool:
    word = text.strip().lower()
    if word not in TRUE + FALSE:
        raise SettingsError("(environment)", 0, name, text, "true or false")
    return word in TRUE


def _labels(name: str, text: str) -> dict[str, str]:
    """Return labels by name; those that mean nothing here are kept too, nobody asks for them."""
    labels = {}
    for label in filter(None, (part.strip() for part in text.split(","))):
        key, equals, value = label.partition("=")
        if not equals or not value.isprintable():
            raise SettingsError("(environment)", 0, name, text, "labels as `group=NAME`, between commas")
        labels[key.strip()] = value.strip()
    return labels
