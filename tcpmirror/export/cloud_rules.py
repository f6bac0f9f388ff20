"""Rules as the cloud serves them: taken only with the signature of the key that was pinned when the node registered."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tcpmirror.model.rule_document import RuleDocument, decode_rules, signed_bytes
from tcpmirror.model.settings_document import SettingsDocument, decode_settings, signed_settings_bytes


class UnsoundRulesError(Exception):
    """What was served is not what the cloud signed, or is no rule document; its text says which."""


@dataclass(frozen=True, slots=True)
class ServedSettings:
    """As `ServedRules`, of settings."""

    etag: str
    document: SettingsDocument


@dataclass(frozen=True, slots=True)
class ServedRules:
    """``etag`` names this state of the rules; the next call sends it and gets an answer only where it is another one."""

    etag: str
    document: RuleDocument


def verified_rules(payload: bytes, signature: str, etag: str, pinned_key: str) -> ServedRules:
    """Return the rules in *payload*; *signature* and *pinned_key* are Base64. UnsoundRulesError: they cannot be trusted."""
    try:
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(pinned_key, validate=True))
        key.verify(base64.b64decode(signature, validate=True), signed_bytes(payload))
        return ServedRules(etag, decode_rules(payload))
    except InvalidSignature as error:
        raise UnsoundRulesError("the signature is not that of the cloud this node registered with") from error
    except (binascii.Error, ValueError, RecursionError) as error:
        raise UnsoundRulesError(f"no signed rules: {error}") from error


def verified_settings(payload: bytes, signature: str, etag: str, pinned_key: str, node_id: str) -> ServedSettings:
    """Return the settings in *payload*, signed by *pinned_key* (Base64) for *node_id*; UnsoundRulesError if they are not."""
    try:
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(pinned_key, validate=True))
        key.verify(base64.b64decode(signature, validate=True), signed_settings_bytes(payload))
        document = decode_settings(payload)
    except InvalidSignature as error:
        raise UnsoundRulesError("the signature is not that of the cloud this node registered with") from error
    except (binascii.Error, ValueError, RecursionError) as error:
        raise UnsoundRulesError(f"no signed settings: {error}") from error
    if document.node != node_id:
        raise UnsoundRulesError("the settings are signed for another node")
    return ServedSettings(etag, document)
