"""Hits as a digest by e-mail (RFC 5321, RFC 5322): how many of what, where and from whom, and the first few of them."""

from __future__ import annotations

import logging
import smtplib
import socket
import ssl
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate
from typing import Final
from urllib.parse import urlsplit

from tcpmirror.export.delivery import DeliveryError, RefusedError, reason_of
from tcpmirror.export.sinks.hit import Hit

SHOWN: Final = 20  # hits told one by one
RANKED: Final = 5  # hosts and sources
LINE_CHARACTERS: Final = 300
PORTS: Final = {"smtp": 25, "smtps": 465}
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Email:
    """Sends to *recipients* by the server at *url* (`smtp://` with STARTTLS where it is offered, `smtps://`).

    *token* is `USER:PASSWORD`, which crosses the network in TLS only, or empty.
    """

    url: str
    sender: str
    recipients: tuple[str, ...]
    token: str
    timeout_s: float
    tls: ssl.SSLContext

    def send(self, batch_id: str, hits: Sequence[Hit]) -> None:
        message = digest(batch_id, hits, self.sender, self.recipients)
        try:
            with self._connected() as server:
                refused = server.send_message(message, self.sender, self.recipients)
        except smtplib.SMTPDataError as error:
            problem = f"{self.url}: {error.smtp_code} {_printable(error.smtp_error)}"
            raise (RefusedError(problem) if error.smtp_code >= 500 else DeliveryError(problem, "throttled")) from error
        except smtplib.SMTPAuthenticationError as error:
            raise DeliveryError(f"{self.url}: {error.smtp_code} {_printable(error.smtp_error)}", "unauthorized") from error
        except (smtplib.SMTPException, OSError) as error:
            reason = reason_of(error) if not isinstance(error, smtplib.SMTPException) else "answer"
            raise DeliveryError(f"{self.url}: {type(error).__name__}: {error}"[:300], reason) from error
        for recipient, (code, _) in refused.items():
            log.warning("%s takes no mail for %s: %d", self.url, recipient, code)

    def close(self) -> None:
        """Nothing is held open."""

    def _connected(self) -> smtplib.SMTP:
        """Return a connection, in TLS if that can be, and signed in. OSError, SMTPException, DeliveryError."""
        parts = urlsplit(self.url)
        host, port = parts.hostname or "", parts.port or PORTS[parts.scheme]
        if parts.scheme == "smtps":
            server: smtplib.SMTP = smtplib.SMTP_SSL(host, port, timeout=self.timeout_s, context=self.tls)
            is_private = True
        else:
            server = smtplib.SMTP(host, port, timeout=self.timeout_s)
            server.ehlo()
            is_private = server.has_extn("starttls")
            if is_private:
                server.starttls(context=self.tls)
        if self.token:
            if not is_private:
                server.close()
                raise DeliveryError(f"{self.url} offers no TLS, so it is not told a password", "tls")
            user, _, password = self.token.partition(":")
            server.login(user, password)
        return server


def digest(batch_id: str, hits: Sequence[Hit], sender: str, recipients: Sequence[str]) -> EmailMessage:
    """Return the message; the same batch has the same Message-ID, by which a mailbox knows what came twice."""
    hosts = {hit.report.host or "-" for hit in hits}
    message = EmailMessage()
    message["From"], message["To"] = sender, ", ".join(recipients)
    message["Subject"] = f"tcpmirror: {_number(len(hits), 'hit')} on {_number(len(hosts), 'host')}"
    message["Date"] = formatdate()
    message["Message-ID"] = f"<{batch_id}@tcpmirror.invalid>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office notes, please
    message.set_content("\n".join(_lines(hits)), cte="base64")  # no line of the traffic's is one of the protocol's
    return message


def sender_of(headers: dict[str, str]) -> str:
    """Return who a digest is from."""
    return headers.get("From", f"tcpmirror@{socket.gethostname()}")


def _lines(hits: Sequence[Hit]) -> Iterator[str]:
    times = sorted(hit.time for hit in hits)
    yield f"{_number(len(hits), 'hit')} from {times[0]:%Y-%m-%d %H:%M:%S} to {times[-1]:%H:%M:%S} UTC"
    yield from _ranking("Attack types", (hit.type_name for hit in hits), len(hits))
    yield from _ranking("Hosts", (hit.report.host or "-" for hit in hits), RANKED)
    yield from _ranking("Sources", (hit.report.real_ip for hit in hits), RANKED)
    yield from ("", "The first of them:" if len(hits) > SHOWN else "All of them:")
    for hit in hits[:SHOWN]:
        yield _printable(f"  {hit.time:%H:%M:%S}  {hit.finding.confidence:.2f}  {hit.summary}")


def _ranking(title: str, names: Iterable[str], most: int) -> Iterator[str]:
    counted = Counter(names)
    yield from ("", f"{title}:")
    for name, count in counted.most_common(most):
        yield _printable(f"  {count:6,}  {name}")
    if len(counted) > most:
        yield f"  and {len(counted) - most:,} more"


def _number(count: int, what: str) -> str:
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


def _printable(text: str | bytes) -> str:
    """Return *text* without what a terminal or a mail reader could take for a command, cut to a line."""
    text = text.decode("ascii", "backslashreplace") if isinstance(text, bytes) else text
    return "".join(mark if mark.isprintable() else "\N{REPLACEMENT CHARACTER}" for mark in text[:LINE_CHARACTERS])
