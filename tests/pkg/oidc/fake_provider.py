"""A fake OpenID Connect provider and GitHub's endpoints on loopback. A test can make their answers wrong."""

from __future__ import annotations

import base64
import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs

import msgspec
from joserfc import jwt
from joserfc.jwk import RSAKey

from bunbase.pkg.oidc.person import challenge_of
from bunbase.pkg.serve import listen, serving

CLIENT, SECRET = "bunbase", "a secret: of the client/+"


class FakeProvider:
    """A provider. `claims` replace claims of the ID token; None removes a claim.

    `metadata` and `userinfo` replace members of the answers.

    `alg`: the algorithm of the ID token. `answers`: a status and a body that replace the usual answer, by path.
    `codes`: the PKCE challenge of each code. `form`: the last form that was sent.
    """

    def __init__(self) -> None:
        self.issuer = ""
        self.key = RSAKey.generate_key(2048, {"kid": "first"})
        self.now = 0.0
        self.nonce = ""
        self.alg = "RS256"
        self.signer: Any = None
        self.claims: dict[str, Any] = {}
        self.metadata: dict[str, Any] = {}
        self.userinfo: dict[str, Any] = {"sub": "ada"}
        self.answers: dict[str, tuple[int, bytes]] = {}
        self.codes: dict[str, str] = {}
        self.user: dict[str, Any] = {"id": 7, "login": "ada", "name": None}
        self.emails: list[dict[str, Any]] = [{"email": "ada@example.com", "primary": True, "verified": True}]
        self.seen: list[str] = []
        self.page = 30  # GitHub returns this many addresses.
        self.form: dict[str, list[str]] = {}

    def rotate_key(self) -> None:
        self.key = RSAKey.generate_key(2048, {"kid": "second"})

    def id_token(self) -> str:
        claims = {
            "iss": self.issuer,
            "sub": "ada",
            "aud": CLIENT,
            "iat": int(self.now),
            "exp": int(self.now) + 300,
            "nonce": self.nonce,
            "email": "ada@example.com",
            "email_verified": True,
            "name": "Ada",
        } | self.claims
        claims = {name: value for name, value in claims.items() if value is not None}
        if self.alg in ("none", "HS256"):  # Libraries refuse to make such a token.
            parts = [msgspec.json.encode(part) for part in ({"alg": self.alg, "kid": self.key.kid}, claims)]
            signed = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts)
            public = self.key.as_pem(private=False)
            signature = b"" if self.alg == "none" else hmac.digest(public, signed, "sha256")
            return (signed + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")).decode()
        header = {"alg": self.alg, "kid": self.key.kid}
        return jwt.encode(header, claims, self.signer or self.key, algorithms=[self.alg])

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        path, body = scope["path"], b""
        self.seen.append(path)
        self.page = int(parse_qs(scope["query_string"].decode()).get("per_page", ["30"])[0])
        while scope["method"] == "POST":
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        form = parse_qs(body.decode())
        self.form = form or self.form
        status, answer = self.answers.get(path) or self.answer(path, form, headers)
        location = [(b"location", b"/elsewhere")] if status == 302 else []
        await send({"type": "http.response.start", "status": status, "headers": location})
        await send({"type": "http.response.body", "body": answer})

    def answer(self, path: str, form: dict[str, list[str]], headers: dict[str, str]) -> tuple[int, bytes]:
        authorized = headers.get("authorization") == "Bearer access"
        match path:
            case "/.well-known/openid-configuration":
                ends = ("authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri")
                found = {"issuer": self.issuer} | {end: f"{self.issuer}/{end}" for end in ends} | self.metadata
            case "/jwks_uri":
                found = {"keys": [self.key.as_dict(private=False) | {"use": "sig"}]}
            case "/token_endpoint" | "/login/oauth/access_token":
                challenge = self.codes.pop(form.get("code", [""])[0], "")
                if challenge != challenge_of(form["code_verifier"][0]):
                    return 400, b'{"error": "invalid_grant"}'
                found = {"access_token": "access", "id_token": self.id_token()}
            case "/userinfo_endpoint" if authorized:
                found = self.userinfo
            case "/api/v3/user" if authorized:
                found = self.user
            case "/api/v3/user/emails" if authorized:
                return 200, msgspec.json.encode(self.emails[: self.page])
            case _:
                return 404, b""
        return 200, msgspec.json.encode(found)


@asynccontextmanager
async def fake_provider() -> AsyncIterator[FakeProvider]:
    provider = FakeProvider()
    async with serving(provider, listen("127.0.0.1", 0)) as address:
        provider.issuer = str(address)
        yield provider
