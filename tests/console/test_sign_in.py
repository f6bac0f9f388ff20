from __future__ import annotations

import pytest

from tcpmirror.console.sign_in import own_path

PATHS = {
    "list": ("/attacks?type=xss", "/attacks?type=xss"),
    "other site": ("https://evil.example/", "/attacks"),
    "other site without scheme": ("//evil.example", "/attacks"),
    "backslash": ("/\\evil.example", "/attacks"),
    "backslash later": ("/a\\..\\\\evil", "/attacks"),
    "script": ("javascript:alert(1)", "/attacks"),
    "header line": ("/a\r\nSet-Cookie: x", "/attacks"),
    "tab": ("/\t/evil.example", "/attacks"),
    "nothing": ("", "/attacks"),
}


@pytest.mark.parametrize(("target", "path"), PATHS.values(), ids=PATHS.keys())
def test_sign_in_leads_to_own_pages_only(target: str, path: str) -> None:
    assert own_path(target) == path
