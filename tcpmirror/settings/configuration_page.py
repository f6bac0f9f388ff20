"""`docs/configuration.md`: every key, with what it accepts, its default and its meaning."""

from __future__ import annotations

from typing import Final

from tcpmirror.settings.goreplay import FLAGS
from tcpmirror.settings.rows import Row, inline, rows
from tcpmirror.settings.schema import MISSING, VERSIONS, Key, ListOf, MapOf
from tcpmirror.settings.table import ROOT


def configuration_page() -> str:
    """Return the page that describes every key."""
    parts = [_PAGE_HEAD]
    for top in ROOT.known():
        mine = [row for row in rows() if row.path.partition(".")[0].removesuffix("[]") == top.name]
        parts.append(f"## `{top.name}`\n\n{_marked(top)}\n\n{_table(mine if len(mine) == 1 else mine[1:])}")
        if top.name == "goreplay":
            parts.append(_flag_table())
    return "\n".join([*parts, _PAGE_TAIL])


def _marked(key: Key) -> str:
    notes = []
    if key.versions != VERSIONS:
        notes.append(f"Version {', '.join(map(str, key.versions))} only.")
    if key.own:
        notes.append("The native node has no such key.")
    if key.instead:
        notes.append(f"Means nothing here: {key.instead}.")
    return " ".join([key.meaning, *notes])


def _table(table_rows: list[Row]) -> str:
    lines = ["| Key | Accepted | Default | Meaning |", "| --- | --- | --- | --- |"]
    for row in table_rows:
        meaning = _marked(row.key)
        lines.append(f"| `{row.path}` | {_cell(_accepted(row))} | {_default_cell(row)} | {_cell(meaning)} |")
    return "\n".join(lines) + "\n"


def _accepted(row: Row) -> str:
    kind = row.key.kind
    if isinstance(kind, ListOf) and row.section is None:
        return f"a list; each: {kind.item.accepted}"
    if isinstance(kind, MapOf):
        return f"a map; each name: {kind.name.accepted}; each value: {kind.value.accepted}"
    return kind.accepted


def _default_cell(row: Row) -> str:
    if row.key.required:
        return "required"
    if row.section is not None or row.default is MISSING or row.default == "":
        return ""
    return _cell(f"`{inline(row.default)}`")


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _flag_table() -> str:
    lines = [
        "### Arguments of `goreplay.extra_args`\n",
        "One or two dashes; a value is the next item, or stands after `=`. They hold for every source.\n",
        "| Argument | Accepted | Meaning |",
        "| --- | --- | --- |",
    ]
    for name, flag in FLAGS.items():
        accepted = flag.kind.accepted if flag.kind else "nothing, true or false"
        meaning = f"{flag.meaning} Means nothing here: {flag.instead}." if flag.instead else flag.meaning
        lines.append(f"| `-{name}` | {_cell(accepted)} | {_cell(meaning)} |")
    return "\n".join(lines) + "\n"


_PAGE_HEAD: Final = """\
<!-- Written by `python -m tcpmirror.settings.reference page`: change the key tables, not this page. -->
# Configuration

One YAML file. `version` says which form it has: 4, or 3 and 2 for files of older native nodes. All three become the same
settings; `tcpmirror check-config FILE` prints them as a version 4 file with every value.

```yaml
version: 4
mode: tcp-capture-v2
tcp_stream:
  from_interface: {enabled: true, interface: eth0}
```

`configs/tcpmirror.yaml` and `configs/tcpmirror-v3.yaml` have every key with its default.

A file with anything wrong is refused as a whole: every unknown key, wrong type and impossible value is named with file,
line, key, value and what is accepted, and the program ends with exit code 3. A key of the native node that means nothing
here is accepted with one warning that says what happens instead. A key with nothing after it has its default.

- *Sizes* take `512MiB`, `64K` or plain bytes; every unit is a power of 1024.
- *Durations* take Go's form: `5s`, `1m30s`, `500ms`. A number without a unit is refused.
- *Regular expressions* are those that RE2 and Python's `re` read alike: no look-around, no back-references, no `\\\\p{...}`,
  no `[[:name:]]`. At most 4096 characters.
- *VLANs.* Tagged and untagged frames are both taken unless `vlan_ids` (version 3: `-input-raw-vlan-vid`) names some.
  `-input-raw-vlan` alone takes every VLAN and untagged frames.
- *VXLAN and GENEVE* in captured frames are unwrapped on any interface source. `-input-raw-engine vxlan` is therefore an
  interface source like any other; unwrapped or not, what its interface carries is analysed.
- *Engines.* `libpcap` is the default. `af_packet` reads the kernel's ring without a copy, in about two thirds of the time a
  frame takes; with `fanout`, several sources on one interface share its flows. `raw_socket` is for kernels without the
  ring. `any` with `ignore_interfaces` is read by `af_packet` whatever the engine.
- *Two sections for capture.* With both `goreplay` and `tcp_stream`, `mode` decides; with one of them, that one counts.
  With neither, `mode: tcp-capture` reads every interface and `tcp-capture-v2` is refused, as no source is enabled.
"""

_PAGE_TAIL: Final = """\
## Environment variables

They go before the file. `TCPMIRROR_...` goes before `WALLARM_...`.

| Variable | Meaning |
| --- | --- |
| `TCPMIRROR_APID_ONLY`, `WALLARM_APID_ONLY` | `true`: as `discovery_only: true` |
| `TCPMIRROR_LABELS`, `WALLARM_LABELS` | `group=NAME`: as `cloud.group: NAME`; other labels are left alone |
"""
