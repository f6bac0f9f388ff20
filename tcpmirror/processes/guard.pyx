# cython: language_level=3
"""Where faults of ours end that learning from many exchanges has: they cost what is learnt from one of them, no findings."""
import logging
import time

from tcpmirror.model.exchange cimport Exchange

DEF TIMED = 64  # one exchange in so many tells the time: asking the kernel for it costs a microsecond

log = logging.getLogger(__name__)


cdef class Guard:
    """Hands exchanges on to *act*, and says how long that took as *counter* of *page*.

    *what* is said of an exchange on which it fails, at the first, the second, the fourth time and so on: traffic decides how
    many there are. Without *tells* nothing else is: the fault's own text may hold what was sent.
    """

    def __init__(self, page, str counter not None, str what not None, act, bint tells=True):
        self.page = page
        self.counter = counter
        self.what = what
        self.act = act
        self.tells = tells

    def use(self, act):
        """Hand on to *act* from now on."""
        self.act = act

    cpdef object observe(self, Exchange exchange, about, session=None):
        """Return what *act* does of *exchange*, *about* it and the name of its *session* if there is one; None: it failed."""
        cdef object found = None
        self.seen += 1
        started = time.thread_time_ns() if self.seen % TIMED == 0 else None
        try:
            found = self.act(exchange, about) if session is None else self.act(exchange, about, session)
        except Exception as fault:  # the one place: the findings of the exchange are reported all the same
            self._failed(fault)
        if started is not None:
            self.page.add(self.counter, TIMED * (time.thread_time_ns() - started))
        return found

    cdef object _failed(self, fault):
        self.page.add("bugs")
        self.failures += 1
        if self.failures & (self.failures - 1) == 0:
            log.error("an exchange cannot be %s (%d so far)", self.what, self.failures, exc_info=fault if self.tells else None)


cdef class Followers:
    """Those who see exchanges one after another: sessions first, as behaviour is counted by them. Either may be None."""

    def __init__(self, Guard sessions, Guard behavior):
        self.sessions = sessions
        self.behavior = behavior

    cpdef object observe(self, Exchange exchange, list findings):
        session = None if self.sessions is None else self.sessions.observe(exchange, findings)
        if self.behavior is not None:
            self.behavior.observe(exchange, findings, session)
