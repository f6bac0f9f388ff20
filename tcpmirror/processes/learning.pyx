# cython: language_level=3
"""Hands each exchange of a worker to those who learn from many: the inventory, weaknesses, sessions, behaviour.

Compiled, because it happens to each exchange: four calls and what goes wrong in them.
"""
import logging
import time

from tcpmirror.model.exchange cimport Exchange

log = logging.getLogger(__name__)

DEF TIMED = 64  # one exchange in so many is timed, for all of them

# In the order in which they are told: behaviour is counted by sessions.
cdef enum Learner:
    APIS
    WEAKNESSES
    SESSIONS
    BEHAVIOR
    LEARNERS

cdef tuple NAMES = ("inventory", "weaknesses", "sessions", "behavior")
cdef tuple COUNTERS = ("api_ns", "weakness_ns", "session_ns", "behavior_ns")


cdef class Learning:
    """*apis* and the others: news with `observe`, those of weaknesses with `look` and `note`; None where nothing is learnt of it.

    A fault of ours costs one of them one exchange, and nobody its findings: it is counted, and logged without what was sent.
    """

    cdef object page
    cdef tuple learners
    cdef unsigned long long seen, failures

    def __init__(self, page, *, apis=None, weaknesses=None, sessions=None, behavior=None):
        self.page = page
        self.learners = (apis, weaknesses, sessions, behavior)

    def __call__(self, Exchange exchange not None, list findings not None, bint is_attack):
        """Let all learn from *exchange*. *is_attack*: it is none of what the site's users send."""
        cdef bint is_timed = self.seen % TIMED == 0
        cdef int which
        cdef object session = None
        self.seen += 1
        started = time.thread_time_ns() if is_timed else 0
        for which in range(LEARNERS):
            if self.learners[which] is None:
                continue
            try:
                told = self._told(which, exchange, findings, is_attack, session)
            except Exception as fault:
                self._note(which, fault)
            else:
                if which == SESSIONS:
                    session = told
            if is_timed:
                now = time.thread_time_ns()
                self.page.add(COUNTERS[which], TIMED * (now - started))
                started = now

    cdef object _told(self, int which, Exchange exchange, list findings, bint is_attack, session):
        """Let one learn; return what it says."""
        if which == APIS:
            return self.learners[which].observe(exchange, is_attack)
        if which == BEHAVIOR:
            return self.learners[which].observe(exchange, findings, session)
        if which == WEAKNESSES:
            signs = self.learners[which].look(exchange, findings)
            if signs:
                self.learners[which].note(exchange, signs)
            return None
        return self.learners[which].observe(exchange, findings)

    cdef object _note(self, int which, fault):
        """Count a fault, and log the first, the second, the fourth and so on: traffic decides how many there are."""
        self.page.add("bugs")
        self.failures += 1
        if self.failures & (self.failures - 1) == 0:
            place = fault.__traceback__
            while place.tb_next is not None:
                place = place.tb_next
            log.error("%s: an exchange is left out (%d so far): %s in %s, line %d", NAMES[which], self.failures,
                      type(fault).__name__, place.tb_frame.f_code.co_filename, place.tb_lineno)
