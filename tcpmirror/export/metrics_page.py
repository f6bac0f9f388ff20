"""docs/metrics.md, made from the table of metrics; ``python -m tcpmirror.export.metrics_page`` prints it."""

from __future__ import annotations

from typing import Final

from tcpmirror.export.families import KNOWN, OWN, Family
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

_OWN_HEAD: Final = """
## Everything else, process by process

`process` is a name such as `capture-0`, `worker-3`, `exporter-0`, `cloud-0`. Counters live in shared memory: they go on
through the restart of a process, and start from 0 with the sensor.
"""


def metrics_page(namespace: str) -> str:
    """Return docs/metrics.md: the whole table in Markdown, for the default *namespace*."""
    lines = [_PAGE_HEAD.format(namespace=namespace), *_rows(KNOWN, namespace), _OWN_HEAD, *_rows(OWN, namespace)]
    return "\n".join(lines) + "\n"


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
