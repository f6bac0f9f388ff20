"""Counters in the exporter: the workers' merged, judged for the log, and sent to the cloud where they near a threshold.

Sensors share what they counted through the cloud, so a counter goes there once it has NEAR of its threshold in a window: of
eight sensors that each see their part of an attack, all tell of it. What stays below is forgotten after its window. A
profile goes there once a detector votes against it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from typing import Final

from tcpmirror.behavior.bots import is_odd, told
from tcpmirror.behavior.counter import SLOTS_A_WINDOW, USUAL_SLOTS, Counter, CounterKey, add
from tcpmirror.behavior.history import complete, exceeding, find_in, needed, split
from tcpmirror.behavior.profile_table import ProfileTable
from tcpmirror.behavior.record import decode_rows, encode_rows, records
from tcpmirror.behavior.window import SLOT_NS
from tcpmirror.export.attack_log import short_text
from tcpmirror.processes.outbox import Outbox, new_id

PROFILE_SLOTS: Final = 8_192  # of somebody in ten minutes, and as many parts of them that wait
PROFILES_EVERY_S: Final = 20.0
COUNTERS: Final = 16_384  # followed at once: about 1 KiB each; where there are more, those that count least go
HISTORIES: Final = 4_096  # of routes and of fields, up to 7 KiB each; those not added to for longest go
NEAR: Final = 8  # the part of its threshold from which on a counter goes to the cloud
CALL_BYTES: Final = 4 << 20  # of JSON in one call
LOG_AGAIN_NS: Final = 3_600 * 10**9
log = logging.getLogger("tcpmirror.attacks")


class BehaviorOutbox(Outbox):
    """With *withhold* nothing is sent: what is found is logged only."""

    path: Final = "/api/v1/behavior/digests"
    sent_counter: Final = "behavior_counters_sent"
    what: Final = "counters of behaviour"

    def __init__(self, withhold: bool = False, limit: int = COUNTERS) -> None:
        super().__init__()
        self._withhold = withhold
        self._limit = limit
        self._whole: dict[CounterKey, Counter] = {}
        self._unsent: dict[CounterKey, Counter] = {}
        self._histories: dict[CounterKey, Counter] = {}
        self._new_histories: dict[CounterKey, Counter] = {}
        self._find = find_in(self._histories)
        self._logged: dict[CounterKey, int] = {}
        self._profiles = ProfileTable(PROFILE_SLOTS)
        self._new_profiles: dict[CounterKey, Counter] = {}
        self._judge_s = 0.0
        self._latest_ns = 0
        self._dropped = 0
        self.unchecked: Callable[[Counter], None] = lambda login: None  # takes logins whose password is to be asked about

    def __len__(self) -> int:
        return len(self._whole) + len(self._profiles)

    @property
    def dropped(self) -> int:
        """Counters, histories and profiles that gave way to others."""
        return self._dropped + self._profiles.dropped

    def add(self, record: bytes) -> int:
        """Merge the counters of *record*; return how many. ValueError if it is no record of counters."""
        _, counters = decode_rows(record)
        for counter in counters:
            if counter.key.unit == "unchecked":
                self.unchecked(counter)
        self.merge([counter for counter in counters if counter.key.unit != "unchecked"])
        return len(counters)

    def merge(self, counters: list[Counter]) -> None:
        """Merge *counters*."""
        with self._lock:
            rest, histories = split(counters)
            for history in histories:
                self._add_history(history)
            for counter in rest:
                self._latest_ns = max(self._latest_ns, *(slot.last_ns for slot in counter.slots.values()), 0)
                if counter.key.unit == "profile":
                    add(self._new_profiles, counter)
                    self._profiles.add(counter)
                    continue
                whole = add(self._whole, counter)
                add(self._unsent, counter)
                whole.samples.clear()  # they wait with what is unsent
                self._log(whole)
            if len(self._new_profiles) > len(self._profiles):
                self._keep_new()
            if len(self._whole) > self._limit:
                self._make_room()

    def _take(self) -> Iterator[tuple[bytes, int]]:
        with self._lock:
            odd = self._odd_profiles()
            if self._withhold:
                return
            near = [key for key in self._unsent if self._is_near(self._whole[key])]
            # Histories first: what is judged by them is in the same call, or in a later one.
            histories = self._due_histories([*near, *odd])
            taken = [*histories, *(self._unsent.pop(key) for key in near), *(self._new_profiles.pop(key) for key in odd)]
        for rows in records(taken, CALL_BYTES):
            yield encode_rows(new_id(), rows), len(rows)

    def _add_history(self, history: Counter) -> None:
        """Merge *history*; it goes to the end, as the one that was added to last."""
        whole = self._histories.pop(history.key, None) or Counter(history.key)
        whole.merge(history)
        self._histories[history.key] = whole
        if not self._withhold:
            add(self._new_histories, history)
        while len(self._histories) > HISTORIES:
            oldest = next(iter(self._histories))
            del self._histories[oldest]
            self._new_histories.pop(oldest, None)
            self._dropped += 1

    def _due_histories(self, near: list[CounterKey]) -> list[Counter]:
        """Take the new parts of histories whose block is over, or by which counters of the keys *near* are judged."""
        asked = {key for each in near for key in needed(each)}
        due = [key for key, new in self._new_histories.items() if key in asked or complete(new, self._latest_ns)]
        return [self._new_histories.pop(key) for key in due]

    def _odd_profiles(self) -> list[CounterKey]:
        """Return, every PROFILES_EVERY_S, of which profiles the cloud is to know what is new; log who is told of."""
        if time.monotonic() < self._judge_s:
            return []
        self._judge_s = time.monotonic() + PROFILES_EVERY_S
        self._profiles.forget(self._latest_ns // SLOT_NS - USUAL_SLOTS)
        self._keep_new()
        odd = []
        for key in self._new_profiles:
            whole = self._profiles.get(key)
            if whole is not None and is_odd(whole, self._find, NEAR):
                odd.append(key)
                found = told(whole, self._find)
                if found is not None:
                    self._write(found.marked.key, whole)
        return odd

    def _keep_new(self) -> None:
        """Let go of what is new of profiles that are followed no more."""
        self._new_profiles = {key: new for key, new in self._new_profiles.items() if key in self._profiles}

    def _is_near(self, whole: Counter) -> bool:
        return exceeding(whole, self._find, NEAR).peak * NEAR >= max(1, whole.key.threshold)

    def _log(self, whole: Counter) -> None:
        """Write a line when *whole* passes its threshold, and again after an hour of it."""
        if exceeding(whole, self._find).amount(whole.newest_slot) > whole.key.threshold:
            self._write(whole.key, whole)

    def _write(self, key: CounterKey, whole: Counter) -> None:
        last_ns = whole.slots[whole.newest_slot].last_ns
        if last_ns - self._logged.get(key, -LOG_AGAIN_NS) < LOG_AGAIN_NS:
            return
        if len(self._logged) >= self._limit:
            self._logged.clear()
        self._logged[key] = last_ns
        texts = {"real_ip": key.subject or "*", "host": key.host, "uri": key.path, "rule": key.control}
        log.warning("attack", extra={"type": key.type} | {name: short_text(text) for name, text in texts.items()})

    def _weight(self, item: tuple[CounterKey, Counter]) -> float:
        return exceeding(item[1], self._find, NEAR).peak / max(1, item[0].threshold)

    def _make_room(self) -> None:
        """Forget what is past its window; where that is not enough, the half that counts least."""
        latest = self._latest_ns
        past = [key for key, whole in self._whole.items() if (whole.newest_slot + SLOTS_A_WINDOW) * key.slot_ns < latest]
        if len(self._whole) - len(past) > self._limit // 2:
            amounts = sorted(self._whole.items(), key=self._weight)
            least = [key for key, _ in amounts[: len(self._whole) - self._limit // 2]]
            self._dropped += len(set(least).difference(past))
            past = [*past, *least]
        for key in set(past):
            if not self._withhold and key in self._unsent and self._is_near(self._whole[key]):
                continue  # it waits for the cloud
            self._unsent.pop(key, None)
            del self._whole[key]
