"""One request to the S3 port whose signature was checked, and small readers of its headers and parameters."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import msgspec

from bunbase.contracts.caller import Caller
from bunbase.contracts.s3_credentials import S3Holder
from bunbase.contracts.storage import MAX_KEY_BYTES, Conditions, Storage
from bunbase.pkg.s3.errors import S3Error
from bunbase.pkg.s3.signature import Payload

METADATA: Final = "x-amz-meta-"
WAIT_SECONDS: Final = 10.0  # for a place among the uploads of the project; clients give up after 60 s
DIGITS: Final = re.compile(r"[0-9]{1,10}")
BUCKET_NAME: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
ADDRESS: Final = re.compile(r"[0-9]{1,3}(\.[0-9]{1,3}){3}")
BAD_IN_NAMES: Final = ("..", ".-", "-.")
ALLOWED_ACLS: Final = ("private", "bucket-owner-full-control")
# parameters of a presigned URL that stay in the query
FIELDS: Final = frozenset(
    {
        "x-amz-algorithm",
        "x-amz-content-sha256",
        "x-amz-credential",
        "x-amz-date",
        "x-amz-expires",
        "x-amz-signature",
        "x-amz-signedheaders",
    }
)
CHECKSUMS: Final = ("x-amz-checksum-", "x-amz-sdk-checksum-")
# headers that ask for something that this server does not do; to ignore them would be a lie
REFUSED_HEADERS: Final = (
    "x-amz-server-side-encryption-customer-algorithm",
    "x-amz-server-side-encryption-customer-key",
    "x-amz-copy-source-server-side-encryption-customer-algorithm",
    "x-amz-server-side-encryption-aws-kms-key-id",
    "x-amz-website-redirect-location",
    "x-amz-object-lock-mode",
    "x-amz-object-lock-retain-until-date",
    "x-amz-object-lock-legal-hold",
    "x-amz-bucket-object-lock-enabled",
    "x-amz-write-offset-bytes",
)


class S3Call(msgspec.Struct, frozen=True):
    """`headers`: the values by their names in lower case; several values of one name are joined with commas. `path`:
    the path as it was sent. `receive`: returns the next ASGI message of the body. `check_again`: raises InvalidKey,
    S3Error or Unreachable if the credential was deleted or changed since the request began.
    """

    storage: Storage
    caller: Caller
    holder: S3Holder
    payload: Payload
    method: str
    path: str
    bucket: str
    key: str
    parameters: Mapping[str, str]
    headers: Mapping[str, str]
    receive: Callable[[], Awaitable[Any]]
    check_again: Callable[[], Awaitable[None]]

    @property
    def is_chunked(self) -> bool:
        """True if the body ends by the chunks of HTTP, so that its length is not known before."""
        return "transfer-encoding" in self.headers

    @property
    def owner(self) -> str:
        """The id of the project, which owns all of its buckets and objects."""
        return self.holder.project

    def may_use(self, bucket: str) -> bool:
        """Return True if the credential may use this bucket."""
        return not self.holder.buckets or bucket in self.holder.buckets

    def check_bucket(self, name: str) -> None:
        """Raises: S3Error (AccessDenied) if the credential may not use this bucket."""
        if not self.may_use(name):
            raise S3Error("AccessDenied", "This credential may not use this bucket.")

    def number(self, name: str, default: int, most: int) -> int:
        """Return a parameter as a number, at most `most`. Raises: S3Error (InvalidArgument)."""
        text = self.parameters.get(name, "")
        if not text:
            return default
        if not DIGITS.fullmatch(text):
            raise invalid(name, text, f"{name} must be a whole number from 0 on.")
        return min(int(text), most)


def invalid(name: str, value: str, message: str) -> S3Error:
    return S3Error("InvalidArgument", message, ArgumentName=name, ArgumentValue=value[:200])


def checked_key(raw: bytes) -> str:
    """Return the text of a key. Raises: S3Error (KeyTooLongError, InvalidURI, InvalidArgument)."""
    if len(raw) > MAX_KEY_BYTES:
        raise S3Error("KeyTooLongError", "Your key is too long", Size=str(len(raw)), MaxSizeAllowed=str(MAX_KEY_BYTES))
    if b"\0" in raw:
        raise invalid("key", "", "A key has no NUL.")
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise S3Error("InvalidURI", "A key is text in UTF-8.") from None


def is_bucket_name(name: str) -> bool:
    """True if a new bucket may have this name."""
    if not BUCKET_NAME.fullmatch(name) or ADDRESS.fullmatch(name):
        return False
    return not any(text in name for text in BAD_IN_NAMES)


def check_headers(call: S3Call) -> None:
    """Refuse headers that ask for something that this server does not do. Raises: S3Error."""
    headers = call.headers
    for name in REFUSED_HEADERS:
        if headers.get(name, "").lower() not in ("", "false", "off"):
            raise S3Error("NotImplemented", f"This server does not implement the header {name}.")
    if headers.get("x-amz-server-side-encryption", "AES256") != "AES256":
        raise S3Error("NotImplemented", "Objects are always encrypted with AES-256: send AES256, or leave this out.")
    storage_class = headers.get("x-amz-storage-class", "STANDARD")
    if storage_class != "STANDARD":
        raise S3Error("InvalidStorageClass", "The storage class you specified is not valid: it must be STANDARD.")
    if headers.get("x-amz-expected-bucket-owner", call.owner) != call.owner:
        raise S3Error("AccessDenied", "The bucket belongs to another project.")
    check_acl(headers)


def check_acl(headers: Mapping[str, str]) -> None:
    """Raises: S3Error (AccessControlListNotSupported)."""
    granted = any(name.startswith("x-amz-grant-") for name in headers)
    if granted or headers.get("x-amz-acl", "private") not in ALLOWED_ACLS:
        raise S3Error(
            "AccessControlListNotSupported",
            "The bucket does not allow ACLs: access is decided by credentials and by the rules of the bucket.",
        )


def check_version(call: S3Call) -> None:
    """Raises: S3Error (NoSuchVersion) for a version other than the only one."""
    if call.parameters.get("versionId", "null") not in ("null", ""):
        raise S3Error("NoSuchVersion", "The specified version does not exist: buckets keep no versions.")


def sent_metadata(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.removeprefix(METADATA): value for name, value in headers.items() if name.startswith(METADATA)}


def with_moved_headers(
    parameters: Mapping[str, str], headers: Mapping[str, str]
) -> tuple[dict[str, str], dict[str, str]]:
    """Return the parameters and the headers of a presigned request, with the headers that its signer has put into the
    query as parameters, such as `x-amz-meta-color` or `x-amz-acl`. Checksums stay: the SDK for JavaScript signs that of
    an empty body, before it knows the body.

    Raises: S3Error (InvalidArgument).
    """
    kept, found = {}, dict(headers)
    for name, value in parameters.items():
        moved = name.lower()
        if not moved.startswith("x-amz-") or moved in FIELDS or moved.startswith(CHECKSUMS):
            kept[name] = value
        elif found.get(moved, value) != value:
            raise invalid(name, value, "The query and the headers of the request have different values of this name.")
        elif not value.isprintable():
            raise invalid(name, value, "A header has only printable characters.")
        else:
            found[moved] = value
    return kept, found


def conditions_of(headers: Mapping[str, str], prefix: str = "") -> Conditions:
    names = ("if-match", "if-none-match", "if-modified-since", "if-unmodified-since")
    return Conditions(*[headers.get(prefix + name) for name in names])
