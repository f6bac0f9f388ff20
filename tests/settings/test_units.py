import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcpmirror.settings.units import format_duration, format_size, parse_duration, parse_size

SIZES = {
    "plain bytes": ("512", 512),
    "nothing": ("0", 0),
    "capital unit": ("64K", 65536),
    "small unit": ("64k", 65536),
    "unit with B": ("2MB", 2 << 20),
    "binary unit": ("512MiB", 512 << 20),
    "a space before the unit": ("1 GiB", 1 << 30),
    "tebibytes": ("1T", 1 << 40),
    "bytes named": ("5b", 5),
    "no number": ("MiB", None),
    "a fraction": ("1.5M", None),
    "negative": ("-1", None),
    "unknown unit": ("5X", None),
    "other digits": ("٥", None),
    "empty": ("", None),
    "too long to mean anything": ("9" * 5000, None),
}

DURATIONS = {
    "seconds": ("5s", 5_000_000_000),
    "minutes and seconds": ("1m30s", 90_000_000_000),
    "milliseconds": ("500ms", 500_000_000),
    "micro sign": ("7µs", 7_000),
    "Greek mu": ("7μs", 7_000),
    "a fraction": ("1.5h", 5_400_000_000_000),
    "bare nought": ("0", 0),
    "bare number": ("5", None),
    "space": ("5 s", None),
    "days are not Go's": ("1d", None),
    "negative": ("-5s", None),
    "empty": ("", None),
    "unit first": ("s5", None),
}


@pytest.mark.parametrize(("text", "size"), SIZES.values(), ids=SIZES)
def test_size(text: str, size: int | None) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(("text", "time_ns"), DURATIONS.values(), ids=DURATIONS)
def test_duration(text: str, time_ns: int | None) -> None:
    assert parse_duration(text) == time_ns


@given(st.integers(0, 1 << 62))
def test_a_written_size_reads_as_itself(size: int) -> None:
    assert parse_size(str(format_size(size))) == size


@given(st.integers(0, 1 << 62))
def test_a_written_duration_reads_as_itself(time_ns: int) -> None:
    assert parse_duration(format_duration(time_ns)) == time_ns


@given(st.text())
def test_no_text_makes_them_raise(text: str) -> None:
    parse_size(text)
    parse_duration(text)
