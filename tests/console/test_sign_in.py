from __future__ import annotations

import pytest

from tcpmirror.console.sign_in import own_path

PATHS = {
    "list": ("/attacks?type=xss", "/attacks?type=xss"),
    "other site": ("https://evil.example/", "/overview"),
    "other site without scheme": ("//evil.example", "/overview"),
    "backslash": ("/\\evil.example", "/overview"),
    "backslash later": ("/a\\..\\\\evil", "/overview"),
    "script": ("javascript:alert(1)", "/overview"),
    "header line": ("/a\r\nSet-Cookie: x", "/overview"),
    "tab": ("/\t/evil.example", "/overview"),
    "nothing": ("", "/overview"),
}


@pytest.mark.parametrize(("target", "path"), PATHS.values(), ids=PATHS.keys())
def test_sign_in_leads_to_own_pages_only(target: str, path: str) -> None:
    assert own_path(target) == path
