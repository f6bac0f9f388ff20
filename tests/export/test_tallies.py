from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from tcpmirror.export.tallies import HOSTS_LIMIT, INVALID_HOST, ORIGINS_LIMIT, OTHER, Tallies, host_label
from tcpmirror.model.digest import MirrorNews
from tcpmirror.model.ignored_news import ROWS_LIMIT, decode_ignored, encode_ignored
from tests.export.reports import EXAMPLE, SQLI

HOSTS = {
    "name": ("shop.example", "shop.example"),
    "upper case": ("SHOP.Example", "shop.example"),
    "port": ("shop.example:8080", "shop.example"),
    "address": ("10.0.0.1:80", "10.0.0.1"),
    "IPv6 address": ("[2001:db8::1]:443", "[2001:db8::1]"),
    "none": (None, INVALID_HOST),
    "empty": ("", INVALID_HOST),
    "markup": ("<script>", INVALID_HOST),
    "space": ("a b", INVALID_HOST),
    "line break": ("a\n", INVALID_HOST),
    "too long": ("a" * 254, INVALID_HOST),
    "quote": ('a"', INVALID_HOST),
}


@pytest.mark.parametrize(("host", "expected"), HOSTS.values(), ids=HOSTS.keys())
def test_a_host_becomes_a_label(host: str | None, expected: str) -> None:
    assert host_label(host) == expected


def test_findings_are_counted_by_type_host_and_application() -> None:
    tallies = Tallies()
    tallies.add(replace(EXAMPLE, findings=(SQLI, SQLI, replace(SQLI, type="xss")), application=7))
    assert tallies.findings_by_type == {"sqli": 2, "xss": 1}
    assert tallies.findings_by_host == {"shop.example": 3}
    assert tallies.findings_by_application == {"7": 3}


def test_a_report_without_findings_makes_no_series() -> None:
    tallies = Tallies()
    tallies.add(replace(EXAMPLE, findings=()))
    assert tallies == Tallies()


def test_hostile_hosts_do_not_make_endless_series() -> None:
    tallies = Tallies()
    for number in range(HOSTS_LIMIT + 50):
        tallies.add(replace(EXAMPLE, host=f"h{number}.example"))
    assert len(tallies.findings_by_host) == HOSTS_LIMIT + 1
    assert tallies.findings_by_host[OTHER] == 50


def test_hosts_are_left_out_when_told_so() -> None:
    tallies = Tallies(per_host=False)
    tallies.add(EXAMPLE)
    assert not tallies.findings_by_host


def test_an_unknown_type_is_no_label_of_its_own() -> None:
    tallies = Tallies()
    tallies.add(replace(EXAMPLE, findings=(replace(SQLI, type="made up"),)))
    assert tallies.findings_by_type == {OTHER: 1}


MIRROR_LABELS = {
    "untagged": (MirrorNews(0, 0, 0, -1, 1, 0, 0, 0, 0), ("eth0", "", "")),
    "VLAN": (MirrorNews(1, 42, 0, -1, 1, 0, 0, 0, 0), ("eth1", "42", "")),
    "QinQ": (MirrorNews(0, 100, 42, -1, 1, 0, 0, 0, 0), ("eth0", "100.42", "")),
    "VNI 0": (MirrorNews(0, 0, 0, 0, 1, 0, 0, 0, 0), ("eth0", "", "0")),
    "source that settings do not have": (MirrorNews(7, 0, 0, -1, 1, 0, 0, 0, 0), ("7", "", "")),
    "beyond a worker's limit": (MirrorNews(-1, 0, 0, -1, 1, 0, 0, 0, 0), (OTHER, OTHER, OTHER)),
}


@pytest.mark.parametrize(("row", "labels"), MIRROR_LABELS.values(), ids=MIRROR_LABELS.keys())
def test_an_origin_becomes_labels(row: MirrorNews, labels: tuple[str, str, str]) -> None:
    tallies = Tallies(sources=("eth0", "eth1"))
    tallies.add_mirror_news([row])
    assert list(tallies.mirror) == [labels]


def test_news_of_all_workers_are_summed() -> None:
    tallies = Tallies(sources=("eth0",))
    tallies.add_mirror_news([MirrorNews(0, 5, 0, -1, 1000, 10, 3, 2, 1), MirrorNews(0, 6, 0, -1, 7, 0, 0, 0, 0)])
    tallies.add_mirror_news([MirrorNews(0, 5, 0, -1, 500, 0, 1, 0, 1)])
    counts = tallies.mirror["eth0", "5", ""]
    assert counts == {"seen_bytes": 1500, "lost_bytes": 10, "flows": 4, "one_sided_flows": 2, "no_syn_flows": 2}


def test_traffic_cannot_make_origins_without_end() -> None:
    tallies = Tallies(sources=("eth0",))
    for vni in range(ORIGINS_LIMIT + 50):
        tallies.add_mirror_news([MirrorNews(0, 0, 0, vni, 1, 0, 0, 0, 0)])
    assert len(tallies.mirror) == ORIGINS_LIMIT + 1
    assert tallies.mirror[OTHER, OTHER, OTHER]["seen_bytes"] == 50


def test_ignored_findings_are_counted_within_bounds() -> None:
    tallies = Tallies()
    for _ in range(2):
        rows = Counter({("mine", f"rule-{number}"): 2 for number in range(ROWS_LIMIT + 5)})
        tallies.add_ignored_news(decode_ignored(encode_ignored(rows)))
    assert tallies.ignored["mine", "rule-0"] == 4
    assert tallies.ignored[OTHER, OTHER] == 20
    assert len(tallies.ignored) == ROWS_LIMIT + 1


@pytest.mark.parametrize("record", [b"", b"{}}", b"[1]", b'[["a"]]', b'[["a","b","c"]]', b"\xff"])
def test_what_are_no_counts_of_ignored_findings_is_refused(record: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode_ignored(record)
