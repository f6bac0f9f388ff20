# cython: language_level=3
"""Hands each exchange of a worker to those who learn from many: the inventory, weaknesses, sessions, behaviour.

Compiled, because it happens to each exchange: four calls and what goes wrong in them.
"""
import logging
import time

from tcpmirror.model.exchange cimport Exchange

log = logging.getLogger(__name__)

DEF TIMED = 64  # one exchange in so many is timed, for all of them


cdef class Learning:
    """*apis* and the others: news with `observe`, None where nothing is learnt of it.

    A fault of ours costs one of them one exchange, and nobody its findings: it is counted, and logged without what was sent.
    Sessions come before behaviour, which is counted by them.
    """

    cdef object page, apis, weaknesses, sessions, behavior
    cdef unsigned long long seen, failures

    def __init__(self, page, *, apis=None, weaknesses=None, sessions=None, behavior=None):
        self.page = page
        self.apis, self.weaknesses, self.sessions, self.behavior = apis, weaknesses, sessions, behavior

    def __call__(self, Exchange exchange not None, list findings not None, bint is_attack):
        """Let all learn from *exchange*. *is_attack*: it is none of what the site's users send."""
        cdef bint is_timed = self.seen % TIMED == 0
        self.seen += 1
        started = time.thread_time_ns() if is_timed else 0
        if self.apis is not None:
            try:
                self.apis.observe(exchange, is_attack)
            except Exception as fault:
                self._note("inventory", fault)
            if is_timed:
                started = self._timed("api_ns", started)
        if self.weaknesses is not None:
            try:
                self.weaknesses.observe(exchange, findings)
            except Exception as fault:
                self._note("weaknesses", fault)
            if is_timed:
                started = self._timed("weakness_ns", started)
        session = None
        if self.sessions is not None:
            try:
                session = self.sessions.observe(exchange, findings)
            except Exception as fault:
                self._note("sessions", fault)
            if is_timed:
                started = self._timed("session_ns", started)
        if self.behavior is not None:
            try:
                self.behavior.observe(exchange, findings, session)
            except Exception as fault:
                self._note("behavior", fault)
            if is_timed:
                self._timed("behavior_ns", started)

    cdef object _timed(self, str counter, started):
        now = time.thread_time_ns()
        self.page.add(counter, TIMED * (now - started))
        return now

    cdef object _note(self, str learner, fault):
        """Count a fault, and log the first, the second, the fourth and so on: traffic decides how many there are."""
        self.page.add("bugs")
        self.failures += 1
        if self.failures & (self.failures - 1) == 0:
            place = fault.__traceback__
            while place.tb_next is not None:
                place = place.tb_next
            log.error("%s: an exchange is left out (%d so far): %s in %s, line %d", learner, self.failures, type(fault).__name__,
                      place.tb_frame.f_code.co_filename, place.tb_lineno)
