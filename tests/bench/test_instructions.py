"""Instructions an exchange: how callgrind's output is read, and that the road takes no more of them than it did."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from bench.instructions import KEPT, ROOT, by_part, toolchain

# A function of ours calls one of the interpreter twice: 100 instructions of its own, 70 below the calls.
OUTPUT = """\
events: Ir
ob=(1) /somewhere/tcpmirror/decode/normal.cpython-311-x86_64-linux-gnu.so
fl=(1) normal.c
fn=(1) form
10 60
+2 40
cob=(2) /usr/lib/libpython3.11.so.1.0
cfi=(2) ceval.c
cfn=(2) evaluate
calls=2 5
* 70

ob=(2)
fl=(2)
fn=(2)
5 70
totals: 170
"""


def test_each_instruction_counts_once_where_it_ran() -> None:
    assert by_part(OUTPUT.splitlines()) == {"decode": 100, "python": 70}


@pytest.mark.slow
def test_an_exchange_takes_no_more_instructions_than_before() -> None:
    if toolchain() not in json.loads(KEPT.read_text()):
        pytest.skip(f"none are kept for {toolchain()}")
    done = subprocess.run(
        [sys.executable, "-m", "bench.instructions"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
