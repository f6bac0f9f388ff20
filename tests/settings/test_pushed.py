from __future__ import annotations

import json
from pathlib import Path

import pytest

from tcpmirror.errors import SettingsError
from tcpmirror.model.settings_document import SettingsDocument, decode_settings, encode_settings
from tcpmirror.settings.pushed import NAME, PUSHABLE, load_in_force, pushed_signature, with_pushed
from tcpmirror.settings.rows import rows
from tcpmirror.settings.tree import Settings, Supervisor

FILE = """version: 4
mode: tcp-capture-v2
tcp_stream: {{from_interface: {{enabled: true, interface: lo}}}}
supervisor: {{state_dir: {directory}}}
limits: {{body: 2MiB, decode_depth: 5}}
"""


def test_text_goes_over_what_the_file_says_and_leaves_the_rest() -> None:
    base = Settings(supervisor=Supervisor(state_dir="/nowhere"))
    text = "log: {level: debug}\nlimits: {body: 512KiB}\ninspection: {ignore: [{name: a, types: [xss]}]}\nshedding: {enabled: false}\n"
    found = with_pushed(base, text, "cloud")
    assert (found.log.level, found.limits.body_bytes, found.shedding.enabled) == ("debug", 512 * 1024, False)
    assert found.inspection.ignore[0].types == ("xss",)
    assert (found.supervisor, found.limits.decode_depth, found.cloud) == (base.supervisor, 8, base.cloud)
    assert with_pushed(base, "  \n", "cloud") is base


REFUSED = {
    "a path": ("spool: {directory: /etc}", "spool.directory"),
    "an address": ("cloud: {listen_address: 0.0.0.0:1}", "cloud.listen_address"),
    "a credential": ("cloud: {token: x}", "cloud.token"),
    "where frames come from": ("tcp_stream: {from_interface: {enabled: false}}", "tcp_stream"),
    "memory, which is cut at the start": ("limits: {segment_ring: 1MiB}", "limits.segment_ring"),
    "a version": ("version: 4", "version"),
    "no key at all": ("colour: red", "colour"),
    "a section that is no map": ("log: debug", "log"),
    "a value that is none": ("log: {level: loud}", "log.level"),
    "a contradiction": ("shedding: {low_water: 0.9, high_water: 0.2}", "shedding.low_water"),
    "an expression that is none": ("input_filters: {bypass: [{path: '('}]}", "input_filters.bypass"),
    "no YAML": ("log: [", "cloud:1"),
    "no map": ("- a", "cloud"),
    "too long": ("# " + "x" * 70_000, "at most 64 KiB"),
}


@pytest.mark.parametrize(("text", "named"), REFUSED.values(), ids=REFUSED.keys())
def test_what_a_node_does_not_take_is_refused_by_its_key(text: str, named: str) -> None:
    with pytest.raises(SettingsError) as raised:
        with_pushed(Settings(), text, "cloud")
    assert named in str(raised.value) and "accepted" in str(raised.value)


def test_every_key_of_the_list_is_one_and_holds_no_path_address_or_secret() -> None:
    known = {row.path: row for row in rows()}
    for key in PUSHABLE:
        below = [row for path, row in known.items() if path == key or path.startswith((f"{key}.", f"{key}["))]
        assert below, key
        assert not any(row.key.secret or row.key.name.endswith(("file", "address", "directory", "dir")) for row in below)


def keep(directory: Path, *layers: tuple[str, str]) -> None:
    (directory / "in-force").mkdir(exist_ok=True)
    (directory / "in-force" / NAME).write_bytes(encode_settings(SettingsDocument(1, "n", layers)))


def test_kept_settings_go_over_the_file_in_their_order(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(FILE.format(directory=tmp_path))
    before = pushed_signature(load_in_force(file, {}).settings)
    keep(tmp_path, ("all", "limits: {body: 1MiB, head: 32KiB}"), ("node:n", "limits: {body: 512KiB}"))
    loaded = load_in_force(file, {})
    limits = loaded.settings.limits
    assert (limits.body_bytes, limits.head_bytes, limits.decode_depth) == (512 * 1024, 32 * 1024, 5)
    assert loaded.warnings == () and pushed_signature(loaded.settings) != before


BROKEN = {
    "no document": b"{}",
    "no JSON": b"\xff",
    "a key that is not taken": encode_settings(SettingsDocument(1, "n", (("all", "cloud: {token: x}"),))),
    "a directory": None,
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN.keys())
def test_kept_settings_that_cannot_be_used_are_left_out_with_a_warning(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(FILE.format(directory=tmp_path))
    kept = tmp_path / "in-force" / NAME
    kept.parent.mkdir()
    if content is None:
        kept.mkdir()
    else:
        kept.write_bytes(content)
    loaded = load_in_force(file, {})
    assert loaded.settings.limits.body_bytes == 2 << 20
    assert "the cloud's settings are left out" in loaded.warnings[-1]


NO_DOCUMENTS = {
    "a list": [],
    "no layers": {"serial": 1, "node": "n"},
    "a layer of one": {"serial": 1, "node": "n", "layers": [["all"]]},
    "a number as text": {"serial": 1, "node": "n", "layers": [["all", 5]]},
    "a serial below 0": {"serial": -1, "node": "n", "layers": []},
    "a serial that is true": {"serial": True, "node": "n", "layers": []},
    "no node": {"serial": 1, "layers": []},
}


@pytest.mark.parametrize("given", NO_DOCUMENTS.values(), ids=NO_DOCUMENTS.keys())
def test_what_is_no_document_is_refused(given: object) -> None:
    with pytest.raises(ValueError, match=r"needed|no settings document"):
        decode_settings(json.dumps(given).encode())
