"""Read one line of an import: a user with checked fields, or the Problem that refuses the line."""

from __future__ import annotations

import math
import re
from datetime import datetime
from typing import Any, Final

import msgspec
from msgspec import UNSET, UnsetType

from bunbase.contracts.tenant_auth.transfers import FirebaseParts, Pbkdf2Parts, ScryptParts, UserLine
from bunbase.contracts.tenant_auth.users import USER_ID
from bunbase.pkg.addresses import MAX_LENGTH, normal_email
from bunbase.pkg.control_characters import holds_control
from bunbase.pkg.errors import InvalidInput, Problem
from bunbase.pkg.json_bodies import fault_in, unreadable
from bunbase.pkg.ndjson import ImportLine
from bunbase.pkg.password_hashes.base64_forms import decoded, hash_of, salt_of
from bunbase.pkg.password_hashes.limits import UnusableHash
from bunbase.pkg.password_hashes.pbkdf2_hash import Pbkdf2Hash
from bunbase.pkg.password_hashes.reading import read_hash
from bunbase.pkg.password_hashes.scrypt_hash import FirebaseHash, ScryptCost, ScryptHash
from bunbase.tenant_auth.profiles import check_claims, check_data, check_language, check_name, check_role

ID: Final = re.compile(USER_ID)
PHONE: Final = re.compile(r"\+[1-9][0-9]{6,14}")  # A phone number has the form of E.164.
PROVIDER: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")  # The settings of a project have the same rule.
# These names are parts of URLs, so a user with such an id could not be reached.
NAMES_OF_PATHS: Final = frozenset({"bulk", "count", "export", "import", "me"})
FIRST_YEAR: Final = 1970
# This is the last allowed year. PostgreSQL and Python support later years, except in some time zones.
LAST_YEAR: Final = 9000
MAX_SUBJECT: Final = 255  # The subject of an ID token has the same limit.
DIGESTS: Final = ("sha1", "sha256", "sha512")

read_json: Final = msgspec.json.Decoder(UserLine).decode


class ReadUser(msgspec.Struct, frozen=True):
    """The result for a line. `user`: its fields in their stored form, or the Problem that refuses the line."""

    number: int
    user: UserLine | Problem


def read_user(line: ImportLine, now: datetime) -> ReadUser:
    """Read and check a line. The cost depends only on the length of the line, so a whole batch may be read at once."""
    try:
        return ReadUser(line.number, _checked(_decoded(line.text), now))
    except Problem as problem:
        return ReadUser(line.number, problem)


def _decoded(text: bytes) -> UserLine:
    try:
        return read_json(text)
    except msgspec.ValidationError as error:
        raise InvalidInput.at(*fault_in(error, UserLine)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise unreadable(error, "The line") from None


def _checked(line: UserLine, now: datetime) -> UserLine:
    """Return the fields in their stored form. Raises: InvalidInput."""
    if line.id is not UNSET and (not ID.fullmatch(line.id) or line.id in NAMES_OF_PATHS):
        raise InvalidInput.at(
            "/id", "An id has 1 to 128 letters, digits and _ . : | - and begins with a letter, a digit or _."
        )
    if not (line.id or line.email or line.phone or line.identities):
        raise InvalidInput.at(
            "",
            "A line needs an id, email, phone or identity: without one, each import would add the user again.",
        )
    _check_texts(line)
    if line.role is not UNSET:
        check_role(line.role)
    if line.claims is not UNSET:
        check_claims(line.claims)
    if line.data is not UNSET:
        check_data(line.data)
    _check_times(line, now)
    email = normal_email(line.email) if line.email else _nothing(line.email)
    phone, hash = line.phone or _nothing(line.phone), _stored_hash(line.password_hash)
    # This removes duplicates.
    identities = tuple({(one.provider, one.subject): one for one in line.identities}.values())
    return msgspec.structs.replace(line, email=email, phone=phone, password_hash=hash, identities=identities)


def _nothing(given: str | UnsetType | None) -> UnsetType | None:
    """Return None for an empty text, because some systems write an empty text for a missing value."""
    return UNSET if given is UNSET else None


def _check_texts(line: UserLine) -> None:
    if line.phone and not PHONE.fullmatch(line.phone):
        raise InvalidInput.at("/phone", "Send a phone number in its international form, such as +15551234567.")
    if line.name:
        check_name(line.name)
    if line.language:
        check_language(line.language)
    for at, one in enumerate(line.identities):
        if not PROVIDER.fullmatch(one.provider):
            raise InvalidInput.at(
                f"/identities/{at}/provider", "A provider has at most 32 lower-case letters, digits and hyphens."
            )
        if not 0 < len(one.subject) <= MAX_SUBJECT or holds_control(one.subject):
            raise InvalidInput.at(f"/identities/{at}/subject", f"A subject has 1 to {MAX_SUBJECT} characters.")
        if one.email and (len(one.email) > MAX_LENGTH or holds_control(one.email)):
            raise InvalidInput.at(f"/identities/{at}/email", f"An address has at most {MAX_LENGTH} characters.")


def _check_times(line: UserLine, now: datetime) -> None:
    for name in ("created_at", "last_sign_in_at", "password_changed_at"):
        moment: datetime | UnsetType | None = getattr(line, name)
        if moment and (moment.year < FIRST_YEAR or moment.year > now.year + 1 or moment > now):
            raise InvalidInput.at(f"/{name}", f"A time is in the past, and not before {FIRST_YEAR}.")
    if line.banned_until and not FIRST_YEAR <= line.banned_until.year <= LAST_YEAR:
        raise InvalidInput.at("/banned_until", f"The end of a ban is in the years {FIRST_YEAR} to {LAST_YEAR}.")


def _stored_hash(given: Any) -> str | UnsetType | None:
    """Return the stored form of a hash. Raises: InvalidInput."""
    if not given:
        return _nothing(given)
    try:
        return read_hash(given if isinstance(given, str) else _text_of(given)).text
    except UnusableHash as refused:
        raise InvalidInput.at("/password_hash", str(refused)) from None


def _text_of(parts: ScryptParts | FirebaseParts | Pbkdf2Parts) -> str:
    """Return the text of a hash that was sent in parts. Raises: UnusableHash."""
    salt, hash = salt_of(parts.salt), hash_of(parts.hash)
    match parts:
        case ScryptParts(n=n, r=r, p=p):
            log_n = int(math.log2(n)) if n > 0 else 0
            if n != 1 << log_n:
                raise UnusableHash("N of scrypt is a power of two.")
            return ScryptHash(ScryptCost(log_n, r, p), salt, hash).text
        case FirebaseParts(rounds=rounds, mem_cost=mem_cost):
            separator, key = decoded("salt separator", parts.salt_separator), decoded("signer key", parts.signer_key)
            return FirebaseHash(ScryptCost(mem_cost, rounds, 1), salt, separator, key, hash).text
        case Pbkdf2Parts(digest=digest, iterations=iterations):
            if digest not in DIGESTS:
                raise UnusableHash(f"The digest of PBKDF2 is one of {', '.join(DIGESTS)}.")
            return Pbkdf2Hash(digest, iterations, salt, hash).text
