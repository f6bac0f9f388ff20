# cython: language_level=3, boundscheck=False, wraparound=False
"""The compiled road of a detector: what every exchange costs that nothing is found in."""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.string cimport memchr

from tcpmirror.detect.needles cimport holds_query
from tcpmirror.detect.text_search cimport FormSearch
from tcpmirror.model.exchange cimport Exchange, KnownBody, Request, Response
from tcpmirror.model.needle cimport holds

from tcpmirror.detect import entities, graphql, smuggling
from tcpmirror.model.anomaly import Anomaly

DEF RESPONSE_LOOK = 65_536  # bytes of a response
DEF KIND_BYTES = 128  # of a Content-Type
DEF KINDS = 1024  # remembered
cdef tuple TEXTUAL = (b"text/", b"json", b"xml", b"javascript", b"html")

cdef unsigned long long BOMB = 1 << Anomaly.DECOMPRESSION_LIMIT
cdef unsigned long long roads = 0  # made in this process


cdef class DetectorRoad:
    """Counts and inspects exchanges; what is rare is asked of the detector that is made of this.

    ``tier2`` counts the requests that the first tier let through; ``inspected`` all of them. ``ignored``: what of the last
    exchange was found and is not to be reported, because ``ignoring`` says so. ``others``: what else judges requests.
    """

    cdef public unsigned long long inspected, tier2
    cdef public tuple others
    cdef public object ignoring, opened
    cdef public list ignored
    cdef object normal_form, learn_clean
    cdef FormSearch gates, responses
    cdef unsigned long long number  # of this one: others may find what it does not
    cdef dict kinds  # Content-Type -> whether it is one of text

    def __init__(self, views, FormSearch gates not None, FormSearch responses not None):
        """*gates* searches a request's normal form, *responses* the body of a response."""
        global roads
        self.normal_form, self.learn_clean = views.normal_form, views.learn_clean
        self.gates, self.responses = gates, responses
        self.ignoring, self.ignored, self.others, self.opened = None, [], (), ()
        self.kinds = {}
        roads += 1
        self.number = roads

    def inspect(self, Exchange exchange not None):
        """Return what *exchange* shows, strongest sign per value and type; empty for a clean one."""
        cdef Request request = exchange.request
        cdef list findings = []
        cdef unsigned long long bomb
        sieve = None if self.ignoring is None else self.ignoring.of(exchange)
        if request is not None:
            self.inspected += 1
            self.opened = ()
            bomb = (exchange.anomalies | request.anomalies) & BOMB
            if _may_smuggle(request):
                findings += smuggling.findings(exchange)
            if bomb or self._is_suspect(request):
                self.tier2 += 1
                findings += self.judge_request(request, bomb, sieve)
            for inspect in self.others:
                findings += inspect(exchange)
        body = None if exchange.response is None else self._with_signs(exchange.response)
        if body is not None:
            findings += self.judge_response(body, request, findings)
        if sieve is not None:
            findings = self.sifted(findings, sieve)
        return self.told(findings) if findings else findings

    def is_suspect(self, Request request not None):
        """Tell whether *request* needs the full path. False is certain: the full path would find nothing."""
        return self._is_suspect(request)

    cdef bint _is_suspect(self, Request request) except -1:
        cdef tuple form = self.normal_form(request)
        cdef int found
        if form is None:
            return True
        found = self.gates.run(form)
        if found and self.adds_up(form, found):
            return True
        for text in form:
            if holds(<bytes>text, b".ey"):  # as every signed token does: its claims begin with a brace
                if self.has_weak_token(form):
                    return True
                break
        self.learn_clean()
        if PyBytes_GET_SIZE(request.body) == 0:
            return False
        if _holds(request.body, b"<") and entities.is_suspect(request.body):
            return True
        return holds_query(request.body) and graphql.is_suspect(request.body)

    cdef bytes _with_signs(self, Response response):
        """Return what is looked at of the body of *response*, or None: nothing matches in it."""
        cdef bytes body = response.body
        cdef KnownBody known = response.known
        if PyBytes_GET_SIZE(body) == 0 or known is not None and known.clean_for == self.number or not self.is_text(response):
            return None
        if PyBytes_GET_SIZE(body) > RESPONSE_LOOK:
            body = body[:RESPONSE_LOOK]
        if self.responses.run((body,)):
            return body
        if known is not None:
            known.clean_for = self.number
        return None

    cdef bint is_text(self, Response response) except -1:
        """Tell whether *response* is, or may be, text."""
        cdef bytes kind = response.value_of(b"content-type")
        if kind is None:
            return True
        kind = kind[:KIND_BYTES]
        found = self.kinds.get(kind)
        if found is None:
            if len(self.kinds) >= KINDS:
                self.kinds.clear()
            lower = kind.lower()
            found = self.kinds[kind] = any([mark in lower for mark in TEXTUAL])
        return found


cdef inline bint _holds(bytes text, char byte) noexcept:
    return memchr(PyBytes_AS_STRING(text), byte, PyBytes_GET_SIZE(text)) != NULL


cdef bint _may_smuggle(Request request) except -1:
    """Tell whether `smuggling.findings` could find something: servers disagree, or there is a body of a certain kind."""
    cdef unsigned char first
    if request.disagreement is not None or request.version == b"HTTP/2":
        return True
    if PyBytes_GET_SIZE(request.body) == 0:
        return False
    first = <unsigned char>PyBytes_AS_STRING(request.body)[0]
    return first == 10 or first == 13 or 65 <= (first & 0xDF) <= 90 or holds(request.head, b"100-")
