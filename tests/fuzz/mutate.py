"""Mutations of inputs: the usual ones of AFL and libFuzzer, words of the target, and values seen in comparisons."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Final

NUMBERS: Final = (
    0,
    1,
    2,
    3,
    4,
    7,
    8,
    15,
    16,
    31,
    32,
    63,
    64,
    127,
    128,
    255,
    256,
    511,
    512,
    1023,
    4095,
    4096,
    32767,
    32768,
    65535,
    2**31 - 1,
    2**31,
    2**32 - 1,
)
Comparison = tuple[int, int, int]  # two values that differed, and their size in bytes


class Mutator:
    """Makes inputs out of inputs, with dice of its own."""

    def __init__(self, dice: random.Random, words: Sequence[bytes], longest: int) -> None:
        self.dice = dice
        self._words = words
        self._longest = longest
        self._ways = (
            self._flip,
            self._set,
            self._number,
            self._drop,
            self._repeat,
            self._move,
            self._word,
            self._word,
            self._splice,
        )

    def make(self, data: bytes, other: bytes, compared: Sequence[Comparison] = ()) -> bytes:
        """Return *data* changed in up to sixteen ways; *other* lends it pieces."""
        made = bytearray(data)
        if compared and self.dice.random() < 0.5:
            self._agree(made, compared)
        for _ in range(1 << self.dice.choice((0, 0, 1, 1, 2, 3, 4))):
            self.dice.choice(self._ways)(made, other)
        return bytes(made[: self._longest])

    def _place(self, data: bytearray) -> int:
        return self.dice.randrange(len(data) + 1)

    def _span(self, data: bytes | bytearray) -> slice:
        at = self.dice.randrange(len(data) + 1)
        return slice(at, at + self.dice.choice((1, 1, 2, 3, 4, 8, 16, 64, 256)))

    def _flip(self, data: bytearray, other: bytes) -> None:
        if data:
            data[self.dice.randrange(len(data))] ^= 1 << self.dice.randrange(8)

    def _set(self, data: bytearray, other: bytes) -> None:
        if data:
            data[self.dice.randrange(len(data))] = self.dice.randrange(256)

    def _number(self, data: bytearray, other: bytes) -> None:
        size, order = self.dice.choice((1, 2, 2, 3, 4)), self.dice.choice(("big", "big", "little"))
        at = self._place(data)
        value = self.dice.choice(NUMBERS)
        if self.dice.random() < 0.5:
            value = int.from_bytes(data[at : at + size], order) + self.dice.randint(-16, 16)
        data[at : at + size] = (value % (1 << 8 * size)).to_bytes(size, order)

    def _drop(self, data: bytearray, other: bytes) -> None:
        del data[self._span(data)]

    def _repeat(self, data: bytearray, other: bytes) -> None:
        piece = data[self._span(data)]
        at = self._place(data)
        data[at:at] = piece * self.dice.choice((1, 1, 2, 10))

    def _move(self, data: bytearray, other: bytes) -> None:
        span = self._span(data)
        piece = data[span]
        del data[span]
        at = self._place(data)
        data[at:at] = piece

    def _word(self, data: bytearray, other: bytes) -> None:
        if self._words:
            word = self.dice.choice(self._words)
            at = self._place(data)
            data[at : at + self.dice.choice((0, len(word)))] = word

    def _splice(self, data: bytearray, other: bytes) -> None:
        piece = other[self._span(other)]
        at = self._place(data)
        data[at : at + self.dice.choice((0, len(piece), len(data)))] = piece

    def _agree(self, data: bytearray, compared: Sequence[Comparison]) -> None:
        """Put one side of a comparison where the other stands, so that it comes out equal."""
        left, right, size = self.dice.choice(compared)
        if self.dice.random() < 0.5:
            left, right = right, left
        for width in (size, 2, 4):
            for order in ("big", "little"):
                if left >> 8 * width or right >> 8 * width:
                    continue
                at = data.find(right.to_bytes(width, order))  # type: ignore[arg-type]
                if at >= 0:
                    data[at : at + width] = left.to_bytes(width, order)  # type: ignore[arg-type]
                    return
