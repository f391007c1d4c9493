from __future__ import annotations

import asyncio
import base64
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import asyncpg
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from joserfc.jwk import JWKRegistry

from bunbase.bunkms.module import MODULE
from bunbase.bunkms.service import MAX_SECRET_BYTES, KmsService, WrongMasterKey
from bunbase.bunkms.settings import KmsSettings
from bunbase.bunkms.signing import new_signing_key
from bunbase.bunkms.store import KeyStore
from bunbase.contracts.bunkms import (
    INSTANCE,
    DecryptionFailed,
    KeyDestroyed,
    KeyNotFound,
    PublicKey,
    SigningAlgorithm,
)
from bunbase.pkg.clock import ManualClock, SystemClock
from bunbase.pkg.db.database import open_database
from bunbase.pkg.errors import InvalidInput
from bunbase.pkg.metrics import kms_ops
from bunbase.pkg.modules import Rooms, Site
from tests.bunkms.conftest import BAKERY, LIBRARY
from tests.rooms import opened, site
from tests.tables import everything_in

MARKER = b"the marker that nobody may find"


def verify(key: PublicKey, signature: bytes, message: bytes) -> None:
    """Check an RS256 signature. Raises: InvalidSignature."""
    n, e = (int.from_bytes(base64.urlsafe_b64decode(number + "=="), "big") for number in (key.n, key.e))
    rsa.RSAPublicNumbers(e, n).public_key().verify(signature, message, padding.PKCS1v15(), hashes.SHA256())


async def test_a_data_key_is_unwrapped_only_with_its_owner_and_context(kms: KmsService) -> None:
    made = await kms.generate_data_key(BAKERY, "documents")

    assert len(made.plaintext) == 32
    assert made.wrapped.startswith("bunkms:v1:")
    assert await kms.unwrap_data_key(BAKERY, "documents", made.wrapped) == made.plaintext
    for owner, context in ((LIBRARY, "documents"), (BAKERY, "files"), (BAKERY, "")):
        with pytest.raises(DecryptionFailed):
            await kms.unwrap_data_key(owner, context, made.wrapped)


async def test_every_generated_data_key_is_different(kms: KmsService) -> None:
    keys = {(await kms.generate_data_key(BAKERY, "documents")).plaintext for _ in range(20)}

    assert len(keys) == 20


@pytest.mark.parametrize(
    "secret",
    [b"", b"\0", MARKER, bytes(range(256)) * (MAX_SECRET_BYTES // 256)],
    ids=("empty", "zero", "text", "longest"),
)
async def test_a_sealed_secret_is_unsealed_unchanged(kms: KmsService, secret: bytes) -> None:
    assert await kms.unseal(BAKERY, "env", await kms.seal(BAKERY, "env", secret)) == secret


async def test_a_data_key_and_a_secret_cannot_be_exchanged_for_each_other(kms: KmsService) -> None:
    key, secret = await kms.generate_data_key(BAKERY, "x"), await kms.seal(BAKERY, "x", os.urandom(32))

    with pytest.raises(DecryptionFailed):
        await kms.unseal(BAKERY, "x", key.wrapped)
    with pytest.raises(DecryptionFailed):
        await kms.unwrap_data_key(BAKERY, "x", secret)


async def test_data_keys_of_older_key_versions_stay_readable(kms: KmsService) -> None:
    first = await kms.generate_data_key(BAKERY, "documents")

    assert [await kms.rotate(BAKERY), await kms.rotate(BAKERY)] == [2, 3]

    third = await kms.generate_data_key(BAKERY, "documents")
    assert third.wrapped.startswith("bunkms:v3:")
    for key in (first, third):
        assert await kms.unwrap_data_key(BAKERY, "documents", key.wrapped) == key.plaintext
    assert (await kms.seal(LIBRARY, "env", b"")).startswith("bunkms:v1:")


async def test_a_sealed_value_with_a_changed_version_is_refused(kms: KmsService) -> None:
    await kms.rotate(BAKERY)
    sealed = await kms.seal(BAKERY, "env", MARKER)

    with pytest.raises(DecryptionFailed):
        await kms.unseal(BAKERY, "env", sealed.replace("bunkms:v2:", "bunkms:v1:"))


async def test_ten_rotations_at_once_leave_every_version_readable(kms: KmsService) -> None:
    sealed = await kms.seal(BAKERY, "env", MARKER)

    versions = await asyncio.gather(*(kms.rotate(BAKERY) for _ in range(10)))

    newest = await kms.store.newest(BAKERY)
    assert newest is not None
    assert newest.version == max(versions)
    assert await kms.unseal(BAKERY, "env", sealed) == MARKER


USES: dict[str, Callable[[KmsService, str], Awaitable[object]]] = {
    "create_keys": lambda kms, owner: kms.create_keys(owner),
    "generate_data_key": lambda kms, owner: kms.generate_data_key(owner, "x"),
    "unwrap_data_key": lambda kms, owner: kms.unwrap_data_key(owner, "x", "bunkms:v1:AAAA"),
    "seal": lambda kms, owner: kms.seal(owner, "x", b""),
    "unseal": lambda kms, owner: kms.unseal(owner, "x", "bunkms:v1:AAAA"),
    "sign": lambda kms, owner: kms.sign(owner, b"x"),
    "public_keys": lambda kms, owner: kms.public_keys(owner),
    "rotate": lambda kms, owner: kms.rotate(owner),
}


@pytest.mark.parametrize("use", USES)
async def test_every_operation_fails_after_the_keys_are_destroyed(kms: KmsService, use: str) -> None:
    await kms.sign(BAKERY, b"x")

    await kms.destroy(BAKERY)
    await kms.destroy(BAKERY)

    with pytest.raises(KeyDestroyed):
        await USES[use](kms, BAKERY)


@pytest.mark.parametrize("use", [use for use in USES if use != "create_keys"])
async def test_every_operation_fails_for_an_unknown_owner(kms: KmsService, use: str) -> None:
    with pytest.raises(KeyNotFound):
        await USES[use](kms, "prj_nobody")


async def test_an_unknown_owner_can_be_destroyed_and_then_gets_no_keys(kms: KmsService) -> None:
    await kms.destroy("prj_unborn")

    with pytest.raises(KeyDestroyed):
        await kms.create_keys("prj_unborn")


async def test_destruction_deletes_all_keys_of_one_owner_only(kms: KmsService, here: Site) -> None:
    sealed = await kms.seal(LIBRARY, "env", MARKER)
    await kms.sign(BAKERY, b"x")

    await kms.destroy(BAKERY)

    connection = await asyncpg.connect(here.database_url)
    for table in ("key_versions", "signing_keys"):
        assert await connection.fetchval(f"SELECT count(*) FROM bunkms.{table} WHERE owner = $1", BAKERY) == 0
    await connection.close()
    assert await kms.unseal(LIBRARY, "env", sealed) == MARKER


async def test_creating_keys_again_changes_nothing(kms: KmsService) -> None:
    sealed = await kms.seal(BAKERY, "env", MARKER)

    await asyncio.gather(*(kms.create_keys(BAKERY) for _ in range(5)))

    assert await kms.unseal(BAKERY, "env", sealed) == MARKER


async def test_simultaneous_first_signatures_make_one_signing_key(kms: KmsService, here: Site) -> None:
    async with opened(MODULE, Rooms(), here) as other:
        signatures = await asyncio.gather(*((kms, other)[n % 2].sign(BAKERY, b"message") for n in range(10)))

    (key,) = await kms.public_keys(BAKERY)
    assert {signature.kid for signature in signatures} == {key.kid}
    for signature in signatures:
        verify(key, signature.signature, b"message")
    with pytest.raises(InvalidSignature):
        verify(key, signatures[0].signature, b"another message")


async def test_each_owner_has_its_own_signing_key(kms: KmsService) -> None:
    signature = await kms.sign(BAKERY, b"message")
    (key,) = await kms.public_keys(LIBRARY)

    assert key.kid != signature.kid
    with pytest.raises(InvalidSignature):
        verify(key, signature.signature, b"message")


def test_the_id_of_a_signing_key_is_its_thumbprint() -> None:
    for algorithm in SigningAlgorithm:
        public = new_signing_key(algorithm).public

        assert JWKRegistry.import_key({**public.jwk()}).thumbprint() == public.kid


async def test_a_key_of_another_algorithm_is_published_before_it_signs_and_the_old_one_afterwards(
    tmp_path: Path, database_url: str
) -> None:
    clock = ManualClock()
    async with opened(MODULE, Rooms(), site(tmp_path, database_url, clock)) as kms:
        await kms.create_keys(BAKERY)
        (first,) = await kms.public_keys(BAKERY)

        await asyncio.gather(*(kms.renew_signing_key(BAKERY, SigningAlgorithm.ES256) for _ in range(4)))
        await kms.renew_signing_key(BAKERY, SigningAlgorithm.ES256)
        at_once = await kms.public_keys(BAKERY)
        signed_at_once = await kms.sign(BAKERY, b"message")
        clock.advance(150)
        later = await kms.public_keys(BAKERY)
        signed_later = await kms.sign(BAKERY, b"message")
        await kms.renew_signing_key(BAKERY, SigningAlgorithm.RS256)
        clock.advance(25 * 3600 + 150)
        at_last = await kms.public_keys(BAKERY)

    second = at_once[1]
    assert (first.alg, second.alg) == (SigningAlgorithm.RS256, SigningAlgorithm.ES256)
    assert at_once == (first, second)
    assert (signed_at_once.kid, signed_later.kid) == (first.kid, second.kid)
    assert later == (second, first)
    assert [key.alg for key in at_last] == [SigningAlgorithm.RS256]
    assert at_last[0].kid != first.kid


async def test_a_key_in_memory_signs_no_longer_after_it_was_replaced_or_destroyed(kms: KmsService, here: Site) -> None:
    first = (await kms.sign(BAKERY, b"message")).kid
    async with opened(MODULE, Rooms(), here) as other:
        await asyncio.gather(*(other.replace_signing_keys(BAKERY, SigningAlgorithm.ES256) for _ in range(3)))
        (only,) = await kms.public_keys(BAKERY)
        assert (await kms.sign(BAKERY, b"message")).kid == only.kid != first

        await other.destroy(BAKERY)
    with pytest.raises(KeyDestroyed):
        await kms.sign(BAKERY, b"message")


async def test_two_processes_unseal_the_secrets_of_each_other(kms: KmsService, here: Site) -> None:
    async with opened(MODULE, Rooms(), here) as other:
        mine, theirs = await kms.seal(BAKERY, "env", b"mine"), await other.seal(BAKERY, "env", b"theirs")

        assert await other.unseal(BAKERY, "env", mine) == b"mine"
        assert await kms.unseal(BAKERY, "env", theirs) == b"theirs"
        await other.destroy(BAKERY)

    with pytest.raises(KeyDestroyed):
        await kms.unseal(BAKERY, "env", mine)


async def test_keys_survive_a_restart(here: Site) -> None:
    async with opened(MODULE, Rooms(), here) as first:
        await first.create_keys(BAKERY)
        sealed, signed = await first.seal(BAKERY, "env", MARKER), await first.sign(BAKERY, b"message")

    async with opened(MODULE, Rooms(), here) as second:
        assert await second.unseal(BAKERY, "env", sealed) == MARKER
        assert (await second.public_keys(BAKERY))[0].kid == signed.kid


async def test_a_start_with_another_master_key_fails(kms: KmsService, here: Site) -> None:
    wrong = KmsSettings(master_key=base64.b64encode(os.urandom(32)).decode())

    with pytest.raises(WrongMasterKey, match="another master key"):
        async with opened(MODULE, Rooms(), here, settings=wrong):
            pass


async def test_the_tables_contain_no_plaintext_key_or_secret(kms: KmsService, here: Site) -> None:
    data_key = await kms.generate_data_key(BAKERY, "documents")
    await kms.sign(BAKERY, MARKER)
    await kms.seal(BAKERY, "env", MARKER)
    newest, signing = await kms.store.newest(BAKERY), (await kms.store.signing_keys(BAKERY))[0]
    assert newest is not None

    stored = await everything_in(here.database_url, "bunkms")

    for secret in (MARKER, data_key.plaintext, kms._unwrapped(BAKERY, newest), kms.master_key):
        assert secret not in stored
        assert base64.b64encode(secret) not in stored
    assert newest.wrapped in stored  # This proves that the search can find stored values.
    assert signing.wrapped in stored


async def test_a_secret_above_the_size_limit_is_refused(kms: KmsService) -> None:
    with pytest.raises(InvalidInput, match="with a data key"):
        await kms.seal(BAKERY, "env", bytes(MAX_SECRET_BYTES + 1))


async def test_operations_are_counted_by_outcome(kms: KmsService) -> None:
    def count(outcome: str) -> float:
        value: float = kms_ops.labels("unseal", outcome)._value.get()
        return value

    good, bad = count("ok"), count("decryption_failed")
    await kms.unseal(BAKERY, "env", await kms.seal(BAKERY, "env", b""))
    with pytest.raises(DecryptionFailed):
        await kms.unseal(BAKERY, "env", "nonsense")

    assert (count("ok"), count("decryption_failed")) == (good + 1, bad + 1)


async def test_a_new_installation_with_a_weak_master_key_does_not_start(here: Site) -> None:
    """An existing installation with a weak master key still opens its secrets."""
    weak = base64.b64encode(b"\0" * 32).decode()

    with pytest.raises(WrongMasterKey, match="easy to guess; make a key with"):
        async with opened(MODULE, Rooms(), here, settings=KmsSettings(master_key=weak)):
            pass

    async with open_database(here.database_url, "bunkms", "bunbase.bunkms.migrations") as db:
        old = KmsService(KeyStore(db), b"\0" * 32, SystemClock())
        await old.create_keys(INSTANCE)
        sealed = await old.seal(INSTANCE, "x", MARKER)
    async with opened(MODULE, Rooms(), here, settings=KmsSettings(master_key=weak)) as kms:
        assert await kms.unseal(INSTANCE, "x", sealed) == MARKER
