"""The layers hold in compiled modules too: import-linter reads .py only, so what those import is read here.

The layers and the forbidden modules are those that setup.cfg gives to import-linter.
"""

from __future__ import annotations

import configparser
import re
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted([*(ROOT / "tcpmirror").rglob("*.pyx"), *(ROOT / "tcpmirror").rglob("*.pxd")])

DOCSTRING = re.compile(r'"""(?:.|\n)*?"""|\'\'\'(?:.|\n)*?\'\'\'')
FROM = re.compile(r"^\s*from\s+(?P<module>\.*[\w.]*)\s+c?import\s+(?:\((?P<lines>[^)]*)\)|(?P<line>[^\n]*))", re.MULTILINE)
PLAIN = re.compile(r"^\s*c?import\s+(?P<modules>[^\n#]+)", re.MULTILINE)
HEADER = re.compile(r"""^\s*cdef\s+extern\s+from\s+["']<?(?P<header>[^"'>]+)""", re.MULTILINE)

# What a clock, a socket, a thread or chance is called below Python.
C_NAMES = {
    "time": {"time.h", "clock_gettime", "gettimeofday", "clock"},
    "socket": {"sys/socket.h", "netinet/in.h"},
    "threading": {"pthread.h", "threads.h", "openmp", "cython.parallel"},
    "random": {"rand", "srand", "random", "srandom", "rand_r", "drand48"},
    "logging": {"syslog.h"},
}


class Reference(NamedTuple):
    """One thing that a module refers to: the module it comes from, and the name, or nothing."""

    module: str
    name: str = ""


def listed(section: str, key: str) -> list[str]:
    parser = configparser.ConfigParser(delimiters=("=",))
    parser.read(ROOT / "setup.cfg")
    return parser[f"importlinter:contract:{section}"][key].split("\n")[1:]


LAYERS = [[name.strip() for name in line.split("|")] for line in listed("layers", "layers")]
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}
JUDGING = listed("pure-stages", "source_modules")
FORBIDDEN = listed("pure-stages", "forbidden_modules")


def references(text: str, package: str) -> set[Reference]:
    """Return what the Cython source *text* of a module in *package* (dotted) imports, cimports and takes from C headers."""
    text = DOCSTRING.sub("", text)
    found = {Reference(match["header"]) for match in HEADER.finditer(text)}
    for match in PLAIN.finditer(text):
        found |= {Reference(name.split()[0]) for name in match["modules"].split(",")}
    for match in FROM.finditer(text):
        module = absolute(match["module"], package)
        names = re.sub(r"#[^\n]*|\\", "", match["lines"] or match["line"]).split(",")
        found |= {Reference(module, name.split()[0]) for name in names if name.split()}
    return found


def absolute(module: str, package: str) -> str:
    """Return *module* as seen from the top: one leading dot is *package*, each further one its parent."""
    name = module.lstrip(".")
    dots = len(module) - len(name)
    if dots == 0:
        return name
    parts = package.split(".")[: len(package.split(".")) - dots + 1]
    return ".".join([*parts, name] if name else parts)


def layer(module: str) -> str:
    """Return the layer that *module* belongs to, or an empty string."""
    return ".".join(module.split(".")[:2]) if module.startswith("tcpmirror.") else ""


def upward(module: str, package: str) -> bool:
    """Tell whether code of *package* may not refer to *module*: it is above, or beside."""
    own, other = layer(package), layer(module)
    return bool(other) and own != other and RANK[other] <= RANK[own]


def breaks(text: str, package: str) -> list[str]:
    """Return the references in *text*, a module of *package*, that break a rule, as sorted text."""
    bad = []
    for reference in references(text, package):
        dotted = f"{reference.module}.{reference.name}" if reference.module == "tcpmirror" else reference.module
        if upward(dotted, package):
            bad.append(f"{dotted}: not below {layer(package)}")
        if layer(package) in JUDGING:
            bad += [f"{reference.module} {reference.name}: {word}" for word in FORBIDDEN if is_named(word, reference)]
    return sorted(bad)


def is_named(word: str, reference: Reference) -> bool:
    """Tell whether *reference* is the Python module *word*, a Cython one of that name (`libc.time`) or its like in C."""
    names = {word, *C_NAMES[word]}
    return reference.module.split(".")[0] in names or not names.isdisjoint(
        {reference.module, reference.module.rpartition(".")[2], reference.name}
    )


def test_every_forbidden_module_has_its_names_in_c() -> None:
    assert set(FORBIDDEN) == set(C_NAMES)
    assert set(JUDGING) <= set(RANK)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_compiled_module_keeps_to_its_layer(path: Path) -> None:
    package = ".".join(path.relative_to(ROOT).parent.parts)
    assert layer(package) in RANK, "a folder that setup.cfg does not list among the layers"
    assert breaks(path.read_text(), package) == []


def test_there_are_compiled_modules_in_the_judging_stages() -> None:
    assert any(layer(".".join(path.relative_to(ROOT).parent.parts)) in JUDGING for path in SOURCES)


BROKEN = {
    "a stage that cimports another": ("tcpmirror.decap", "from tcpmirror.ring.ring cimport RingWriter"),
    "the same, indented": ("tcpmirror.decap", "def f():\n    from tcpmirror.ring import ring"),
    "the same, from the top": ("tcpmirror.decap", "from tcpmirror cimport ring"),
    "the same, relative": ("tcpmirror.decap", "from ..ring.ring cimport RingWriter"),
    "the same, plain": ("tcpmirror.decap", "cimport tcpmirror.ring.ring as r"),
    "the same, in brackets": ("tcpmirror.decap", "from tcpmirror.ring.ring cimport (\n    RingWriter,  # why\n)"),
    "model that imports upward": ("tcpmirror.model", "from tcpmirror.telemetry import counters"),
    "a clock": ("tcpmirror.protocols", "import time"),
    "a clock among others": ("tcpmirror.protocols", "import re, time as t"),
    "a clock of C": ("tcpmirror.reassembly", "from libc.time cimport time_t"),
    "a clock of POSIX": ("tcpmirror.reassembly", "from posix.time cimport clock_gettime"),
    "a clock by its header": ("tcpmirror.reassembly", 'cdef extern from "<time.h>" nogil:'),
    "chance of C": ("tcpmirror.detect", "from libc.stdlib cimport malloc, rand, free"),
    "a socket": ("tcpmirror.decode", "from socket import AF_INET"),
    "threads": ("tcpmirror.decode", "from cython.parallel cimport prange"),
    "a log": ("tcpmirror.decap", "import logging.handlers"),
}
KEPT = {
    "its own folder": ("tcpmirror.decap", "from tcpmirror.decap.link cimport Link"),
    "its own folder, relative": ("tcpmirror.decap", "from .link cimport Link"),
    "what is below": ("tcpmirror.reassembly", "from tcpmirror.model.stream cimport Data"),
    "the C library": ("tcpmirror.detect", "from libc.string cimport memchr\nfrom libc.stdlib cimport malloc, free"),
    "a word in a docstring": ("tcpmirror.detect", '"""What comes\nfrom socket import is not read.\nimport time\n"""'),
    "a clock where none is judged by": ("tcpmirror.capture", "import time"),
}


@pytest.mark.parametrize(("package", "text"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_rule_is_seen(package: str, text: str) -> None:
    assert breaks(text, package) != []


@pytest.mark.parametrize(("package", "text"), KEPT.values(), ids=KEPT.keys())
def test_what_the_rules_allow_is_not_held_against_it(package: str, text: str) -> None:
    assert breaks(text, package) == []
