"""The fields of a signature, read from the header Authorization or from the query of a presigned URL."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

import msgspec

from bunbase.pkg.s3.errors import S3Error
from bunbase.pkg.s3.uri import Pair

ALGORITHM: Final = "AWS4-HMAC-SHA256"
MAX_EXPIRES_SECONDS: Final = 604_800
TIME: Final = re.compile(r"[0-9]{8}T[0-9]{6}Z")
SIGNATURE: Final = re.compile(r"[0-9a-f]{64}")
HEADER_NAME: Final = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]{1,128}")
REGION: Final = re.compile(r"[A-Za-z0-9-]{1,64}")
ACCESS_KEY: Final = re.compile(r"[\x21-\x7e]{1,128}")
EXPIRES: Final = re.compile(r"[0-9]{1,9}")
MAX_SIGNED_HEADERS: Final = 100

HEADER_ERROR: Final = "AuthorizationHeaderMalformed"
QUERY_ERROR: Final = "AuthorizationQueryParametersError"


class Fields(msgspec.Struct, frozen=True):
    """`time`: a text such as 20261130T220000Z. `content_sha256`: only of a presigned URL, otherwise ""."""

    access_key: str
    scope: str
    region: str
    time: str
    signature: str
    signed_headers: tuple[str, ...]
    expires_seconds: int = 0
    content_sha256: str = ""
    token: bool = False


def is_presigned(pairs: list[Pair]) -> bool:
    """True if the query has a field of a signature."""
    return any(name in (b"X-Amz-Algorithm", b"X-Amz-Signature", b"X-Amz-Credential") for name, _ in pairs)


def fields_of_header(by_name: dict[str, list[bytes]]) -> Fields:
    """Return the fields of the header Authorization. `by_name`: the headers, in lower case.

    Raises: S3Error (AccessDenied if there is no such header, InvalidRequest, AuthorizationHeaderMalformed).
    """
    values = by_name.get("authorization", [])
    if not values or not values[0].strip():
        raise S3Error("AccessDenied", "The request is not signed. Use the access key and the secret of a credential.")
    if len(values) > 1:
        raise S3Error(HEADER_ERROR, "The header Authorization is there twice.")
    algorithm, _, rest = values[0].decode("latin-1").strip().partition(" ")
    _check_algorithm(algorithm, "InvalidRequest")
    fields: dict[str, str] = {}
    for part in rest.split(","):
        name, equals, value = part.strip(" \t").partition("=")
        if not equals or name in fields or name not in ("Credential", "SignedHeaders", "Signature"):
            raise S3Error(HEADER_ERROR, "Authorization must have Credential, SignedHeaders and Signature, each once.")
        fields[name] = value
    if len(fields) != 3:
        raise S3Error(HEADER_ERROR, "Authorization must have Credential, SignedHeaders and Signature.")
    access_key, scope, region = _credential(fields["Credential"], HEADER_ERROR)
    time = _header_time(by_name)
    _check_date(scope, time, HEADER_ERROR)
    return Fields(
        access_key=access_key,
        scope=scope,
        region=region,
        time=time,
        signature=_signature(fields["Signature"], HEADER_ERROR),
        signed_headers=_signed_headers(fields["SignedHeaders"], HEADER_ERROR),
    )


def fields_of_query(pairs: list[Pair]) -> Fields:
    """Return the fields of a presigned URL. Raises: S3Error (AuthorizationQueryParametersError, InvalidRequest)."""
    fields: dict[str, str] = {}
    for name, value in pairs:
        if name.startswith(b"X-Amz-"):
            key = name.decode("latin-1")
            if key in fields:
                raise S3Error(QUERY_ERROR, f"The query has {key[:64]} twice.")
            fields[key] = value.decode("latin-1")
    needed = ("Algorithm", "Credential", "Date", "Expires", "SignedHeaders", "Signature")
    missing = [f"X-Amz-{name}" for name in needed if not fields.get(f"X-Amz-{name}")]
    if missing:
        raise S3Error(QUERY_ERROR, f"A presigned URL needs all fields of its signature. Missing: {', '.join(missing)}.")
    _check_algorithm(fields["X-Amz-Algorithm"], QUERY_ERROR)
    access_key, scope, region = _credential(fields["X-Amz-Credential"], QUERY_ERROR)
    time = fields["X-Amz-Date"]
    parse_time(time, QUERY_ERROR)
    _check_date(scope, time, QUERY_ERROR)
    expires = fields["X-Amz-Expires"]
    if not EXPIRES.fullmatch(expires) or int(expires) > MAX_EXPIRES_SECONDS:
        raise S3Error(QUERY_ERROR, f"X-Amz-Expires must be a number of seconds from 0 to {MAX_EXPIRES_SECONDS}.")
    return Fields(
        access_key=access_key,
        scope=scope,
        region=region,
        time=time,
        signature=_signature(fields["X-Amz-Signature"], QUERY_ERROR),
        signed_headers=_signed_headers(fields["X-Amz-SignedHeaders"], QUERY_ERROR),
        expires_seconds=int(expires),
        content_sha256=fields.get("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD"),
        token="X-Amz-Security-Token" in fields,
    )


def parse_time(text: str, code: str = "AccessDenied") -> datetime:
    """Return the time of a signature. Raises: S3Error with `code`."""
    if TIME.fullmatch(text):
        try:
            year, month, day = int(text[:4]), int(text[4:6]), int(text[6:8])
            return datetime(year, month, day, int(text[9:11]), int(text[11:13]), int(text[13:15]), tzinfo=UTC)
        except ValueError:
            pass
    raise S3Error(code, "The time of the request must have the form 20261130T220000Z (x-amz-date).")


def _header_time(by_name: dict[str, list[bytes]]) -> str:
    """Return the time in x-amz-date, or else in Date, which may have the form of HTTP."""
    values = by_name.get("x-amz-date") or by_name.get("date") or []
    if len(values) != 1:
        raise S3Error("AccessDenied", "A signed request must have one header x-amz-date (or Date).")
    text = values[0].strip().decode("latin-1")
    if "x-amz-date" not in by_name and not TIME.fullmatch(text):
        try:
            moment = parsedate_to_datetime(text).astimezone(UTC)
        except (ValueError, OverflowError):
            raise S3Error("AccessDenied", "The header Date is not a time of HTTP.") from None
        return f"{moment:%Y%m%dT%H%M%SZ}"
    parse_time(text)
    return text


def _check_algorithm(algorithm: str, code: str) -> None:
    if algorithm == ALGORITHM:
        return
    if algorithm.startswith("AWS4-ECDSA"):
        raise S3Error("NotImplemented", f"This server does not support Signature Version 4A: sign with {ALGORITHM}.")
    raise S3Error(code, f"The authorization mechanism is not supported: sign with {ALGORITHM}.")


def _credential(text: str, code: str) -> tuple[str, str, str]:
    """Return the access key, the scope and the region. Any region is accepted."""
    parts = text.rsplit("/", 4)
    if len(parts) != 5 or not ACCESS_KEY.fullmatch(parts[0]) or not re.fullmatch("[0-9]{8}", parts[1]):
        raise S3Error(code, "Credential must have the form KEY/YYYYMMDD/REGION/s3/aws4_request.")
    access_key, date, region, service, end = parts
    if (service, end) != ("s3", "aws4_request") or not REGION.fullmatch(region):
        raise S3Error(code, "The scope of Credential must end with a region, s3 and aws4_request.")
    return access_key, f"{date}/{region}/{service}/{end}", region


def _check_date(scope: str, time: str, code: str) -> None:
    if not time.startswith(scope[:8]):
        raise S3Error(code, "The date of Credential is not the date of the request.")


def _signature(text: str, code: str) -> str:
    if not SIGNATURE.fullmatch(text):
        raise S3Error(code, "The signature must be 64 digits of hexadecimal, in lower case.")
    return text


def _signed_headers(text: str, code: str) -> tuple[str, ...]:
    names = text.split(";")
    if len(names) > MAX_SIGNED_HEADERS or names != sorted(set(names)):
        raise S3Error(code, "SignedHeaders must be sorted names of headers, each once, in lower case.")
    if not all(HEADER_NAME.fullmatch(name) for name in names):
        raise S3Error(code, "SignedHeaders has a name that no header can have.")
    return tuple(names)
