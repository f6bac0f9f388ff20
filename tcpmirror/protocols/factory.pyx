# cython: language_level=3, boundscheck=False, wraparound=False
"""What all connections of one worker share: where exchanges go, the limits, the counters."""
from tcpmirror.model.exchange cimport Message
from tcpmirror.model.stream cimport SinkFactory
from tcpmirror.protocols.buffer cimport buffer_free
from tcpmirror.protocols.known_bodies cimport KnownBodies

from tcpmirror.protocols.codings import ContentDecoder, codings_of

cdef tuple GZIP = (b"gzip",)


cdef class ExchangeFactory(SinkFactory):
    """Counts over all connections of one worker.

    ``emit`` is called with each finished Exchange; what it raises comes out of the call that delivered the bytes. With
    ``parse_responses`` off requests are emitted as soon as they are whole. Counters: ``requests``, ``responses`` (final ones),
    ``exchanges`` emitted, of them ``unanswered`` and ``response_only``; ``not_http_bytes``: bytes that belong to no message;
    ``http_errors``: start lines, lengths, chunks, frames and header blocks that were none or contradict each other, heads too
    long; ``websocket_messages`` are no exchanges, though they are emitted as such.
    """

    def __init__(self, emit, limits, *, unsigned long long response_timeout_ns, bint parse_responses=True,
                 bint hash_bodies=False):
        self.emit = emit
        self.limits = limits
        self.response_timeout_ns = response_timeout_ns
        self.parse_responses = parse_responses
        self.hash_bodies = hash_bodies
        self.known_bodies = KnownBodies()

    def __dealloc__(self):
        buffer_free(&self.spare)

    cdef tuple codings(self, Message message, bint is_plain):
        """Return the codings of the body of *message*, in the order in which they have to be undone, or None if it names none.

        *is_plain*: it has one Content-Encoding, names none elsewhere, and nothing about its head is odd.
        """
        if is_plain and message.value_of(b"content-encoding") == b"gzip":
            return GZIP
        return tuple(codings_of(message.headers)) or None

    cdef object decoder(self, tuple codings):
        """Return what undoes *codings*."""
        limits = self.limits
        return ContentDecoder(codings, limits.coding_layers, limits.decompressed_bytes, limits.decompression_ratio)
