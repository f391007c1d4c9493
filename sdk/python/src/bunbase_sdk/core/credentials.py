"""The credentials with which a program proves its identity."""

from __future__ import annotations

import json
import os
import secrets
import stat
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from bunbase_sdk.problem import invalid_value

ASSERTION: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ASSERTION_SECONDS: Final = 300
OTHERS: Final = 0o077


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """A service account of a project: its id, with its secret or its private key (PEM).

    ```python
    account = ServiceAccount("sa_…", client_secret=secret)
    ```
    """

    client_id: str
    client_secret: str | None = field(default=None, repr=False)
    private_key: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if not self.client_id or bool(self.client_secret) == bool(self.private_key):
            raise invalid_value("ServiceAccount", "It has a client_id, and either a client_secret or a private_key.")

    def proof(self, audience: str) -> dict[str, str]:
        """Return the members of a token request that prove the account's identity (RFC 6749 §2.3.1, RFC 7523)."""
        if self.client_secret:
            return {"client_id": self.client_id, "client_secret": self.client_secret}
        return {"client_assertion_type": ASSERTION, "client_assertion": self._assertion(audience)}

    def _assertion(self, audience: str) -> str:
        try:
            from joserfc import jwt
            from joserfc.errors import JoseError
            from joserfc.jwk import ECKey, RSAKey
        except ModuleNotFoundError:
            raise invalid_value("private_key", "Install bunbase-sdk[jwt]: it signs with the key.") from None
        now = int(time.time())
        claims: dict[str, Any] = {"iss": self.client_id, "sub": self.client_id, "aud": audience}
        claims |= {"iat": now, "exp": now + ASSERTION_SECONDS, "jti": secrets.token_urlsafe(16)}
        pem = self.private_key or ""
        for kind, algorithm in ((RSAKey, "RS256"), (ECKey, "ES256")):
            try:
                key = kind.import_key(pem)
                return jwt.encode({"alg": algorithm}, claims, key, algorithms=[algorithm])
            except (JoseError, ValueError, TypeError):
                continue
        raise invalid_value("private_key", "It is no private key of RSA or P-256 in PEM.")


@dataclass(frozen=True, slots=True)
class Credential:
    """`headers`: the headers that authenticate each request.

    `account`: a service account, which gets a token for the requests instead.

    `administers`: true if the credential can use the routes below /api.
    """

    headers: Mapping[str, str] = field(repr=False)
    project: str | None = None
    account: ServiceAccount | None = None
    secret_key: str | None = field(default=None, repr=False)
    administers: bool = False

    def check(self, administers: bool) -> None:
        """Raises: Problem, if the credential cannot reach the route."""
        if administers and not self.administers:
            raise invalid_value("key", "This call needs a personal access token (bpt_…), and the id of the project.")

    def check_is_of_program(self) -> None:
        """Raises: Problem, for a personal access token, because functions do not accept it."""
        if self.administers:
            raise invalid_value("key", "A personal access token calls no functions. Use a secret key (sk_…).")

    def proof(self, audience: str) -> dict[str, str]:
        """Return the members of a token request. Raises: Problem, if the credential cannot get tokens."""
        if self.account:
            return self.account.proof(audience)
        if self.secret_key:
            return {"client_secret": self.secret_key}
        raise invalid_value("key", "Only a secret key or a service account gets service tokens.")


def credential_of(key: str | ServiceAccount, project: str | None) -> Credential:
    """Return the credential for a key. Raises: Problem, for a key that programs cannot use."""
    if isinstance(key, ServiceAccount):
        return Credential({}, project, account=key)
    if not isinstance(key, str) or not key or not (key.isascii() and key.isprintable()):
        raise invalid_value("key", "A key is a text such as sk_….")
    if key.startswith("sk_"):
        return Credential({"X-Bunbase-Key": key}, project, secret_key=key)
    if key.startswith("bpt_"):
        if not project:
            raise invalid_value("project", "A personal access token needs the id of the project.")
        headers = {"Authorization": f"Bearer {key}", "X-Bunbase-Project": project}
        return Credential(headers, project, administers=True)
    if key.startswith("eyJ"):
        return Credential({"Authorization": f"Bearer {key}"}, project)
    kind = "a publishable key, which is for apps" if key.startswith("pk_") else "no key of BunBase"
    raise invalid_value("key", f"This is {kind}. Use a secret key (sk_…), a service account or a token (bpt_…).")


@dataclass(frozen=True, slots=True)
class Found:
    """The address and the credential from environment variables."""

    url: str
    key: str | ServiceAccount = field(repr=False)
    project: str | None


def from_environment(environment: Mapping[str, str] | None = None) -> Found:
    """Read BUNBASE_URL and one of BUNBASE_SECRET_KEY, BUNBASE_SERVICE_ACCOUNT and BUNBASE_TOKEN.

    Raises: Problem, if a variable is missing, if several credentials are set, or if others can read the file.
    """
    given = os.environ if environment is None else environment
    names = ("BUNBASE_SECRET_KEY", "BUNBASE_SERVICE_ACCOUNT", "BUNBASE_TOKEN")
    present = [name for name in names if given.get(name)]
    if len(present) != 1:
        told = " and ".join(present) or "none of them"
        raise invalid_value("environment", f"Set one of {', '.join(names)}; {told} is set.")
    url, project = given.get("BUNBASE_URL", ""), given.get("BUNBASE_PROJECT") or None
    if present[0] == "BUNBASE_SERVICE_ACCOUNT":
        return account_in(Path(given["BUNBASE_SERVICE_ACCOUNT"]), url, project)
    if not url:
        raise invalid_value("environment", "Set BUNBASE_URL to the address of the server.")
    return Found(url, given[present[0]], project)


def account_in(file: Path, url: str = "", project: str | None = None) -> Found:
    """Return the contents of a service account's file: `url`, `project`, `client_id`, `client_secret` or `private_key`.

    `url`, `project`: the values to use in place of the values in the file. Raises: Problem.
    """
    try:
        if os.name == "posix" and stat.S_IMODE(file.stat().st_mode) & OTHERS:
            raise invalid_value(str(file), f"Other users can read this file. Run: chmod 600 {file}")
        content = json.loads(file.read_text("utf-8"))
    except OSError as error:
        raise invalid_value(str(file), f"The file cannot be read: {error.strerror}.") from error
    except ValueError:  # the exception is dropped, because it contains the text of the file with the secret
        raise invalid_value(str(file), "The file is not JSON.") from None
    if not isinstance(content, dict) or not all(isinstance(value, str) for value in content.values()):
        raise invalid_value(str(file), "The file is an object of texts: url, client_id, client_secret.")
    account = ServiceAccount(content.get("client_id", ""), content.get("client_secret"), content.get("private_key"))
    address = url or content.get("url", "")
    if not address:
        raise invalid_value(str(file), "Neither the file nor BUNBASE_URL has the address of the server.")
    return Found(address, account, project or content.get("project"))
