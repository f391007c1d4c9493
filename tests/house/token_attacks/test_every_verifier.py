"""One table of attacks over every verifier of the house, and every kind of token at every verifier."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from functools import partial

import pytest
import pytest_asyncio

from bunbase.gateway import revoked
from tests.conftest import new_database
from tests.house.token_attacks.attacks import ATTACKS
from tests.house.token_attacks.house import House, opened_house
from tests.house.token_attacks.places import checking_functions, users_of_the_library
from tests.house.token_attacks.rows import Verifier
from tests.pkg.waiting import until_true


@pytest_asyncio.fixture(scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory, postgres: str, filled: str) -> AsyncIterator[House]:
    async with new_database(postgres, filled) as url, opened_house(tmp_path_factory.mktemp("house"), url) as opened:
        yield opened


@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")  # providers may still use this name of Ed25519
async def test_every_verifier_refuses_every_attack_and_accepts_the_genuine_token(house: House) -> None:
    wrong: list[str] = []
    for verifier, issuer in house.rows():
        assert await verifier.accepts(issuer.token()), verifier.name
        for name in ATTACKS.keys() - verifier.exempt.keys():
            wrong += [f"{verifier.name}: {name}, {how}" for how in await believed(verifier, ATTACKS[name](issuer))]
        assert await verifier.accepts(issuer.token()), verifier.name

    assert wrong == [], "\n".join(wrong[:80])


async def test_a_token_that_is_signed_with_another_key_of_the_house_is_refused(house: House) -> None:
    """The key belongs to another room, project, client or provider, and has its own name or a wrong name."""
    wrong: list[str] = []
    for verifier, issuer in house.rows():
        others = [one for one in (*house.issuers(), house.other_project) if one.key is not issuer.key]
        same = [one for one in others if one.algorithm == issuer.algorithm]
        forged = (issuer.signed_by(other, kid) for other in same for kid in (issuer.kid, other.kid))
        wrong += [f"{verifier.name}: {how}" for how in await believed(verifier, forged)]

    assert wrong == [], "\n".join(wrong[:80])


async def believed(verifier: Verifier, tokens: Iterator[str]) -> list[str]:
    """Return a line for each token that is accepted, or that raises anything but a refusal."""
    found = []
    for number, token in enumerate(tokens):
        try:
            accepted = await verifier.accepts(token)
        except Exception as error:
            found.append(f"number {number} raises {error!r}")
        else:
            found += [f"number {number} is accepted"] * accepted
    return found


async def test_every_kind_of_token_is_accepted_only_by_the_verifiers_of_its_kind(house: House) -> None:
    wrong = []
    for verifier in house.verifiers.values():
        for kind, token in house.tokens.items():
            accepted = await verifier.accepts(token())
            if accepted is not (kind in verifier.kinds):
                wrong.append(f"{verifier.name} {'accepts' if accepted else 'refuses'} {kind}")

    assert wrong == [], "\n".join(wrong)


async def test_the_gateway_accepts_genuine_tokens_also_while_it_hears_of_no_revocations(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A busy machine may delay the feeds.

    With delayed feeds, the gateway asks the rooms, so each genuine token has a real session.
    """
    monkeypatch.setattr(revoked, "STALE_SECONDS", -1.0)
    wrong = [
        row.name for row, issuer in house.rows() if "gateway" in row.name and not await row.accepts(issuer.token())
    ]

    assert wrong == []


def test_every_function_that_checks_a_token_has_a_row_in_the_table(house: House) -> None:
    """Add a row to `house.py` for a new verifier. Only `pkg/jwt.py` calls the library that checks signatures."""
    in_the_table = {place for verifier in house.verifiers.values() for place in verifier.places}

    assert checking_functions() == in_the_table
    assert users_of_the_library() == {"pkg.jwt"}


def test_every_exemption_names_an_attack_of_the_table(house: House) -> None:
    named = {name for verifier in house.verifiers.values() for name in verifier.exempt}

    assert named <= set(ATTACKS)


async def test_a_token_ends_with_its_key(house: House) -> None:
    """This test comes last, because it makes the developer's tokens of the other tests invalid."""
    verifiers = [house.verifiers[name] for name in ("JSON-RPC auth.verify", "gateway: developer")]
    token = house.tokens["developer"]()
    assert [await verifier.accepts(token) for verifier in verifiers] == [True, True]

    await house.bunauth.access.keys.replace_all()

    for verifier in verifiers:
        await until_true(partial(refused, verifier, token))


async def refused(verifier: Verifier, token: str) -> bool:
    return not await verifier.accepts(token)
