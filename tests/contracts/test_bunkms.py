"""The contract of BunKMS holds in this process, over HTTP, and for the fake that tests of other rooms use."""

from __future__ import annotations

import asyncio
import base64
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from bunbase.bunkms.module import MODULE
from bunbase.contracts.bunkms import DecryptionFailed, KeyDestroyed, KeyNotFound, Kms, Mac, SigningAlgorithm
from bunbase.pkg.errors import InvalidInput
from bunbase.pkg.modules import Rooms
from tests.fakes import FakeKms
from tests.rooms import opened, site

OWNER, OTHER = "prj_bakery", "prj_library"


@pytest_asyncio.fixture(params=["local", "remote", "fake"])
async def kms(request: pytest.FixtureRequest, tmp_path: Path, database_url: str) -> AsyncIterator[Kms]:
    if request.param == "fake":
        fake = FakeKms(lazy=False)
        await made(fake)
        yield fake
        return
    async with opened(MODULE, Rooms(), site(tmp_path, database_url), request.param) as service:
        await made(service)
        yield service


async def made(kms: Kms) -> None:
    for owner in (OWNER, OTHER):
        await kms.create_keys(owner)


async def test_data_keys_and_secrets_are_decrypted_unchanged(kms: Kms) -> None:
    key, sealed = await kms.generate_data_key(OWNER, "documents"), await kms.seal(OWNER, "env", b"\0secret")

    assert len(key.plaintext) == 32
    assert key.wrapped.startswith("bunkms:v1:")
    assert await kms.unwrap_data_key(OWNER, "documents", key.wrapped) == key.plaintext
    assert await kms.unseal(OWNER, "env", sealed) == b"\0secret"


async def test_a_mac_is_valid_for_one_message_owner_and_context(kms: Kms) -> None:
    """The proof stays valid after a rotation of the keys."""
    mac = await kms.make_mac(OWNER, "x", b"message")
    await kms.rotate(OWNER)
    newer = await kms.make_mac(OWNER, "x", b"message")
    right = (Mac("x", b"message", mac), Mac("x", b"message", newer))
    version = mac.partition(":v1:")
    wrong = (
        Mac("y", b"message", mac),
        Mac("x", b"massage", mac),
        Mac("x", b"message", f"bunkms:v2:{version[2]}"),
        Mac("x", b"message", f"bunkms:v3:{version[2]}"),
        Mac("x", b"message", mac[:-2]),
        Mac("x", b"message", ""),
        Mac("xm", b"essage", mac),
        Mac("x", b"message", await kms.seal(OWNER, "x", b"message")),
    )

    assert await kms.check_macs(OWNER, right + wrong) == (True, True) + (False,) * len(wrong)
    assert await kms.check_macs(OTHER, right) == (False, False)
    assert newer.startswith("bunkms:v2:")
    assert await kms.check_macs(OWNER, ()) == ()


async def test_macs_have_size_limits_and_are_refused_after_their_owner_is_destroyed(kms: Kms) -> None:
    mac = Mac("x", b"message", await kms.make_mac(OWNER, "x", b"message"))

    with pytest.raises(InvalidInput):
        await kms.make_mac(OWNER, "x", b"m" * (64 << 10) + b"m")
    with pytest.raises(InvalidInput):
        await kms.check_macs(OWNER, (mac,) * 1001)
    await kms.destroy(OWNER)
    with pytest.raises(KeyDestroyed):
        await kms.check_macs(OWNER, (mac,))
    with pytest.raises(KeyDestroyed):
        await kms.make_mac(OWNER, "x", b"message")
    with pytest.raises(KeyNotFound):
        await kms.check_macs("prj_unknown", (mac,))


async def test_decryption_needs_the_same_owner_context_and_kind(kms: Kms) -> None:
    key, sealed = await kms.generate_data_key(OWNER, "x"), await kms.seal(OWNER, "x", os.urandom(32))

    for refused in (
        kms.unwrap_data_key(OTHER, "x", key.wrapped),
        kms.unwrap_data_key(OWNER, "y", key.wrapped),
        kms.unwrap_data_key(OWNER, "x", sealed),
        kms.unseal(OTHER, "x", sealed),
        kms.unseal(OWNER, "y", sealed),
        kms.unseal(OWNER, "x", key.wrapped),
    ):
        with pytest.raises(DecryptionFailed):
            await refused


@pytest.mark.parametrize("text", ["", "nonsense", "a:b:c", "bunkms:v1:%", "bunkms:v9:AAAA", "bunkms:vx:AAAA"])
async def test_a_text_that_was_never_sealed_is_refused(kms: Kms, text: str) -> None:
    with pytest.raises(DecryptionFailed):
        await kms.unseal(OWNER, "x", text)
    with pytest.raises(DecryptionFailed):
        await kms.unwrap_data_key(OWNER, "x", text)


async def test_rotation_returns_the_next_version_and_keeps_old_secrets_readable(kms: Kms) -> None:
    sealed = await kms.seal(OWNER, "env", b"old")

    assert await kms.rotate(OWNER) == 2

    assert (await kms.seal(OWNER, "env", b"new")).startswith("bunkms:v2:")
    assert await kms.unseal(OWNER, "env", sealed) == b"old"


async def test_a_data_key_is_rewrapped_only_if_there_is_a_newer_version(kms: Kms) -> None:
    key = await kms.generate_data_key(OWNER, "documents")
    assert await kms.rewrap_data_key(OWNER, "documents", key.wrapped) == key.wrapped
    await kms.rotate(OWNER)

    wrapped = await kms.rewrap_data_key(OWNER, "documents", key.wrapped)

    assert wrapped.startswith("bunkms:v2:")
    assert await kms.unwrap_data_key(OWNER, "documents", wrapped) == key.plaintext
    with pytest.raises(DecryptionFailed):
        await kms.rewrap_data_key(OWNER, "photos", key.wrapped)


async def test_a_signature_verifies_with_the_public_key_of_its_id(kms: Kms) -> None:
    signatures = await asyncio.gather(*(kms.sign(OWNER, b"message") for _ in range(3)))

    keys = {key.kid: key for key in await kms.public_keys(OWNER)}
    for signature in signatures:
        key = keys[signature.kid]
        n, e = (int.from_bytes(base64.urlsafe_b64decode(number + "=="), "big") for number in (key.n, key.e))
        public = rsa.RSAPublicNumbers(e, n).public_key()
        public.verify(signature.signature, b"message", padding.PKCS1v15(), hashes.SHA256())
        jwk = key.jwk()
        assert (jwk["kty"], jwk["alg"], jwk["use"]) == ("RSA", "RS256", "sig")
    assert keys.keys().isdisjoint({key.kid for key in await kms.public_keys(OTHER)})


@pytest.mark.parametrize("algorithm", [SigningAlgorithm.ES256, SigningAlgorithm.EDDSA])
async def test_a_renewed_signing_key_has_the_algorithm_and_the_old_one_stays(
    kms: Kms, algorithm: SigningAlgorithm
) -> None:
    (first,) = await kms.public_keys(OWNER)

    await kms.renew_signing_key(OWNER, SigningAlgorithm.RS256)
    assert await kms.public_keys(OWNER) == (first,)
    for _ in range(2):
        await kms.renew_signing_key(OWNER, algorithm)

    keys = await kms.public_keys(OWNER)
    assert {key.alg for key in keys} == {SigningAlgorithm.RS256, algorithm}
    assert len(keys) == 2
    signature = await kms.sign(OWNER, b"message")
    assert signature.kid == keys[0].kid, "the first key signs"


USES: list[Callable[[Kms, str], Awaitable[Any]]] = [
    lambda kms, owner: kms.generate_data_key(owner, "x"),
    lambda kms, owner: kms.unwrap_data_key(owner, "x", "bunkms:v1:AAAA"),
    lambda kms, owner: kms.rewrap_data_key(owner, "x", "bunkms:v1:AAAA"),
    lambda kms, owner: kms.seal(owner, "x", b""),
    lambda kms, owner: kms.unseal(owner, "x", "bunkms:v1:AAAA"),
    lambda kms, owner: kms.sign(owner, b""),
    lambda kms, owner: kms.public_keys(owner),
    lambda kms, owner: kms.renew_signing_key(owner, SigningAlgorithm.ES256),
    lambda kms, owner: kms.rotate(owner),
]


async def test_an_unknown_owner_has_no_key(kms: Kms) -> None:
    for use in USES:
        with pytest.raises(KeyNotFound):
            await use(kms, "prj_nobody")


async def test_destroyed_keys_cannot_be_used_or_created_again(kms: Kms) -> None:
    await kms.create_keys(OWNER)
    await kms.destroy(OWNER)
    await kms.destroy(OWNER)
    await kms.destroy("prj_unborn")

    for owner in (OWNER, "prj_unborn"):
        with pytest.raises(KeyDestroyed):
            await kms.create_keys(owner)
        for use in USES:
            with pytest.raises(KeyDestroyed):
                await use(kms, owner)
    assert await kms.unseal(OTHER, "x", await kms.seal(OTHER, "x", b"safe")) == b"safe"


async def test_a_secret_is_at_most_64_kib(kms: Kms) -> None:
    assert await kms.unseal(OWNER, "x", await kms.seal(OWNER, "x", bytes(64 << 10))) == bytes(64 << 10)
    with pytest.raises(InvalidInput):
        await kms.seal(OWNER, "x", bytes((64 << 10) + 1))


async def test_the_first_bound_directory_stays_bound(kms: Kms) -> None:
    assert await kms.bind_directory("bundoc", "dir_a", "") == "dir_a"
    assert await kms.bind_directory("bundoc", "dir_a", "") == "dir_a"
    assert await kms.bind_directory("bundoc", "dir_b", "") == "dir_a"
    assert await kms.bind_directory("functions", "dir_b", "dir_a") == "dir_b"


async def test_a_directory_is_replaced_only_if_the_bound_one_is_named(kms: Kms) -> None:
    await kms.bind_directory("bundoc", "dir_a", "")

    assert await kms.bind_directory("bundoc", "dir_b", "dir_x") == "dir_a"
    assert await kms.bind_directory("bundoc", "dir_b", "dir_a") == "dir_b"
    assert await kms.bind_directory("bundoc", "dir_c", "dir_a") == "dir_b"


async def test_of_several_directories_at_once_only_one_is_bound(kms: Kms) -> None:
    bound = await asyncio.gather(*(kms.bind_directory("bundoc", f"dir_{n}", "") for n in range(8)))

    assert len(set(bound)) == 1


@pytest.mark.parametrize("id", ["", "dir\0", "DIR", "d" * 65])
async def test_a_malformed_id_of_a_directory_is_refused(kms: Kms, id: str) -> None:
    with pytest.raises(InvalidInput):
        await kms.bind_directory("bundoc", id, "")
