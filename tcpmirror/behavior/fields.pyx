# cython: language_level=3, boundscheck=False, wraparound=False
"""Fields that answers of a resource know and requests to it never carry: who sends one may assign what is not theirs.

CWE-915. Of the names that answers hold, those are followed that tell of rights or money (`controls.PRIVILEGED`), so requests are
looked through for a handful of them, and in most resources for none.
"""
import re

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport uint64_t

from tcpmirror.model.exchange cimport Request, Response
from tcpmirror.model.needle cimport holds

DEF ANSWERS = 16          # of a resource that are read for names, and then one in STEP
DEF STEP = 64
DEF BODY_BYTES = 16_384
DEF NAMES = 8             # of a resource
DEF REQUESTS = 20         # of a method before any of its fields is none that is sent
DEF SENT = 3              # requests that may carry a name that "is never sent"

cdef object NAME = re.compile(rb'"([A-Za-z_][\w-]{1,40})"\s{0,4}:')


cdef class Sent:
    """What requests of one method carried."""


cdef class Resource:
    """A host and a path without the value at its end. *wanted*: whether a name is followed."""

    def __init__(self, wanted):
        self.wanted = wanted
        self.names, self.sent = [], {}

    cdef object learn(self, Request request, Response response):
        """Take up the names in *response* that are no echo of *request*."""
        cdef Py_ssize_t size = PyBytes_GET_SIZE(response.body)
        if not 200 <= response.status < 300 or not 2 < size <= BODY_BYTES or PyBytes_AS_STRING(response.body)[0] not in b"{[":
            return
        self.answers += 1
        if self.answers > ANSWERS and self.answers % STEP:
            return
        for name in NAME.findall(response.body):
            if len(self.names) < NAMES and name not in self.names and self.wanted(name.decode("latin-1")) \
                    and not holds(request.body, name):
                self.names.append(name)

    cdef str assigned(self, Request request):
        """Return the name of a field in *request* that answers know and requests like it do not carry; None: there is none."""
        cdef Sent sent
        cdef Py_ssize_t place
        if not self.names or not 2 < PyBytes_GET_SIZE(request.body) <= BODY_BYTES:
            return None
        found = self.sent.get(request.method)
        if found is None:
            if len(self.sent) >= NAMES:
                return None
            found = self.sent[request.method] = Sent()
            (<Sent>found).counts = []
        sent = <Sent>found
        sent.requests += 1
        new = None
        for place in range(len(self.names)):
            if place == len(sent.counts):
                sent.counts.append(0)
            if carries(request.body, <bytes>self.names[place]):
                if sent.requests > REQUESTS and sent.counts[place] < SENT and new is None:
                    new = (<bytes>self.names[place]).decode("latin-1")
                sent.counts[place] += 1
        return new


cdef bint carries(bytes body, bytes name):
    """Tell whether *body* has a field *name*: of JSON, or of a form."""
    cdef bytes quoted
    if not holds(body, name):
        return False
    if PyBytes_AS_STRING(body)[0] == 123 or PyBytes_AS_STRING(body)[0] == 91:
        quoted = b'"' + name + b'"'
        at = body.find(quoted)
        while at >= 0:
            if body[at + len(quoted):at + len(quoted) + 8].lstrip()[:1] == b":":
                return True
            at = body.find(quoted, at + 1)
        return False
    return body.startswith(name + b"=") or b"&" + name + b"=" in body
