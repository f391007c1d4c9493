"""The normal form of phone numbers, E.164: `+4917612345678`. BunBase stores and finds users under this form."""

from __future__ import annotations

import re
from typing import Final

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumber, PhoneNumberFormat, PhoneNumberType

from bunbase.pkg.errors import InvalidInput

MAX_TEXT: Final = 40
EXAMPLE: Final = "Send a mobile number with + and the code of the country, such as +49 170 1234567."
WRITTEN: Final = re.compile(r"\+[0-9 ()./\-\u00a0]{6,}")
# Numbers of the other types cannot get text messages, or are expensive and used for fraud with text messages.
REACHABLE: Final = (PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE)
NO_COUNTRY: Final = "001"  # This means satellite and other networks without a country, which are expensive.


def phone_or_none(text: str) -> str | None:
    """Return the normal form of a phone number, or None for a text that is not a phone number with its country.

    A sign-in uses this function, because the number of a user must be found even if the numbering plan of a country
    changes.
    """
    number = _parsed(text)
    return None if number is None else _normal(number)


def normal_phone(text: str) -> str:
    """Return the normal form of a phone number. Raises: InvalidInput."""
    number = phone_or_none(text)
    if number is None:
        raise InvalidInput.at("/phone", EXAMPLE)
    return number


def reachable_phone(text: str) -> tuple[str, str]:
    """Return the normal form of a mobile number, and its country (ISO 3166), such as DE.

    Raises: InvalidInput for a number that does not exist, and for a number that cannot get text messages.
    """
    number = _parsed(text)
    country = None if number is None else phonenumbers.region_code_for_number(number)
    if number is None or not country or country == NO_COUNTRY or phonenumbers.number_type(number) not in REACHABLE:
        raise InvalidInput.at("/phone", EXAMPLE)
    return _normal(number), country


def is_country(code: str) -> bool:
    """True for a country that has phone numbers, such as DE."""
    return code in phonenumbers.SUPPORTED_REGIONS


def masked_phone(number: str) -> str:
    """Return a number for logs and notices, in which only the beginning and the end can be read."""
    return f"{number[:5]}…{number[-2:]}"


def _parsed(text: str) -> PhoneNumber | None:
    if len(text) > MAX_TEXT or not WRITTEN.fullmatch(text.strip()):
        return None
    try:
        number = phonenumbers.parse(text, None)
    except NumberParseException:
        return None
    return number if phonenumbers.is_possible_number(number) else None


def _normal(number: PhoneNumber) -> str:
    return str(phonenumbers.format_number(number, PhoneNumberFormat.E164))
