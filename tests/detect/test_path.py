"""Path tokens, and where a path leads: what leaves its folder or names a system's file is told from what pages link to."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcpmirror.detect.path import tokens
from tcpmirror.detect.path_injection import climbs, names_system_file, reaches_secret, skeleton

TOKENS = {
    "steps up": (b"../../etc/passwd", "U/U/E/S"),
    "backslashes": (b"..\\..\\x", "U/U/n"),
    "runs of separators": (b"..//\\..//x", "U/U/n"),
    "doubled dots": (b"....//x", "D/n"),
    "matrix parameter": (b"..;a=b/x", "J/n"),
    "blank behind": (b".. /x", "J/n"),
    "half of an overlong byte": (b"..\xc0/x", "J/n"),
    "separator spelt out": (b"..2fetc2fpasswd", "J/E/S"),
    "separator of an escape": (b"..%252f..%u2215x", "J/J/n"),
    "folder itself": (b"/./x", "/./n"),
    "drive": (b"c:\\windows\\win.ini", "d/E/S"),
    "Windows name with a blank": (b"\\Program Files\\x", "/n/n"),
    "wrapper": (b"php://filter/x", "P/n/n"),
    "another host": (b"https://a.example/x", "H/n/n"),
    "page's own files": (b"a/b.js?c.png", "n/e?e"),
    "hidden": (b"/.cache/.env", "/h/A"),
    "NUL": (b"/etc/passwd\0.png", "/E/S0h"),
    "text": (b"see x, y", "nxnxn"),
    "ellipsis in a word": (b"wait...what 1..2", "nxn"),
}
CLIMBS = {
    "two steps": b"../../x",
    "behind a name": b"a/../../../b",
    "behind what an application put there": b"{FILE}../../x",
    "Windows": b"..\\..\\x",
    "matrix parameter": b"/static/..;/manager/html",
    "doubled dots": b"....//....//x",
    "many steps to a picture": b"../../../../../../a.png",
    "in a parameter of an address": b"https://a.example/x?f=../../../b",
}
STAYS = {
    "import": b"../../lib/a.js",
    "picture": b"../../img/logo.png",
    "inside": b"a/b/../c",
    "one step": b"../x",
    "range": b"1..2",
    "ellipsis": b"and so on... /x",
    "version": b"1.2.3/4",
}
SECRETS = {
    "settings one step up": b"../wp-config.php",
    "system's folder": b"../../../etc/x/hosts",
    "dot file": b"/img/../../.env",
    "spelt out": b"..2fetc2fpasswd",
    "Windows": b"..\\..\\windows\\win.ini",
}
SYSTEM_FILES = {
    "plain": b"/etc/passwd",
    "detours": b"/etc/./x/..//passwd",
    "through another folder": b"/var/www/../../etc/passwd",
    "drive": b"C:\\Windows\\System32\\drivers\\etc\\hosts",
    "drive without a slash": b"c:win.ini",
    "wrapper": b"file:///etc/passwd",
    "process": b"/proc/self/environ",
    "keys": b"/home/ann/.ssh/id_rsa",
    "NUL behind": b"/etc/passwd\0.jpg",
    "server's settings anywhere": b"/Program Files\\Apache Group\\conf\\httpd.conf",
    "without a root": b"etc/passwd",
}
PAGES = {
    "section": b"/private/messages",
    "documents": b"/docs/version",
    "product": b"/windows/phone",
    "clientlibs": b"/etc/designs/site.css",
    "home": b"/home/settings",
    "users": b"/users/profile",
    "name alone": b"hosts",
    "sentence": b"the passwd file is /not here",
}


@pytest.mark.parametrize(("value", "expected"), TOKENS.values(), ids=TOKENS)
def test_paths_are_read_as_servers_read_them(value: bytes, expected: str) -> None:
    assert tokens(value) == expected


@pytest.mark.parametrize("value", CLIMBS.values(), ids=CLIMBS)
def test_a_path_that_leaves_its_folder_climbs(value: bytes) -> None:
    assert climbs(value)


@pytest.mark.parametrize("value", STAYS.values(), ids=STAYS)
def test_what_pages_and_sources_write_does_not_climb(value: bytes) -> None:
    assert not climbs(value)
    assert not reaches_secret(value)


@pytest.mark.parametrize("value", SECRETS.values(), ids=SECRETS)
def test_a_climb_to_secrets_reaches_them(value: bytes) -> None:
    assert reaches_secret(value)


@pytest.mark.parametrize("value", SYSTEM_FILES.values(), ids=SYSTEM_FILES)
def test_a_systems_file_is_known_by_any_way_to_it(value: bytes) -> None:
    assert names_system_file(value)


@pytest.mark.parametrize("value", PAGES.values(), ids=PAGES)
def test_pages_are_no_systems_files(value: bytes) -> None:
    assert not names_system_file(value)
    assert not climbs(value)
    assert not reaches_secret(value)


def test_skeletons_show_paths_resolved() -> None:
    assert skeleton(b"/etc/x/../passwd and a/b") == "/E/S n/n"


@given(st.binary(max_size=300))
def test_any_bytes_are_tokens(value: bytes) -> None:
    assert len(tokens(value)) <= len(value) + 2
    climbs(value), reaches_secret(value), names_system_file(value)


@pytest.mark.parametrize(
    "unit", [b"../", b"..;", b"..2f", b"a ", b"\\a ", b"/e", b".", b":", b"a:", b"..\xc0", b"c:/", b"/R/S"], ids=repr
)
def test_cost_is_linear(unit: bytes) -> None:
    """64 kB of anything is read within a tenth of a second, bounded by what is looked at."""
    value = unit * (65536 // len(unit))
    started = time.process_time()
    for judge in (climbs, reaches_secret, names_system_file):
        judge(value)
    assert time.process_time() - started < 0.1
