# cython: language_level=3, boundscheck=False, wraparound=False
"""The compiled road of a judge: what every exchange costs that nothing is found in."""
import time

from libc.stdint cimport uint64_t

from tcpmirror.model.exchange cimport Exchange

from tcpmirror.detect.ignoring import EXPERIMENTAL
from tcpmirror.model.attack import NO_ATTACK_TYPES
from tcpmirror.processes.rule_costs import RuleCosts

DEF TIMED = 16  # one exchange in so many is timed, for all of them: asking the kernel for the time costs a microsecond


cdef class JudgeRoad:
    """Counts, inspects and hands on exchanges; what is rare is asked of the judge that is made of this.

    ``detector``: None: nothing is inspected; ``is_trivial``: all exchanges are in scope; ``keep_all``: hand each to ``keep``.
    """

    cdef uint64_t[::1] counters
    cdef int emitted, uninspected, bypassed, inspected, tier2, attacks, findings, detect_ns
    cdef uint64_t seen, partial
    cdef public object detector, keep, access
    cdef public bint is_trivial, keep_all
    cdef readonly object learn, costs

    def __init__(self, page, learn, uint64_t partial):
        """*learn*: who sees exchanges in scope, None: nobody; *partial*: anomalies that are counted."""
        self.counters = page.view
        self.emitted, self.uninspected, self.bypassed = page.slot("emitted"), page.slot("uninspected"), page.slot("bypassed")
        self.inspected, self.tier2, self.detect_ns = page.slot("inspected"), page.slot("tier2"), page.slot("detect_ns")
        self.attacks, self.findings = page.slot("attacks"), page.slot("findings")
        self.learn = learn
        self.costs = RuleCosts()
        self.partial = partial

    def __call__(self, Exchange exchange not None):
        cdef list findings
        self.counters[self.emitted] += 1
        try:
            findings = self._found(exchange)
        except Exception as fault:  # so that who finds our fault hides one exchange, not all after it
            self.failed(exchange, fault)
            return
        if self.access is not None:
            self.enter(exchange, findings)
        if findings:
            self.counters[self.attacks] += 1
            self.counters[self.findings] += len(findings)
        if findings or self.keep_all:
            self.keep(exchange, findings)

    cdef list _found(self, Exchange exchange):
        """Inspect *exchange* or let it pass, and count which."""
        cdef list findings
        if self.detector is None:
            self.counters[self.uninspected] += 1
            if self.learn is not None and (self.is_trivial or self.is_in_scope(exchange)):
                self.learn(exchange, [], False)
            return []
        if not self.is_trivial and not self.is_in_scope(exchange):
            self.counters[self.bypassed] += 1
            return []
        findings = self._inspect(exchange)
        ignored = self.detector.ignored
        if ignored:
            self.count_ignored(ignored)
        if exchange.anomalies & self.partial:
            self.count_partial(exchange)
        self.counters[self.inspected] += 1
        if findings:
            findings = self.proven(findings, exchange)
        if self.learn is not None:
            self.learn(exchange, findings, is_attack(findings, ignored))
        return findings

    cdef list _inspect(self, Exchange exchange):
        cdef uint64_t cost_ns = 0
        in_full = self.detector.tier2
        if self.seen % TIMED == 0:
            started = time.thread_time_ns()
            findings = self.detector.inspect(exchange)
            cost_ns = TIMED * <uint64_t>(time.thread_time_ns() - started)
            self.counters[self.detect_ns] += cost_ns
        else:
            findings = self.detector.inspect(exchange)
        self.seen += 1
        if self.detector.tier2 != in_full:
            self.counters[self.tier2] += 1
            if cost_ns:
                self.costs.add(self.detector.opened_by, cost_ns, TIMED)
        return findings


cdef bint is_attack(list findings, ignored):
    """Tell whether *findings*, or what was held back of them, are of an attack."""
    for found in findings:
        if found.type not in NO_ATTACK_TYPES:
            return True
    for item in ignored:
        if item.by != EXPERIMENTAL:
            return True
    return False
