"""Digests that nodes send: read within bounds, taken in a thread, answered after the commit."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Annotated, Any, Final

from fastapi import HTTPException, Request
from pydantic import BaseModel, Field

from tcpmirror.cloud.api.access import Problem
from tcpmirror.cloud.batch import BatchTooLarge, MalformedBatch, decoded_body

DIGEST_BYTES: Final = 16 << 20
REFUSALS: Final[dict[int | str, dict[str, Any]]] = {
    400: {"model": Problem},
    401: {"model": Problem},
    413: {"model": Problem},
}


class DigestReceipt(BaseModel):
    taken: Annotated[bool, Field(description="False: this digest was taken before.")]


async def receipt_of(request: Request, take: Callable[[bytes], bool]) -> DigestReceipt:
    """Return what *take* says of the decoded body of *request*; HTTPException where it is none or too large."""
    raw = await bounded_body(request, DIGEST_BYTES)
    coding = request.headers.get("content-encoding", "")
    try:
        return DigestReceipt(taken=await asyncio.to_thread(lambda: take(decoded_body(raw, coding, DIGEST_BYTES))))
    except BatchTooLarge as error:
        raise HTTPException(413, f"A digest has at most {DIGEST_BYTES} bytes, compressed and decoded.") from error
    except (MalformedBatch, ValueError) as error:
        raise HTTPException(400, str(error)[:300]) from error


async def bounded_body(request: Request, limit: int) -> bytes:
    """Return the body of *request*; HTTPException 413 where it passes *limit* bytes."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise HTTPException(413, f"At most {limit} bytes are accepted.")
    return bytes(body)
