"""Sensitive data: which class a value or the name of a parameter belongs to.

A value is judged by its form and, where the form has one, by its check digits (ISO/IEC 7812 for cards, ISO 13616 for
IBANs and national schemes, by python-stdnum); weak forms count only under a name that says the same. Classes are grouped
as `GROUPS` says.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Final

from stdnum import iban, imei, luhn
from stdnum.us import ssn

# Whole words of a name: `userEmail`, `user_email` and `user-email` hold "email".
_NAMES: Final = {
    "password": r"pass(word|wd|phrase)?|pwd|secret",
    "api_key": r"api key|access key|client secret|secret key",
    "token": r"(access|refresh|auth|id|bearer|csrf|xsrf|reset) token|token",
    "session": r"session( id)?|sess(id)?|sid|jsessionid|phpsessid",
    "card": r"(card|credit card|cc) (number|no|num)|pan|cardnumber|creditcard",
    "card_security": r"cvv2?|cvc2?|card verification( value)?|security code",
    "iban": r"iban",
    "account": r"(bank )?account (number|no)|routing number|sort code|bic|swift",
    "salary": r"salary|wage|income",
    "national_id": r"ssn|social security( number)?|passport( number| no)?|national id|tax id|nino|personnummer|cpf|pesel",
    "birth_date": r"birth ?date|date of birth|dob|birthday",
    "phone": r"(phone|mobile|cell|tel|telephone|msisdn)( number| no)?",
    "email": r"e ?mail( address)?",
    "address": r"(street|postal|home|billing|shipping)( address)?|zip( code)?|postcode|postal code|address line ?\d?",
    "name": r"(first|last|given|family|full|middle|sur) ?name|surname|maiden name",
    "location": r"(lat|latitude|lng|lon|longitude|geo ?location)",
    "device_id": r"imei|imsi|device id|mac address|idfa",
    "diagnosis": r"diagnos(is|es)|icd ?(9|10|11)?( code)?|medication|prescription|allerg(y|ies)|blood type|symptoms?",
    "health_id": r"patient( id| number)?|mrn|medical record( number)?|nhs( number)?|health insurance( number)?|npi",
}
_NAME: Final = {kind: re.compile(rf"(?:^|.* )(?:{pattern})$") for kind, pattern in _NAMES.items()}
_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")

_EMAIL: Final = re.compile(r"[A-Za-z0-9._%+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.)+[A-Za-z]{2,24}")
_JWT: Final = re.compile(r"eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*")
_KEYS: Final = re.compile(
    r"(?:AKIA|ASIA)[A-Z0-9]{16}|gh[pousr]_[A-Za-z0-9]{36,}|glpat-[\w-]{20,}|xox[abprs]-[\w-]{10,}|sk_live_\w{16,}|rk_live_\w{16,}"
    r"|AIza[\w-]{35}|SG\.[\w-]{22}\.[\w-]{43}|npm_[A-Za-z0-9]{36}"
)
_PRIVATE: Final = re.compile(r"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----")
_CARD: Final = re.compile(r"(?:[2-6]\d{3}[ -]?(?:\d{4}[ -]?){2}\d{1,7}|3[47]\d{2}[ -]?\d{6}[ -]?\d{5})")
_PHONE: Final = re.compile(r"\+\d{1,3}[ -]?(?:\(\d{1,4}\)[ -]?)?\d[\d -]{5,12}\d")
_SSN: Final = re.compile(r"\d{3}-\d{2}-\d{4}")
_HARDWARE: Final = re.compile(r"([0-9a-fA-F]{2}[:-]){5}[0-9a-fA-F]{2}")
# First digits of cards in use, with the lengths they have.
_SCHEMES: Final = {
    "4": (16,),
    **dict.fromkeys(("51", "52", "53", "54", "55", "22", "23", "24", "25", "26", "27", "6011", "65", "35"), (16,)),
    "34": (15,),
    "37": (15,),
    "36": (14,),
    "62": (16,),
}


def class_of_value(value: str) -> str:
    """Return the class of *value* by itself, empty for none. A whole value is judged, or a key or token inside a text."""
    size = len(value)
    if not 6 <= size <= 4096:
        return ""
    if "eyJ" in value and _JWT.search(value):
        return "jwt"
    if size <= 34 and (value[0].isdigit() or value[0] == "+"):
        return _class_of_digits(value)
    if 15 <= size <= 42 and value[:2].isalpha() and value[2:4].isdigit() and iban.is_valid(value):
        return "iban"
    if "@" in value and size <= 254 and _EMAIL.fullmatch(value):
        return "email"
    if _KEYS.search(value):
        return "api_key"
    return "private_key" if "PRIVATE KEY" in value and _PRIVATE.search(value) else ""


def _class_of_digits(value: str) -> str:
    if _CARD.fullmatch(value) and _is_card(value):
        return "card"
    if _PHONE.fullmatch(value):
        return "phone"
    return "national_id" if _SSN.fullmatch(value) and ssn.is_valid(value) else ""


def _is_card(value: str) -> bool:
    digits = re.sub(r"\D", "", value)
    lengths = next((_SCHEMES[digits[:size]] for size in (4, 2, 1) if digits[:size] in _SCHEMES), ())
    return len(digits) in lengths and len(set(digits)) > 1 and luhn.is_valid(digits)


@lru_cache(maxsize=4096)
def class_of_name(name: str) -> str:
    """Return the class that *name* (of a parameter, the last part of a pointer) speaks of, empty for none."""
    words = " ".join(word.lower() for word in _WORD.findall(name.rpartition("/")[2][:64]))
    return next((kind for kind, pattern in _NAME.items() if pattern.fullmatch(words)), "") if words else ""


# What values under a name have to look like before the name counts: a flag `password: true` or a page `token: 3` is not
# sensitive.
_FITS: Final[dict[str, Callable[[str], bool]]] = {
    "card": lambda value: _is_card(value) if re.fullmatch(r"[\d -]{12,24}", value) else False,
    "card_security": lambda value: re.fullmatch(r"\d{3,4}", value) is not None,
    "iban": lambda value: bool(iban.is_valid(value)),
    "device_id": lambda value: bool(imei.is_valid(value) or _HARDWARE.fullmatch(value)),
    "phone": lambda value: len(re.sub(r"\D", "", value)) >= 7,
    "name": lambda value: not any(character.isdigit() for character in value),
    "location": lambda value: re.fullmatch(r"-?\d{1,3}\.\d{3,}", value) is not None,
    "birth_date": lambda value: re.search(r"\d{4}|\d\d[./-]\d\d", value) is not None,
    "salary": lambda value: re.search(r"\d{3}", value) is not None,
    "email": lambda value: _EMAIL.fullmatch(value) is not None,
    "token": lambda value: len(value) >= 8 and not value.isalpha(),
    "session": lambda value: len(value) >= 8,
    "api_key": lambda value: len(value) >= 8,
    "password": lambda value: len(value) >= 3,
}  # fmt: skip


_NOTHING: Final = frozenset({"", "-", "none", "null", "nil", "undefined", "nan", "true", "false"})


def class_of(name: str, value: str) -> str:
    """Return the class of *value* under *name*, empty for none."""
    found = class_of_value(value)
    if found or value.lower() in _NOTHING:
        return found
    named = class_of_name(name)
    if not named:
        return ""
    fits = _FITS.get(named)
    return named if (len(value) >= 2 if fits is None else fits(value)) else ""


# Whole values of these forms inside a text; what stands before and behind is no part of a longer one.
_WITHIN: Final = re.compile(
    r"(?P<private_key>-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----[\s\S]{0,8192}?(?:-----END (?:[A-Z]+ )?PRIVATE KEY-----|\Z))"
    r"|(?P<jwt>eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*)"
    rf"|(?P<api_key>(?<![A-Za-z0-9])(?:{_KEYS.pattern}))"
    r"|(?P<email>(?<![A-Za-z0-9._%+-])[A-Za-z0-9._%+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}(?![A-Za-z0-9]))"
    r"|(?P<card>(?<![\d.-])[2-6](?:[ -]?\d){12,18}(?![\d-]))"
    r"|(?P<national_id>(?<![\d-])\d{3}-\d{2}-\d{4}(?![\d-]))"
    r"|(?P<iban>(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?![A-Za-z0-9]))"
    r"|(?P<phone>(?<![\w+])\+\d{1,3}[ -]?(?:\(\d{1,4}\)[ -]?)?\d[\d -]{5,12}\d(?!\w))"
    r"|(?P<named>(?<![A-Za-z0-9])(?:[\w-]{0,24}[_-])?(?:pass(?:word|wd|phrase)?|pwd|secret|api[_-]?key|(?:[a-z]{2,8}[_-]?)?token"
    r"|session[_-]?id|cvv2?|pin)[\"']?\s{0,4}[=:]\s{0,4}[\"']?(?P<said>[^\s\"'&<>,;(){}]{3,256}))",
    re.IGNORECASE,
)
_NAMED: Final = re.compile(r"(?P<name>[\w-]+)[\"']?\s*[=:]")
_HINT: Final = re.compile(r"[@+]|\d{3}|eyJ|[=:]|PRIVATE KEY|AKIA|ASIA|gh[pousr]_|glpat-|xox|_live_|AIza|SG\.|npm_")
_CHECKED: Final[dict[str, Callable[[str], bool]]] = {
    "card": _is_card,
    "national_id": lambda value: bool(ssn.is_valid(value)),
    "iban": lambda value: bool(iban.is_valid(value)),
}


def classes_within(text: str) -> Iterator[tuple[int, int, str]]:
    """Yield (start, end, class) of the sensitive values inside *text*, also those that a name before them tells."""
    if _HINT.search(text) is None:
        return
    for match in _WITHIN.finditer(text):
        kind = match.lastgroup or ""
        if kind in ("named", "said"):
            named = _NAMED.match(match.group("named"))
            found = class_of_name(named.group("name")) if named else ""
            yield *match.span("said"), found or "password"
        elif (checked := _CHECKED.get(kind)) is None or checked(match.group()):
            yield *match.span(), kind
