"""From the ordered bytes of a flow to exchanges.

``connection`` finds out what a flow speaks and hands it to ``http1``, ``http2``, ``websocket`` or ``tls``; what all of them
count, and where exchanges go, is in ``factory``.

``http1`` owns two ``half``s (one direction each, read as messages) and the ``pairing`` of the two.
A half reads heads with ``head``, finds the end of bodies with ``framing`` and collects them in ``bodies``, which undoes
content codings with ``codings``. ``http2`` reads ``frames``, decodes header blocks with ``hpack`` and writes them as heads
with ``http2_head``; bodies go the same way as those of HTTP/1.

``tls`` cuts records, which a ``tls_session`` opens: it reads the handshake (``client_hello``, ``tls_handshake``), derives
keys (``tls_keys``) from secrets that all connections of a worker share (``decryption``), and undoes what protects a record
(``tls_ciphers``, chosen by ``tls_suites``). The plaintext goes to a ``connection`` of its own.
"""
