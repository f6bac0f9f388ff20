"""Which values and names are sensitive, and which only look it."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcpmirror.discovery.sensitive import class_of, class_of_name, class_of_value
from tcpmirror.model.sensitive_class import GROUPS

VALUES = {
    "a card": ("4111 1111 1111 1111", "card"),
    "a card of another scheme": ("378282246310005", "card"),
    "digits that fail the check": ("4111111111111112", ""),
    "a long number": ("4227328629024641033", ""),
    "an IBAN": ("DE89370400440532013000", "iban"),
    "an IBAN with a wrong check": ("DE88370400440532013000", ""),
    "an address": ("ann.o+x@mail.example.com", "email"),
    "an address in a sentence": ("write to ann@example.com please", ""),
    "a telephone": ("+49 (30) 1234-5678", "phone"),
    "a token": ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abcdefgh", "jwt"),
    "a token in a header": ("Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abcdefgh", "jwt"),
    "a cloud's key": ("AKIAIOSFODNN7EXAMPLE", "api_key"),
    "a private key": ("-----BEGIN RSA PRIVATE KEY-----\nMII", "private_key"),
    "a social security number": ("123-45-6789", "national_id"),
    "a number with such hyphens": ("000-45-6789", ""),
    "a moment": ("2024-01-02T03:04:05Z", ""),
    "an id": ("5fb0c1de-8b7c-4d5e-8f3a-2b1c9f0c5a1b", ""),
}


@pytest.mark.parametrize("case", VALUES.values(), ids=VALUES)
def test_a_value_by_itself(case: tuple[str, str]) -> None:
    value, expected = case
    assert class_of_value(value) == expected


NAMED = {
    "a password": ("userPassword", "hunter2", "password"),
    "a flag about a password": ("password", "true", ""),
    "no password": ("password", "None", ""),
    "a birthday": ("date_of_birth", "1980-02-03", "birth_date"),
    "a family name": ("lastName", "Smith", "name"),
    "a name with digits": ("link_fullname", "t3_bn6yqh", ""),
    "a card's code": ("cvv", "123", "card_security"),
    "a code of another kind": ("country_code", "123", ""),
    "a place": ("/geo/lat", "52.5200", "location"),
    "a row of a grid": ("lat", "3", ""),
    "a diagnosis": ("/patient/diagnosis", "J45.0", "diagnosis"),
    "a session": ("JSESSIONID", "0123456789ABCDEF", "session"),
    "a page token": ("next_page", "0123456789", ""),
    "an account": ("account_number", "000123456789", "account"),
}


@pytest.mark.parametrize("case", NAMED.values(), ids=NAMED)
def test_a_value_under_its_name(case: tuple[str, str, str]) -> None:
    name, value, expected = case
    assert class_of(name, value) == expected


@pytest.mark.parametrize("name", ["user_email", "userEmail", "user-email", "/user/email", "EMAIL"])
def test_a_name_is_one_in_any_spelling(name: str) -> None:
    assert class_of_name(name) == "email"


@given(st.text(max_size=60), st.text(max_size=60))
def test_every_class_belongs_to_a_group(name: str, value: str) -> None:
    assert class_of(name, value) in {"", *GROUPS}


def test_random_numbers_are_hardly_ever_cards() -> None:
    """One in ten passes the check digit, one in seven begins like a card: an endpoint asks for more than that of its values."""
    chance = random.Random(1)
    hits = sum(class_of_value(str(chance.randrange(10**15, 10**16))) == "card" for _ in range(5000))
    assert hits < 0.05 * 5000
