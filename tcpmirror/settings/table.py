"""Every key of the settings file, of all versions: the root of the tables."""

from __future__ import annotations

from typing import Final

from tcpmirror.settings.capture_keys import CAPTURE_KEYS
from tcpmirror.settings.inspection_keys import INSPECTION_KEYS
from tcpmirror.settings.kinds import Choice, Whole
from tcpmirror.settings.schema import Key, Section
from tcpmirror.settings.sensor_keys import SENSOR_KEYS
from tcpmirror.settings.service_keys import SERVICE_KEYS

MODES: Final = ("tcp-capture", "tcp-capture-v2")

ROOT_KEYS: Final = (
    Key(
        "version",
        Whole(2, 4),
        "Which form this file has; 2 and 3 are those of older nodes.",
        ":version",
        default=4,
        required=True,
    ),
    Key(
        "mode",
        Choice(MODES),
        "Which section says where frames come from: `goreplay` (`tcp-capture`) or `tcp_stream` (`tcp-capture-v2`).",
        "mode",
        required=True,
    ),
    *CAPTURE_KEYS,
    *INSPECTION_KEYS,
    *SERVICE_KEYS,
    *SENSOR_KEYS,
)

ROOT: Final = Section(lambda: ROOT_KEYS)
