"""A batch on a queue between sensors and cloud: its subject, its headers, and what shows which node wrote it.

Whoever may publish on the queue could claim to be any node, so a batch carries an HMAC (RFC 2104, SHA-256) under the digest
of the node's secret: the node has the secret, the cloud its digest, the queue neither.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

STREAM: Final = "TCPMIRROR"
BATCHES: Final = "tcpmirror.batches"  # and a dot and the node's id
REFUSED: Final = "tcpmirror.refused"
NODE: Final = "Tcpmirror-Node"
BATCH: Final = "Tcpmirror-Batch"
PROOF: Final = "Tcpmirror-Proof"
REASON: Final = "Tcpmirror-Refused"  # on a batch that was set aside
KNOWN_BY: Final = "Nats-Msg-Id"  # JetStream's own: what comes under it twice within its window is kept once


def headers_of(node_id: str, secret_sha256: bytes, batch_id: str, body: bytes) -> dict[str, str]:
    """Return the headers of the batch in *body*, which is JSON compressed by zstd."""
    return {
        NODE: node_id,
        BATCH: batch_id,
        PROOF: proof_of(node_id, secret_sha256, batch_id, body),
        KNOWN_BY: f"{node_id}.{batch_id}",
    }


def proof_of(node_id: str, secret_sha256: bytes, batch_id: str, body: bytes) -> str:
    """Return the HMAC of a batch, in hexadecimal."""
    said = f"{node_id}\n{batch_id}\n".encode()
    return hmac.new(secret_sha256, said + hashlib.sha256(body).digest(), hashlib.sha256).hexdigest()


def is_proven(headers: dict[str, str], secret_sha256: bytes, body: bytes) -> bool:
    """Return whether the node of *secret_sha256* wrote *body* under these *headers*."""
    wanted = proof_of(headers.get(NODE, ""), secret_sha256, headers.get(BATCH, ""), body)
    return hmac.compare_digest(wanted.encode(), headers.get(PROOF, "").encode())
