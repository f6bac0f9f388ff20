"""The digest, as a real SMTP server takes it."""

from __future__ import annotations

import email
import email.policy
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from email.message import EmailMessage

import pytest
import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword, Session

from tcpmirror.export.delivery import DeliveryError, RefusedError
from tcpmirror.export.sinks.email import SHOWN, digest
from tcpmirror.export.sinks.hit import Hit
from tcpmirror.export.sinks.opening import open_sink
from tcpmirror.settings import tree
from tests.export.reports import numbered_report

TO = "soc@mail.example, duty@mail.example"
FROM = (("From", "sensor@mail.example"),)


@dataclass
class Mailbox:
    """Keeps what comes; answers DATA with *answer*."""

    answer: str = "250 OK"
    kept: list[EmailMessage] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    users: list[bytes] = field(default_factory=list)

    async def handle_DATA(self, server: object, session: Session, envelope: Envelope) -> str:
        assert isinstance(envelope.content, bytes)
        self.kept.append(email.message_from_bytes(envelope.content, policy=email.policy.default))  # type: ignore[arg-type]
        self.recipients = envelope.rcpt_tos
        return self.answer

    def authenticate(
        self, server: object, session: Session, envelope: Envelope, mechanism: str, given: LoginPassword
    ) -> AuthResult:
        self.users.append(given.login)
        return AuthResult(success=given.password == b"pass:word", handled=False)


class AnyPort(Controller):
    """A controller on whichever port was free."""

    def _trigger_server(self) -> None:
        assert self.server is not None
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


Serve = Callable[..., tuple[Mailbox, str, str]]


@pytest.fixture
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """Return what starts a mail server; it gives its mailbox, its address and the file of its authority."""
    running: list[Controller] = []
    authority = trustme.CA()
    ca_file = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))

    def started(tls: bool = False, **changes: object) -> tuple[Mailbox, str, str]:
        box = Mailbox(**changes)  # type: ignore[arg-type]
        context = None
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            authority.issue_cert("localhost").configure_cert(context)
        options = {"tls_context": context, "authenticator": box.authenticate, "auth_require_tls": True} if tls else {}
        controller = AnyPort(box, hostname="127.0.0.1", port=0, **options)
        controller.start()
        running.append(controller)
        return box, f"smtp://{'localhost' if tls else '127.0.0.1'}:{controller.port}", str(ca_file)

    yield started
    for controller in running:
        controller.stop(no_assert=True)


def settings(url: str, **changes: object) -> tree.Sink:
    made = tree.Sink(name="mail", type="email", url=url, target=TO, headers=FROM, timeout_s=5.0)
    return replace(made, **changes)  # type: ignore[arg-type]


def test_a_digest_tells_how_many_of_what_and_no_payload(serve: Serve, hits: list[Hit]) -> None:
    box, url, _ = serve()
    open_sink(settings(url), "0.1").send("b1", hits)
    (message,) = box.kept
    assert box.recipients == ["soc@mail.example", "duty@mail.example"]
    assert message["From"] == "sensor@mail.example"
    assert message["Subject"] == "tcpmirror: 3 hits on 1 host"
    assert message["Message-ID"] == "<b1@tcpmirror.invalid>"
    text = message.get_content()
    for line in ("       2  SQL injection", "       3  shop.example", "       3  10.0.0.1", "POST shop.example/login"):
        assert line in text
    assert "'1'='1" not in text


def test_what_traffic_sent_is_no_command_for_a_reader(hits: list[Hit]) -> None:
    worst = Hit(replace(hits[0].report, host="a\r\nBcc: x@y\x1b[2J\u202e", uri="/" + 4000 * "x", real_ip="\n.\n"), 0)
    message = digest("b", [worst] * 500, "a@b", ["c@d"])
    text = message.get_content()
    assert "Bcc" not in message
    assert max(map(len, text.splitlines())) <= 300
    assert all(mark.isprintable() or mark == "\n" for mark in text)
    assert text.count("0.90") == SHOWN


def test_a_password_goes_in_tls_by_a_server_that_is_verified(serve: Serve, hits: list[Hit]) -> None:
    box, url, ca_file = serve(tls=True)
    open_sink(settings(url, ca_file=ca_file, token="user:pass:word"), "0.1").send("b1", hits)
    assert (len(box.kept), box.users) == (1, [b"user"])
    with pytest.raises(DeliveryError) as caught:
        open_sink(settings(url, token="user:pass:word"), "0.1").send("b1", hits)
    assert caught.value.reason == "tls"
    with pytest.raises(DeliveryError) as caught:
        open_sink(settings(url, ca_file=ca_file, token="user:wrong"), "0.1").send("b1", hits)
    assert caught.value.reason == "unauthorized"


def test_a_password_is_not_told_in_the_clear(serve: Serve, hits: list[Hit]) -> None:
    box, url, _ = serve()
    with pytest.raises(DeliveryError, match="offers no TLS"):
        open_sink(settings(url, token="user:pass:word"), "0.1").send("b1", hits)
    assert (box.kept, box.users) == ([], [])


ANSWERS = {"for good": ("552 too large", RefusedError), "for now": ("452 mailbox full", DeliveryError)}


@pytest.mark.parametrize(("answer", "error"), ANSWERS.values(), ids=ANSWERS.keys())
def test_a_refusal_is_for_good_or_for_now(serve: Serve, hits: list[Hit], answer: str, error: type[Exception]) -> None:
    _, url, _ = serve(answer=answer)
    with pytest.raises(error, match=answer[:3]):
        open_sink(settings(url), "0.1").send("b1", hits)


def test_a_server_that_is_away_is_told(hits: list[Hit], free_port: int) -> None:
    with pytest.raises(DeliveryError) as caught:
        open_sink(settings(f"smtp://127.0.0.1:{free_port}"), "0.1").send("b1", hits)
    assert caught.value.reason == "connect"


def test_many_hits_are_a_number_behind_the_first(hits: list[Hit]) -> None:
    many = [Hit(replace(numbered_report(number), host=f"h{number}.example"), 0) for number in range(50)]
    text = digest("b", many, "a@b", ["c@d"]).get_content()
    assert "The first of them:" in text
    assert "  and 45 more" in text
