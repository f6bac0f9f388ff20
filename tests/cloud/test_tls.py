from __future__ import annotations

import datetime
import ipaddress
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tcpmirror.cloud.server import serve
from tcpmirror.cloud.tls import server_context
from tcpmirror.errors import EnvironmentFault
from tcpmirror.export.client import CloudClient, CloudError, Identity
from tests.cloud.running import DEPLOY, PASSWORD, READ, RunningCloud


@dataclass(frozen=True)
class Pair:
    certificate: Path
    key: Path


def make_pair(directory: Path, name: str, password: bytes | None = None) -> Pair:
    """Write a certificate for 127.0.0.1 that signed itself, and its key, encrypted if there is a *password*."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pair = Pair(directory / f"{name}.pem", directory / f"{name}.key")
    pair.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    hidden = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    pair.key.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, hidden))
    return pair


@dataclass
class TlsCloud(RunningCloud):
    """The same over TLS, with a certificate of its own."""

    scheme: str = "https"

    def serving(self) -> Callable[..., bool]:
        self.pair = make_pair(self.directory, "cloud")
        context = server_context(str(self.pair.certificate), str(self.pair.key), "--tls-certificate")
        return lambda app, listener, turn: serve(app, listener, turn, context)


def client_of(cloud: TlsCloud, directory: Path, pinned: Path) -> CloudClient:
    return CloudClient(
        url=cloud.url, token=DEPLOY, identity=Identity("n", "g", "1", "m", "h"), credential_path=directory / "node.json",
        direct=True, pinned_certificate=str(pinned),
    )  # fmt: skip


def test_calls_go_over_tls_and_browsers_are_told_to_keep_to_it(tmp_path: Path) -> None:
    with TlsCloud(tmp_path) as cloud:
        cloud.with_account()
        trusting = ssl.create_default_context(cafile=cloud.pair.certificate)
        with httpx.Client(base_url=cloud.url, verify=trusting, headers={"Authorization": f"Bearer {READ}"}) as client:
            answer = client.get("/api/v1/attacks")
            assert answer.status_code == 200
            assert answer.headers["strict-transport-security"] == "max-age=31536000"
            signed_in = client.post("/api/v1/session", json={"user": "admin", "password": PASSWORD})
            assert "Secure" in signed_in.headers["set-cookie"]
        with pytest.raises(httpx.TransportError):
            httpx.get(cloud.url.replace("https", "http") + "/api/v1/attacks")


def test_plain_cloud_says_nothing_of_tls(cloud: RunningCloud) -> None:
    with cloud.client(READ) as client:
        assert "strict-transport-security" not in client.get("/api/v1/attacks").headers


def test_old_versions_of_tls_are_refused(tmp_path: Path) -> None:
    with TlsCloud(tmp_path) as cloud:
        old = ssl.create_default_context(cafile=cloud.pair.certificate)
        old.maximum_version = ssl.TLSVersion.TLSv1_1
        old.set_ciphers("ALL:@SECLEVEL=0")
        with pytest.raises(httpx.ConnectError):
            httpx.get(cloud.url + "/api/v1/attacks", verify=old)


def test_sensor_takes_the_pinned_certificate_under_any_name_and_no_other(tmp_path: Path) -> None:
    with TlsCloud(tmp_path) as cloud:
        cloud.url = cloud.url.replace("127.0.0.1", "localhost")
        client_of(cloud, tmp_path, cloud.pair.certificate).heartbeat({"packets": 1})
        other = make_pair(tmp_path, "other")
        with pytest.raises(CloudError, match="CERTIFICATE_VERIFY_FAILED"):
            client_of(cloud, tmp_path / "elsewhere", other.certificate).heartbeat({"packets": 1})


UNUSABLE: dict[str, Callable[[Path], Pair]] = {
    "no file": lambda path: Pair(path / "none.pem", path / "none.key"),
    "no certificate": lambda path: Pair(_text(path / "a.pem"), _text(path / "a.key")),
    "key of another": lambda path: Pair(make_pair(path, "one").certificate, make_pair(path, "two").key),
    "encrypted key": lambda path: make_pair(path, "one", b"secret"),
}


def _text(path: Path) -> Path:
    path.write_text("nothing of the kind")
    return path


@pytest.mark.parametrize("make", UNUSABLE.values(), ids=UNUSABLE.keys())
def test_unusable_certificate_is_named_with_its_setting(tmp_path: Path, make: Callable[[Path], Pair]) -> None:
    pair = make(tmp_path)
    with pytest.raises(EnvironmentFault, match=r"cloud\.tls_certificate: .*\.pem.*accepted: a PEM file"):
        server_context(str(pair.certificate), str(pair.key), "cloud.tls_certificate")


def test_key_in_the_same_file_is_found(tmp_path: Path) -> None:
    pair = make_pair(tmp_path, "one")
    both = tmp_path / "both.pem"
    both.write_bytes(pair.certificate.read_bytes() + pair.key.read_bytes())
    assert server_context(str(both), "", "key").minimum_version == ssl.TLSVersion.TLSv1_2


def test_client_that_speaks_no_tls_holds_nobody_up(tmp_path: Path) -> None:
    with TlsCloud(tmp_path) as cloud:
        trusting = ssl.create_default_context(cafile=cloud.pair.certificate)
        host, port = cloud.url.removeprefix("https://").split(":")
        with socket.create_connection((host, int(port))):
            assert httpx.get(cloud.url + "/api/openapi.json", verify=trusting).status_code == 200
