"""The TLS that a cloud speaks when it was given a certificate."""

from __future__ import annotations

import ssl

from tcpmirror.errors import EnvironmentFault


def server_context(certificate: str, key: str, name: str) -> ssl.SSLContext:
    """Return what serves with the PEM file *certificate* (chain included) and its *key* ("" if that is in the same file).

    TLS 1.2 and 1.3 with the cipher suites of RFC 9325 (OpenSSL's own selection). EnvironmentFault names *name*, the setting.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE+AESGCM:ECDHE+CHACHA20")
    context.set_alpn_protocols(["http/1.1"])
    accepted = "accepted: a PEM file with the certificate and its chain, and one with its unencrypted private key"
    try:
        # An encrypted key would make OpenSSL ask on the terminal, which a service does not have.
        context.load_cert_chain(certificate, key or None, password=_refused)
    except OSError as error:  # ssl.SSLError is one of these
        said = error.strerror or str(error)
        raise EnvironmentFault(f"{name}: {certificate}, {key or certificate}: {said}; {accepted}") from error
    return context


def _refused() -> str:
    raise ssl.SSLError(1, "the private key is encrypted")
