"""The cloud's ingestion API as the sensor calls it: register, batches, heartbeat.

A node registers once with the deploy token and keeps what it is given in a file; from then on it shows those credentials.
Whatever goes wrong on the way is one of the two exceptions of `delivery`: `CloudError`, try again later, or
`BatchRefusedError`, these very bytes will never be taken.
"""

from __future__ import annotations

import hashlib
import json
import logging
import ssl
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Protocol

import httpx
import orjson

from tcpmirror.errors import EnvironmentFault
from tcpmirror.export.atomic_file import write_atomically
from tcpmirror.export.cloud_rules import ServedRules, ServedSettings, verified_rules, verified_settings
from tcpmirror.export.delivery import DeliveryError, RefusedError, reason_of, reason_of_status, retry_after_s
from tcpmirror.model.queued_batch import headers_of

ANSWER_LIMIT_BYTES: Final = 1 << 20  # an answer of ours is a few hundred bytes; whoever sends more is not our cloud
RULES_LIMIT_BYTES: Final = 16 << 20  # four times what a cloud serves
REGISTER_INTERVAL_S: Final = 60.0  # a cloud that refuses what it has just handed out must not fill with nodes
_REFUSALS: Final = frozenset({400, 413, 415, 422})
log = logging.getLogger(__name__)


class CloudError(DeliveryError):
    """The cloud could not be reached or did not answer as agreed; later it may."""


class UnauthorizedError(CloudError):
    """The token or the node's credentials were not accepted (401)."""


class BatchRefusedError(RefusedError):
    """The cloud understood and will not take this batch: malformed (400, 415, 422) or too large (413)."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What a sensor says about itself when it registers."""

    name: str
    group: str
    version: str
    mode: str
    hostname: str


@dataclass(frozen=True, slots=True)
class Credentials:
    """``rules_key``: what the cloud signs rules with, pinned at registration (Base64); empty: it named none."""

    node_id: str
    secret: str
    rules_key: str = ""


@dataclass(frozen=True, slots=True)
class Receipt:
    """The cloud's acknowledgement: ``accepted`` reports stored; ``quarantined`` ones it keeps but could not read.

    Of a batch that went by a queue neither is known yet: both are 0.
    """

    accepted: int
    duplicate: bool
    quarantined: int


class Queue(Protocol):
    """What stands between nodes and cloud; see `export.queue`."""

    def publish(self, node_id: str, headers: dict[str, str], body: bytes) -> bool: ...


class CloudClient:
    """One cloud at *url*, with the credentials kept in *credential_path*.

    *direct*: connect past any proxy that the environment names, as to a cloud on this machine. *pinned_certificate*: a PEM
    file; its certificate is taken whatever name it is for, and no other is. *queue*: the road of batches, if not this one.
    """

    def __init__(
        self,
        *,
        url: str,
        token: str,
        identity: Identity,
        credential_path: Path,
        timeout_s: float = 15.0,
        verify_tls: bool = True,
        direct: bool = False,
        pinned_certificate: str = "",
        queue: Queue | None = None,
    ) -> None:
        self._url = url.rstrip("/")
        self._queue = queue
        self._token = token
        self._identity = identity
        self._credential_path = credential_path
        self._timeout_s = timeout_s
        try:
            verify = _only(pinned_certificate) if pinned_certificate else verify_tls
            self._http = httpx.Client(verify=verify, timeout=timeout_s, trust_env=not direct)
        except OSError as error:
            raise EnvironmentFault(f"cloud.tls_certificate: {pinned_certificate}: {error.strerror or error}") from error
        except (ValueError, ImportError, httpx.InvalidURL) as error:
            problem = f"the environment's proxy or certificate variables cannot be used: {error}"
            raise EnvironmentFault(problem) from error
        self._credentials = self._stored_credentials()
        self._register_not_before_s = 0.0

    def send(self, batch_id: str, body: bytes) -> Receipt:
        """Post one batch (see `wire_batch`); the receipt means that the cloud has committed it, or the queue keeps it."""
        if self._queue is not None:
            return self._queued(self._queue, batch_id, body)
        headers = {"Content-Type": "application/json", "Content-Encoding": "zstd"}
        answer = _json_object(self._call_as_node("/api/v1/batches", body, headers))
        accepted, quarantined = answer.get("accepted"), answer.get("quarantined", [])
        is_other = answer.get("batch_id", batch_id) != batch_id
        if is_other or not isinstance(accepted, int) or not isinstance(quarantined, list):
            raise CloudError("the answer to a batch is no receipt for it")
        return Receipt(accepted, bool(answer.get("duplicate")), len(quarantined))

    def _queued(self, queue: Queue, batch_id: str, body: bytes) -> Receipt:
        """Give one batch to the queue, under the name of this node."""
        node = self._credentials or self._register()
        secret_sha256 = hashlib.sha256(node.secret.encode()).digest()
        try:
            duplicate = queue.publish(node.node_id, headers_of(node.node_id, secret_sha256, batch_id, body), body)
        except RefusedError as error:
            raise BatchRefusedError(str(error)) from error
        except DeliveryError as error:
            raise CloudError(f"cloud.queue: {error}", error.reason) from error
        return Receipt(0, duplicate, 0)

    def send_digests(self, body: bytes, path: str = "/api/v1/inventory/digests") -> None:
        """Post digests (those of the inventory, unless *path* says other ones), compressed by zstd."""
        headers = {"Content-Type": "application/json", "Content-Encoding": "zstd"}
        self._call_as_node(path, body, headers)

    def heartbeat(self, stats: dict[str, object]) -> None:
        """Tell the cloud that this node lives, and its totals."""
        self._call_as_node("/api/v1/nodes/heartbeat", orjson.dumps({"stats": stats}), {"Content-Type": "application/json"})

    def rules(self, etag: str) -> ServedRules | None:
        """Return the rules for this node, None where they are still those of *etag*; UnsoundRulesError: not the cloud's."""
        credentials = self._pinned()
        served = self._signed("/api/v1/nodes/rules", etag, credentials) if credentials is not None else None
        return None if served is None or credentials is None else verified_rules(*served, credentials.rules_key)

    def settings(self, etag: str) -> ServedSettings | None:
        """Return the settings for this node, as `rules` does the rules."""
        credentials = self._pinned()
        served = self._signed("/api/v1/nodes/settings", etag, credentials) if credentials is not None else None
        if served is None or credentials is None:
            return None
        return verified_settings(*served, credentials.rules_key, credentials.node_id)

    def _pinned(self) -> Credentials | None:
        """Return the credentials with the key of the cloud; None where this node is not registered.

        A node that registered with a cloud that had no key yet asks for it once, over the road that it registered by.
        """
        credentials = self._credentials
        if credentials is None or credentials.rules_key:
            return credentials
        key = str(_json_object(self._get("/api/v1/nodes/key", "", credentials)[0]).get("rules_key", ""))
        if not key:
            raise CloudError("the cloud names no key")
        self._credentials = replace(credentials, rules_key=key)
        self._store_credentials(self._credentials)
        log.info("pinned the key of the cloud")
        return self._credentials

    def _signed(self, path: str, etag: str, credentials: Credentials) -> tuple[bytes, str, str] | None:
        """Return payload, signature and ETag of what is at *path*; None where it is still that of *etag*."""
        payload, response = self._get(path, etag, credentials)
        if response.status_code == 304:
            return None
        return payload, response.headers.get("Tcpmirror-Signature", ""), response.headers.get("ETag", "")

    def _get(self, path: str, etag: str, credentials: Credentials) -> tuple[bytes, httpx.Response]:
        headers = {"Authorization": self._bearer(credentials), "User-Agent": f"tcpmirror/{self._identity.version}"}
        headers |= {"If-None-Match": etag} if etag else {}
        try:
            with self._http.stream("GET", self._url + path, headers=headers) as response:
                payload = self._bounded_body(response, RULES_LIMIT_BYTES)
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, UnicodeError) as error:
            raise CloudError(f"{type(error).__name__}: {error}", reason_of(error)) from error
        if response.status_code != 304:
            _judge(response, payload)
        return payload, response

    def close(self) -> None:
        self._http.close()

    def _call_as_node(self, path: str, body: bytes, headers: dict[str, str]) -> bytes:
        """Post as the registered node, registering first where that was never done or is no longer known to the cloud."""
        if self._credentials is None:
            return self._post(path, body, headers | {"Authorization": self._bearer(self._register())})
        try:
            return self._post(path, body, headers | {"Authorization": self._bearer(self._credentials)})
        except UnauthorizedError:
            if time.monotonic() < self._register_not_before_s:
                raise
            log.warning("the cloud no longer knows this node: registering again")
        return self._post(path, body, headers | {"Authorization": self._bearer(self._register())})

    def _register(self) -> Credentials:
        body = {name: getattr(self._identity, name) for name in Identity.__slots__}
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        try:
            answer = _json_object(self._post("/api/v1/nodes/register", orjson.dumps(body), headers))
        except UnauthorizedError as error:
            raise UnauthorizedError("the cloud does not accept the token (cloud.token)", "unauthorized") from error
        except BatchRefusedError as error:
            raise CloudError(f"registration refused: {error}") from error
        node_id, secret = answer.get("node_id"), answer.get("secret")
        if not isinstance(node_id, str) or not isinstance(secret, str) or not (node_id + secret).isascii():
            raise CloudError("the answer to the registration holds no credentials")
        self._credentials = Credentials(node_id, secret, str(answer.get("rules_key", "")))
        self._register_not_before_s = time.monotonic() + REGISTER_INTERVAL_S
        self._store_credentials(self._credentials)
        log.info("registered with the cloud as node %s", node_id)
        return self._credentials

    @staticmethod
    def _bearer(credentials: Credentials) -> str:
        return f"Bearer {credentials.node_id}.{credentials.secret}"

    def _post(self, path: str, body: bytes, headers: dict[str, str]) -> bytes:
        """Return the body of a 2xx answer; all else becomes one of this module's exceptions."""
        headers |= {"User-Agent": f"tcpmirror/{self._identity.version}"}
        try:
            with self._http.stream("POST", self._url + path, content=body, headers=headers) as response:
                answer = self._bounded_body(response)
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, UnicodeError) as error:
            raise CloudError(f"{type(error).__name__}: {error}", reason_of(error)) from error
        _judge(response, answer)
        return answer

    def _bounded_body(self, response: httpx.Response, limit_bytes: int = ANSWER_LIMIT_BYTES) -> bytes:
        """Return the body, as long as it is no longer and takes no longer than an answer of the cloud may."""
        answer, until = bytearray(), time.monotonic() + self._timeout_s
        for chunk in response.iter_bytes():
            answer += chunk
            if len(answer) > limit_bytes or time.monotonic() > until:
                raise CloudError(f"{response.status_code} with an answer that does not end", "timeout")
        return bytes(answer)

    def _stored_credentials(self) -> Credentials | None:
        """Return what an earlier registration with this cloud left; None if missing, unreadable or of another cloud."""
        try:
            stored = json.loads(self._credential_path.read_bytes())
            if stored["url"] != self._url:
                return None
            return Credentials(str(stored["node_id"]), str(stored["secret"]), str(stored.get("rules_key", "")))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, KeyError) as error:
            log.warning("%s is unreadable (%s): registering again", self._credential_path, error)
            return None

    def _store_credentials(self, credentials: Credentials) -> None:
        stored = {"url": self._url} | {name: getattr(credentials, name) for name in Credentials.__slots__}
        try:
            write_atomically(self._credential_path, orjson.dumps(stored))
        except OSError as error:
            log.warning("node credentials not stored, the next start registers again: %s", error)


def _only(certificate: str) -> ssl.SSLContext:
    """Return what trusts the first certificate of the PEM file *certificate* and no other, by whatever name it is called."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    # Without this flag only a certificate that signed itself could be an anchor (RFC 5280, section 6.1.1).
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(certificate)
    return context


def _judge(response: httpx.Response, answer: bytes) -> None:
    """Return if the answer is a success, else raise what it means."""
    status = response.status_code
    if 200 <= status < 300:
        return
    problem = f"{status} {answer[:200].decode('ascii', 'backslashreplace')}"
    if status == 401:
        raise UnauthorizedError(problem, reason_of_status(status))
    if status in _REFUSALS:
        raise BatchRefusedError(problem)
    raise CloudError(problem, reason_of_status(status), retry_after_s(response.headers.get("Retry-After", "")))


def _json_object(answer: bytes) -> dict[str, object]:
    try:
        found = orjson.loads(answer)
    except orjson.JSONDecodeError as error:
        raise CloudError(f"the answer is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise CloudError("the answer is not a JSON object")
    return found
