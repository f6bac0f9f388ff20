# cython: language_level=3, boundscheck=False, wraparound=False
"""Controls, made ready to be asked about every request."""
from tcpmirror.behavior.check cimport OF_AGENTS, OF_FIELDS, OF_LARGE, OF_LOGINS, OF_PATHS, OF_PAYLOADS, OF_SLOW, OF_SURGES, OF_VALUES

from tcpmirror.behavior.controls import BUILT_IN, Names, Networks, matcher
from tcpmirror.behavior.counter import SLOTS_A_WINDOW

COUNTS = ("requests", "values", "paths", "payloads", "logins", "agents", "uploads", "graphql", "fields", "surges", "large_answers",
          "slow_answers")

# How a counter of what only a history can judge is called (`history`).
cdef dict RELATIVE = {"large_answers": "sizes", "slow_answers": "waits", "surges": "surges", "fields": "fields"}


cdef class Check:
    """A control, made ready."""

    def __init__(self, int index, control):
        self.control = control
        self.index = index
        self.count = COUNTS.index(control.count)
        self.by_session, self.by_all, self.by_account = (control.by == each for each in ("session", "endpoint", "account"))
        self.slot_ns = max(1, control.window_ns // SLOTS_A_WINDOW)
        self.names = Names(control.parameters).matches if control.parameters else None
        self.networks = Networks(control.networks).hold if control.networks else None
        self.is_of_values = self.count in (OF_VALUES, OF_PATHS, OF_PAYLOADS, OF_LOGINS, OF_AGENTS)
        self.has_history = self.count in (OF_SURGES, OF_LARGE, OF_SLOW)
        self.is_relative = self.has_history or self.count == OF_FIELDS
        self.unit = RELATIVE.get(control.count, "values" if self.is_of_values else "requests")
        self.limit = control.limit
        self.values = matcher(control.values) if control.values else None
        self.attacks = frozenset(control.attacks) if control.attacks else None
        self.is_by_route = self.is_relative or control in BUILT_IN
        self.has_statuses = bool(control.statuses)
        self.is_of_host = control.count in ("paths", "payloads", "agents") \
            or (control.count == "requests" and control.type == "resource_consumption")
        for status in range(600):
            text = str(status)
            self.statuses[status] = text in control.statuses or text[0] + "xx" in control.statuses
