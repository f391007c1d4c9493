"""Which pages may use presigned URLs: the CORS rules of a bucket (Fetch standard, and "CORS" of Amazon S3).

As on Amazon S3, a preflight is decided by the rules alone. Its signature is not verified, because a browser sends none:
the access key id, in the query of a presigned URL or in `Authorization`, only names the project.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from bunbase.contracts.storage import CorsRule
from bunbase.pkg.s3.errors import S3Error
from bunbase.storage.routes.s3.answer import Answer
from bunbase.storage.routes.s3.operations import Level
from bunbase.storage.serving.media_types import TOKEN

NAME: Final = re.compile(TOKEN)
METHODS: Final = ("GET", "PUT", "HEAD", "POST", "DELETE")
UNNAMED: Final = "The request names no project: use a presigned URL, whose query has X-Amz-Credential."


def check_preflight(headers: Mapping[str, str]) -> None:
    """Raises: S3Error (BadRequest) for an OPTIONS that is no preflight."""
    if not headers.get("origin"):
        raise S3Error("BadRequest", "Insufficient information. Origin request header needed.")
    method = headers.get("access-control-request-method", "null")
    if method not in METHODS:
        raise S3Error("BadRequest", f"Invalid Access-Control-Request-Method: {method[:100]}")


def preflight(rules: Sequence[CorsRule], headers: Mapping[str, str], level: Level) -> Answer:
    """Return the answer to a preflight. Raises: S3Error (AccessForbidden) if no rule allows the request."""
    origin, method = headers.get("origin", ""), headers.get("access-control-request-method", "")
    asked = headers.get("access-control-request-headers", "")
    names = [name.strip().lower() for name in asked.split(",") if name.strip()]
    for rule in rules:
        if _allows(rule, origin, method) and all(_one_of(rule.headers, name) for name in names):
            found = _headers(rule, origin)
            if names:
                found["access-control-allow-headers"] = ", ".join(names)
            if rule.max_age_seconds is not None:
                found["access-control-max-age"] = str(rule.max_age_seconds)
            return Answer(200, found)
    raise refused(
        headers, level, "This CORS request is not allowed." if rules else "CORS is not enabled for this bucket."
    )


def shared(rules: Sequence[CorsRule], origin: str, method: str) -> dict[str, str]:
    """Return the headers that let a page of this origin read an answer; none if no rule allows it."""
    for rule in rules:
        if _allows(rule, origin, method):
            return _headers(rule, origin)
    return {}


def refused(headers: Mapping[str, str], level: Level, why: str) -> S3Error:
    method = headers.get("access-control-request-method", "")
    return S3Error("AccessForbidden", f"CORSResponse: {why}", Method=method, ResourceType=level.value.upper())


def _headers(rule: CorsRule, origin: str) -> dict[str, str]:
    every = "*" in rule.origins
    found = {
        "access-control-allow-origin": "*" if every else origin,
        "access-control-allow-methods": ", ".join(rule.methods),
        "vary": "Origin, Access-Control-Request-Headers, Access-Control-Request-Method",
    }
    if not every:
        found["access-control-allow-credentials"] = "true"
    exposed = [name for name in rule.expose if NAME.fullmatch(name)]  # earlier versions stored other texts too
    if exposed:
        found["access-control-expose-headers"] = ", ".join(exposed)
    return found


def _allows(rule: CorsRule, origin: str, method: str) -> bool:
    return method in rule.methods and _one_of(rule.origins, origin)


def _one_of(patterns: Sequence[str], text: str) -> bool:
    return any(_matches(pattern.lower(), text.lower()) for pattern in patterns)


def _matches(pattern: str, text: str) -> bool:
    before, star, after = pattern.partition("*")
    if not star:
        return pattern == text
    return len(text) >= len(before) + len(after) and text.startswith(before) and text.endswith(after)
