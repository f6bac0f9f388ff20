"""What the sensor says about itself in JSON: is it live, is it ready, and its totals in the form of an older status page."""

from __future__ import annotations

import time

from tcpmirror.export.metrics import STALE_S, ProcessPage, total

Pages = tuple[ProcessPage, ...]
Answer = tuple[int, dict[str, object]]


def live(pages: Pages) -> Answer:
    """Return 200 while the exporter's main loop turns, else 503."""
    return _verdict("live", [each for each in pages if each.kind == "exporter"])


def ready(pages: Pages) -> Answer:
    """Return 200 when every capture and every worker turns, else 503 with the reasons."""
    return _verdict("ready", [each for each in pages if each.kind in ("capture", "worker")])


def _verdict(claim: str, needed: list[ProcessPage]) -> Answer:
    reasons = [_silence(each) for each in needed if not each.is_fresh]
    return (503, {"status": f"not {claim}", "reasons": reasons}) if reasons else (200, {"status": claim})


def _silence(each: ProcessPage) -> str:
    age_s = each.beat_age_s()
    if age_s is None:
        return f"{each.name} has not started"
    return f"{each.name} has not turned for {age_s:.1f} s, limit {STALE_S:.0f} s"


def legacy_status(pages: Pages) -> dict[str, object]:
    """Return the keys of the `/wallarm-status` page that have a meaning here, as totals since the sensor started."""
    stalled = [each.name for each in pages if each.kind == "worker" and not each.is_fresh]
    return {
        "requests": total(pages, "worker", "requests"),
        "messages": total(pages, "worker", "requests") + total(pages, "worker", "responses"),
        "attacks": total(pages, "worker", "attacks"),
        "api_errors": total(pages, "exporter", "batch_failures"),
        "requests_lost": total(pages, "worker", "lost_report_ring_full") + total(pages, "exporter", "spool_dropped"),
        "time_detect": round(total(pages, "worker", "detect_ns") / 1e9),
        "stalled_workers_count": len(stalled),
        "stalled_workers": stalled,
        "timestamp": int(time.time()),
    }
