"""docs/metrics.md, made from the table of metrics; ``python -m tcpmirror.export.metrics_page`` prints it."""

from __future__ import annotations

import re
from typing import Final

from tcpmirror.export.families import KNOWN, OWN, Family
from tcpmirror.export.other_names import OTHER_NAMES
from tcpmirror.settings.tree import Metrics

_PAGE_HEAD: Final = """# Metrics

The exporter serves these in the Prometheus text format, and as OpenMetrics to a client that asks for it, under `/metrics` on
`metrics.listen_address` (default `:9000`). This page is made from the table in the code (`tcpmirror/export/families.py`); a
test keeps the two the same.

`/live` and `/ready` on `health.listen_address` (default `:8080`) answer 200 or 503 with a JSON body. Live: the exporter's
main loop turned within the last 5 seconds. Ready: so did every capture and every worker; the body names those that did not.

`/wallarm-status` on `metrics.legacy_status.listen_address` (default `127.0.0.1:10246`) answers with the totals as JSON, for
monitoring that was set up for it.

## Names that existing dashboards use

The prefix is `metrics.namespace` (default `{namespace}`). Values are summed over all processes.
"""

_OTHERS_HEAD: Final = """
### Names of other nodes that are not served

| metric | where it is instead, or why it is not |
| --- | --- |"""

_OWN_HEAD: Final = """
## Everything else, process by process

`process` is a name such as `capture-0`, `worker-3`, `exporter-0`, `cloud-0`. Counters live in shared memory: they go on
through the restart of a process, and start from 0 with the sensor.

### Nothing is lost silently

`tcpmirror_ledger_in` says how many packets, payload bytes and exchanges came in, `tcpmirror_ledger_end` where each of
them ended: `analysed`, `waiting` (on a ring, or for other fragments or segments), or the reason why it was not
analysed. They add up; this is 0 for each unit, and anything else is a fault of this program:

```
tcpmirror_ledger_in - on (unit) sum by (unit) (tcpmirror_ledger_end)
```

The share of packets that was not analysed for a reason that is trouble and not intention:

```
sum(tcpmirror_ledger_end{unit="packets", end=~"nic_drop|kernel_drop|unwatched|ring_full|shed|truncated|interrupted|skipped"})
  / on () tcpmirror_ledger_in{unit="packets"}
```

What the mirror itself lost, of what it should have shown, by source, VLAN and VNI (bytes acknowledged and never seen):

```
rate(tcpmirror_mirror_lost_bytes_total[5m])
  / (rate(tcpmirror_mirror_lost_bytes_total[5m]) + rate(tcpmirror_mirror_seen_bytes_total[5m]))
```

| unit | end | what it is |
| --- | --- | --- |
{ends}
"""

# What the words of `telemetry.ledger` mean.
_ENDS: Final = {
    "packets": {
        "nic_drop": "dropped by the card or its driver",
        "kernel_drop": "dropped by the kernel, because capture did not keep up",
        "unwatched": "counted by the interface while no capture process was there",
        "duplicates": "second copies that a mirror of both ports makes",
        "fragments_joined": "fragments beyond the last of their datagram",
        "not_ip, not_tcp": "other protocols",
        "truncated": "cut so short that no TCP header is left",
        "malformed": "headers that contradict themselves",
        "fragment": "fragments whose datagram never became whole",
        "filtered": "left out by ports, hosts, VLANs, VNIs, `ignore_ips` or a filter for inner packets",
        "depth": "more encapsulations than `limits.encapsulation_depth`",
        "unknown_link": "a link type that is not read",
        "ring_full": "no room on the ring of a worker",
        "shed": "of flows that were skipped as a whole for overload",
        "simulated": "dropped on purpose, in tests",
        "interrupted": "in hand when a capture process died",
        "skipped": "killed a worker twice and was left out",
    },
    "bytes": {
        "duplicates, ring_full, shed, simulated": "as above",
        "interrupted": "held, or taken and not yet counted, when a process died",
        "retransmitted": "seen before",
        "ignored": "past the end of a flow: no receiver takes it",
        "abandoned": "of connections given up for a fault of this program",
        "encrypted": "TLS",
        "not_http": "of streams, or parts of them, that no HTTP could be read from",
        "gap": "never seen, between bytes that were",
        "truncated": "cut off by the capture (`snap_len`)",
    },
    "exchanges": {
        "filtered": "left out by inspection filters or a route whose mode is `off`",
        "detection_off": "`inspection.enabled: false`",
        "failed": "a fault of this program in their inspection, or the death of the worker over them",
    },
}


def metrics_page(namespace: str) -> str:
    """Return docs/metrics.md: the whole table in Markdown, for the default *namespace*."""
    ends = "\n".join(f"| {unit} | {end} | {text} |" for unit, ends in _ENDS.items() for end, text in ends.items())
    own_head = _OWN_HEAD.replace("{ends}", ends)
    others = [f"| {_quoted(names)} | {text} |" for names, text in OTHER_NAMES.items()]
    known = [*_rows(KNOWN, namespace), _OTHERS_HEAD, *others]
    lines = [_PAGE_HEAD.format(namespace=namespace), *known, own_head, *_rows(OWN, namespace)]
    return "\n".join(lines) + "\n"


def _quoted(names: str) -> str:
    return re.sub(r"[\w*]*[_*][\w*]*", r"`\g<0>`", names)


def _rows(families: tuple[Family, ...], namespace: str) -> list[str]:
    rows = ["| metric | type | labels | meaning |", "| --- | --- | --- | --- |"]
    for family in families:
        labels = ", ".join(f"`{name}`{_values(family, name)}" for name in family.label_names)
        rows.append(f"| `{family.full_name(namespace)}` | {family.type} | {labels} | {family.meaning} |")
    return rows


def _values(family: Family, label: str) -> str:
    values = dict.fromkeys(value for reading in family.readings for name, value in reading.labels if name == label)
    return f" ({', '.join(values)})" if values else ""


if __name__ == "__main__":
    print(metrics_page(Metrics().namespace), end="")
