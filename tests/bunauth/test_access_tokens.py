from __future__ import annotations

from joserfc import jwt as joserfc_jwt
from joserfc.jwk import RSAKey

from bunbase.bunauth.service import BunAuthService
from bunbase.pkg.clock import ManualClock
from tests.bunauth.people import registered


async def test_an_access_token_has_the_documented_claims(bunauth: BunAuthService, clock: ManualClock) -> None:
    signed_in = await registered(bunauth)

    claims = (await bunauth.verify(signed_in.access_token)).claims

    assert set(claims) == {"iss", "sub", "aud", "iat", "exp", "jti", "sid", "gen", "type", "role", "email"}
    assert claims["iss"] == "http://127.0.0.1:7070"
    assert claims["aud"] == "bunbase"
    assert claims["sub"] == signed_in.user.id
    assert claims["exp"] - claims["iat"] == signed_in.expires_in == 900
    assert claims["iat"] == clock.now().timestamp()
    assert (claims["type"], claims["role"], claims["email"]) == ("access", "admin", "ada@example.com")


async def test_a_token_verifies_with_the_public_keys(bunauth: BunAuthService) -> None:
    signed_in = await registered(bunauth)

    (jwk,) = (await bunauth.jwks()).keys
    checked = joserfc_jwt.decode(signed_in.access_token, RSAKey.import_key(dict(jwk)), algorithms=["RS256"])

    assert set(jwk) == {"kty", "kid", "alg", "use", "n", "e"}
    assert checked.header["kid"] == jwk["kid"] == RSAKey.import_key(dict(jwk)).thumbprint()
    assert checked.claims["sub"] == signed_in.user.id


async def test_discovery_names_the_issuer_and_the_keys(bunauth: BunAuthService) -> None:
    found = await bunauth.discovery()

    assert found.issuer == "http://127.0.0.1:7070"
    assert found.jwks_uri == "http://127.0.0.1:7070/.well-known/jwks.json"


async def test_an_access_token_is_invalid_from_the_second_of_its_expiry(
    bunauth: BunAuthService, clock: ManualClock
) -> None:
    token = (await registered(bunauth)).access_token
    clock.advance(899)
    assert (await bunauth.verify(token)).valid
    clock.advance(1)

    assert not (await bunauth.verify(token)).valid
