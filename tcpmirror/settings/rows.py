"""The key tables laid out: every key at its place, with its default. What documentation is made of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import yaml

from tcpmirror.settings.describe import target_value, write
from tcpmirror.settings.schema import MISSING, Key, Kind, ListOf, OneOrMany, Section
from tcpmirror.settings.table import ROOT
from tcpmirror.settings.tree import (
    Condition,
    Control,
    Ignore,
    IgnoreIps,
    Mask,
    ProfileException,
    ProxyHeaders,
    RequestFilter,
    Route,
    SessionParameter,
    Settings,
    Sink,
    Source,
    SourceList,
)

# What a map in a list holds where the file says nothing, by its path, with and without `[]` for lists around it.
RECORDS: Final[dict[str, object]] = {
    "tcp_stream.from_interface": Source(),
    "tcp_stream.from_vxlan": Source(),
    "tcp_stream.from_geneve": Source(),
    "tcp_stream.from_file": Source(),
    "tcp_stream.ignore_ips": IgnoreIps(),
    "proxy_headers": ProxyHeaders(),
    "input_filters.inspect": RequestFilter(),
    "input_filters.bypass": RequestFilter(),
    "inspection.ignore": Ignore(),
    "behavior.controls": Control(),
    "behavior.profiles.exceptions": ProfileException(),
    "sessions.parameters": SessionParameter(),
    "inspection.ignore.where": Condition(),
    "inspection.ignore[].where": Condition(),
    "inspection.mask": Mask(),
    "inspection.mask.where": Condition(),
    "inspection.mask[].where": Condition(),
    "cloud.source_lists": SourceList(),
    "sinks": Sink(),
    "route_config": Route(),
    "route_config.routes": Route(),
}


@dataclass(frozen=True, slots=True)
class Row:
    """One key at its place; *path* has `[]` after a list of maps, *default* is in YAML's types or `MISSING`."""

    path: str
    key: Key
    default: Any

    @property
    def section(self) -> Section | None:
        """The keys within, if there are any."""
        return record_of(self.key.kind)


def record_of(kind: Kind) -> Section | None:
    """Return the section that *kind* is, or is a list of."""
    if isinstance(kind, ListOf | OneOrMany):
        return record_of(kind.item)
    return kind if isinstance(kind, Section) else None


def rows(keys: tuple[Key, ...] = ROOT.known(), path: str = "", record: object = None) -> Iterator[Row]:
    """Give every key of the tables in order, those of nested routes once."""
    for key in keys:
        full = f"{path}.{key.name}" if path else key.name
        yield Row(full, key, default_of(key, record))
        inner = record_of(key.kind)
        if inner is None or full.endswith("routes[].routes"):
            continue
        is_list = isinstance(key.kind, ListOf | OneOrMany)
        yield from rows(inner.known(), f"{full}[]" if is_list else full, RECORDS.get(full, record))


def default_of(key: Key, record: object) -> Any:
    """Return the default in YAML's types."""
    if key.default is not MISSING:
        value = key.default
    elif record is not None:
        value = getattr(record, key.target, MISSING)
    else:
        value = target_value(Settings(), key)
    if value is MISSING or value is None:
        return MISSING
    return write(key.kind, value) if not isinstance(key.kind, Section) else MISSING


def inline(value: Any) -> str:
    """Return *value* as YAML in one line."""
    return yaml.safe_dump([value], default_flow_style=True, allow_unicode=True, width=10_000).strip()[1:-1]
