import re
from pathlib import Path

import pytest
import yaml

from tcpmirror.errors import EXIT_OK, EXIT_USAGE
from tcpmirror.settings import load_settings
from tcpmirror.settings.configuration_page import configuration_page
from tcpmirror.settings.reference import main
from tcpmirror.settings.reference_file import reference_file
from tcpmirror.settings.rows import rows
from tcpmirror.settings.tree import Settings

ROOT = Path(__file__).parents[2]
FILES = {3: "configs/tcpmirror-v3.yaml", 4: "configs/tcpmirror.yaml"}


def key_paths(node: object, path: str = "") -> set[str]:
    if isinstance(node, list):
        return (
            set().union(*(key_paths(item, f"{path}[]") for item in node))
            if any(isinstance(i, dict) for i in node)
            else set()
        )
    if not isinstance(node, dict):
        return set()
    found = set()
    for name, value in node.items():
        full = f"{path}.{name}" if path else str(name)
        found |= {full} | key_paths(value, full)
    return found


@pytest.mark.parametrize(("version", "name"), FILES.items(), ids=FILES.values())
def test_reference_file_is_up_to_date(version: int, name: str) -> None:
    assert (ROOT / name).read_text() == reference_file(version)


@pytest.mark.parametrize("version", FILES)
def test_reference_file_has_every_key_of_its_version(version: int) -> None:
    uncommented = re.sub(r"^( *)#(?=[^\s#])", r"\1", reference_file(version), flags=re.MULTILINE)
    keys = {row.path for row in rows() if version in row.key.versions}
    absent_section = "tcp_" if version == 3 else "middleware"
    keys = {key for key in keys if not key.startswith(absent_section)}
    written = {re.sub(r"\.(headers|overlap_hosts)\..*", r".\1", path) for path in key_paths(yaml.safe_load(uncommented))}
    assert written == keys
    assert len(keys) > 100


@pytest.mark.parametrize("name", FILES.values())
def test_reference_file_says_the_defaults_without_a_warning(name: str) -> None:
    loaded = load_settings(ROOT / name)
    assert loaded.warnings == ()
    assert {**as_dict(loaded.settings), "mode": ""} == {**as_dict(Settings()), "mode": ""}


def as_dict(settings: Settings) -> dict[str, object]:
    return {name: getattr(settings, name) for name in settings.__dataclass_fields__}


def test_quickstart_is_five_lines_that_load() -> None:
    path = ROOT / "configs/quickstart.yaml"
    assert len(path.read_text().splitlines()) == 5
    loaded = load_settings(path)
    assert loaded.warnings == ()
    assert loaded.settings.capture == Settings().capture


def test_page_is_up_to_date() -> None:
    assert (ROOT / "docs/configuration.md").read_text() == configuration_page()


def test_example_of_the_page_loads(tmp_path: Path) -> None:
    example = re.search(r"```yaml\n(.*?)```", configuration_page(), re.DOTALL)
    assert example
    path = tmp_path / "f.yaml"
    path.write_text(example[1])
    assert load_settings(path).settings.capture.sources[0].interface == "eth0"


def test_command_prints_a_page_or_its_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["v4"]) == EXIT_OK
    assert capsys.readouterr().out == reference_file(4)
    assert main([]) == EXIT_USAGE
    assert "usage" in capsys.readouterr().err
