"""From the ordered bytes of a flow to exchanges.

``http1`` is the connection: it owns two ``half``s (one direction each, read as messages) and the ``pairing`` of the two.
A half reads heads with ``head``, finds the end of bodies with ``framing`` and collects them in ``bodies``, which undoes
content codings with ``codings``.
"""
