# cython: language_level=3
"""Decryption: what the TLS connections of one worker share: the secrets, how long to wait for one, and what became of them."""
from collections import deque


cdef class Decryption:
    """*secrets*: a `TlsSecrets`, which may grow while connections wait.

    *wait_ns*: how long, in packet time, records wait for a secret that is not there; 0: not at all. *flow_bytes*,
    *worker_bytes*: what may wait of one connection and of all; past that a connection is given up. Counters: of flows
    ``tls_decrypted_flows``, and those given up, by reason: ``tls_no_secret``, ``tls_unsupported`` (version, suite or
    compression), ``tls_unauthentic`` (the secret opens nothing), ``tls_joined`` (the handshake was not seen),
    ``tls_lost`` (too much was lost to find the next record); of records ``tls_bad_records``.
    """

    def __init__(self, secrets, *, unsigned long long wait_ns=0, Py_ssize_t flow_bytes=1 << 20, Py_ssize_t worker_bytes=1 << 26):
        self.secrets = secrets
        self.wait_ns = wait_ns
        self.flow_bytes = flow_bytes
        self.worker_bytes = worker_bytes
        self.ended = deque()

    cdef int count(self, int fault) except -1:
        """Count a flow that is given up for *fault* (a `tls_session.Fault`)."""
        if fault == 1:
            self.tls_no_secret += 1
        elif fault == 2:
            self.tls_unsupported += 1
        elif fault == 3:
            self.tls_unauthentic += 1
        elif fault == 4:
            self.tls_joined += 1
        elif fault == 5:
            self.tls_lost += 1
        return 0

    def advance(self, unsigned long long now_ns):
        """Look again at the connections that ended while they waited: their flows are gone, and with them their ticks.

        What is raised is a bug, and costs the connection it concerns.
        """
        cdef StreamSink connection
        for _ in range(len(self.ended)):
            connection = self.ended.popleft()
            if connection.deadline_ns <= now_ns:
                connection.tick(now_ns)
            if connection.deadline_ns:
                self.ended.append(connection)

    def finish(self):
        """The input has ended: what waits gets what there is now."""
        cdef StreamSink connection
        while self.ended:
            connection = self.ended.popleft()
            connection.tick(<unsigned long long>-1)
