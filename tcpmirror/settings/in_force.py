"""What is in force, under the state directory, for workers: they read nothing else there, and no secret lies there."""

from __future__ import annotations

import io
import pickle
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from tcpmirror.settings.tree import Settings

SETTINGS_NAME: Final = "settings.pickle"
SECRET_VARIABLES: Final = (
    "TCPMIRROR_API_TOKEN",
    "WALLARM_API_TOKEN",
    "https_proxy",
    "http_proxy",
    "HTTPS_PROXY",
    "HTTP_PROXY",
)
SECRET_WORDS: Final = ("auth", "key", "token", "secret", "cookie", "password")  # in the name of a field


def in_force_directory(settings: Settings) -> Path:
    """Return where rules and settings in force are kept, and what the cloud pushed."""
    return Path(settings.supervisor.state_dir) / "in-force"


def without_secrets(settings: Settings) -> Settings:
    """Return *settings* as those need them who talk to nobody: no credential, and no address that may hold one."""
    cloud = replace(settings.cloud, token="", database="", queue=replace(settings.cloud.queue, url="", token=""))
    return replace(settings, cloud=cloud, sinks=())


def secrets_of(settings: Settings) -> Iterator[str]:
    """Give every credential in *settings*, and every address that may hold one."""
    cloud = settings.cloud
    yield from (cloud.token, cloud.queue.token)
    yield from (url for url in (cloud.database, cloud.queue.url) if "@" in url)
    for sink in settings.sinks:
        yield sink.token
        yield from (value for name, value in sink.headers if any(word in name.lower() for word in SECRET_WORDS))
        if "://" in sink.url:  # the path of a webhook is its password
            yield sink.url


def packed_settings(settings: Settings) -> bytes:
    """Return *settings* as bytes for `unpacked_settings` of the same version."""
    return pickle.dumps(without_secrets(settings))


def unpacked_settings(data: bytes) -> Settings:
    """Return the settings in *data*; ValueError: they are none, or of another version."""
    try:
        found = _SettingsUnpickler(io.BytesIO(data)).load()
    except (pickle.UnpicklingError, EOFError, AttributeError, ImportError, IndexError, TypeError, KeyError) as fault:
        raise ValueError(f"no settings: {fault}") from fault
    if not isinstance(found, Settings):
        raise ValueError(f"no settings: {type(found).__name__}")
    return found


class _SettingsUnpickler(pickle.Unpickler):
    """Makes values of settings only: nothing that could act while it is read."""

    def find_class(self, module_name: str, name: str) -> Any:
        if module_name.startswith(("tcpmirror.settings.", "tcpmirror.model.")):
            found = super().find_class(module_name, name)
            if isinstance(found, type):
                return found
        raise pickle.UnpicklingError(f"{module_name}.{name} is no value of settings")
