"""From the ordered bytes of a flow to exchanges.

``connection`` finds out what a flow speaks and hands it to ``http1``, ``http2``, ``websocket`` or ``tls``; what all of them
count, and where exchanges go, is in ``factory``.

``http1`` owns two ``half``s (one direction each, read as messages) and the ``pairing`` of the two.
A half reads heads with ``head``, finds the end of bodies with ``framing`` and collects them in ``bodies``, which undoes
content codings with ``codings``. ``http2`` reads ``frames``, decodes header blocks with ``hpack`` and writes them as heads
with ``http2_head``; bodies go the same way as those of HTTP/1.
"""
