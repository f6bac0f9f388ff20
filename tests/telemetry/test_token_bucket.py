"""So many at once, so many a second, and never more than fit."""

from __future__ import annotations

from tcpmirror.telemetry.token_bucket import TokenBucket


def test_tokens_come_back_up_to_the_burst() -> None:
    now_s = 0.0
    bucket = TokenBucket(4, 2.0, lambda: now_s)
    assert [bucket.take(3), bucket.take(3), bucket.take()] == [3, 1, 0]
    now_s = 0.75
    bucket.refill()
    assert [bucket.take(), bucket.take()] == [1, 0]
    now_s = 1.0
    bucket.refill()
    assert bucket.take() == 1, "the half that was left counts"
    now_s = 100.0
    bucket.refill()
    assert bucket.take(10) == 4
