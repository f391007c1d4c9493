"""Public HTTP of a project's keys: `/api/projects/{project}/keys`."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from litestar import delete, get, patch, post
from litestar.params import PathParameter

from bunbase.contracts.caller import Caller, CallerKind
from bunbase.contracts.keys import KeyChanges, KeyLimits
from bunbase.contracts.platform import Key, Keys, Platform
from bunbase.pkg.http import NO_STORE, Injected
from bunbase.pkg.ids import ID

TAGS = ["Projects"]

KeyId = Annotated[str, PathParameter(pattern=ID)]
Lifetime = Annotated[int, msgspec.Meta(ge=60, le=10 * 366 * 86400)]
Grace = Annotated[int, msgspec.Meta(ge=0, le=30 * 86400)]


class CreateKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`scopes`: the scopes of a secret key; without `scopes`, the key has full access. `origins`: the web origins whose
    pages may use a publishable key, such as `https://app.example.com` or `https://*.example.com`; without `origins`,
    all pages may use the key. `allow_browser`: true if web pages may use this secret key.
    """

    kind: Literal["publishable", "secret"]
    name: str = "key"
    expires_in_seconds: Lifetime | None = None
    scopes: tuple[str, ...] | None = None
    origins: tuple[str, ...] = ()
    allow_browser: bool = False


class RotateKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    grace_seconds: Grace = 86400


@get("/api/projects/{project:str}/keys", summary="List a project's keys", tags=TAGS)
async def list_keys(member: Injected[Caller], platform: Injected[Platform]) -> Keys:
    return await platform.keys(member)


@post("/api/projects/{project:str}/keys", summary="Create a key", tags=TAGS, cache_control=NO_STORE)
async def create_key(member: Injected[Caller], platform: Injected[Platform], data: CreateKey) -> Key:
    """The key is shown only in this answer."""
    limits = KeyLimits(data.scopes, data.origins, data.allow_browser)
    return await platform.create_key(member, CallerKind(data.kind), data.name, data.expires_in_seconds, limits)


@patch("/api/projects/{project:str}/keys/{key_id:str}", summary="Change a key", tags=TAGS)
async def update_key(member: Injected[Caller], platform: Injected[Platform], key_id: KeyId, data: KeyChanges) -> Key:
    """The value of the key stays. The scopes can only become narrower. The change works everywhere within a second."""
    return await platform.update_key(member, key_id, data)


@delete("/api/projects/{project:str}/keys/{key_id:str}", summary="Revoke a key", tags=TAGS)
async def revoke_key(member: Injected[Caller], platform: Injected[Platform], key_id: KeyId) -> None:
    """The key stops working everywhere within a second."""
    await platform.revoke_key(member, key_id)


@post("/api/projects/{project:str}/keys/{key_id:str}/rotate", summary="Rotate a key", tags=TAGS, cache_control=NO_STORE)
async def rotate_key(
    member: Injected[Caller], platform: Injected[Platform], key_id: KeyId, data: RotateKey | None = None
) -> Key:
    """Creates a new key. The old key continues to work for `grace_seconds`."""
    return await platform.rotate_key(member, key_id, (data or RotateKey()).grace_seconds)


ROUTES = (list_keys, create_key, update_key, revoke_key, rotate_key)
