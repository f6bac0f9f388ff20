from __future__ import annotations

from pathlib import Path

from tcpmirror.cloud.search.keys import BY_NAME, KEYS

PAGE = Path(__file__).parents[3] / "docs" / "search.md"


def test_no_two_keys_share_a_name() -> None:
    assert len(BY_NAME) == sum(1 + len(key.aliases) for key in KEYS)


def test_the_page_tells_every_key_as_it_is() -> None:
    page = PAGE.read_text()
    for key in KEYS:
        names = ", ".join(f"`{name}:`" for name in (key.name, *key.aliases))
        (line,) = [line for line in page.splitlines() if line.startswith(f"| {names} |")]
        assert f"| `{key.example}` |" in line
        assert key.name == "owasp" or all(f"`{choice}`" in line for choice in key.choices)
