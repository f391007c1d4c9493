"""The first proof that an address or a phone number belongs to a person.

Concern: an attacker creates a user with the address of another person, and waits. When the owner of the address proves
    that the address is theirs, both people could use the account (pre-hijacking).
Decision: the person who proves the address first gets the user. Everything with which somebody else could sign in ends
    here, and only here: the password, the phone number, identities, passkeys, other factors, sessions, open links, and
    a change of the address. A code, a link, another service and a new password by mail all call `take_over`. An
    invitation or a link of a sign-up never finds a user with an unproved address: it creates a new user, or fails
    because the address is taken. A link that only confirms an address keeps the password and the sessions, because the
    person who signed up has set them and has asked for the link. But `confirm` ends everything that this person has
    begun for an unproved address.
Rejected: to delete the password after a confirmation too. Everybody who signs up with a password would lose it.
"""

from __future__ import annotations

from bunbase.tenant_auth.people import (
    Person,
    phone_released,
    phone_taken_over,
    taken_over,
    with_verified_email,
)
from bunbase.tenant_auth.pool import Pool


async def take_over(pool: Pool, person: Person, until: float) -> bool:
    """Hand over a user to the person who has proved the address. Return False if the address was proved before.

    Call this in a transaction that has locked the user.
    """
    if person.email is None or person.user.email_verified:
        return False
    await pool.users.change(pool.project, person.id, taken_over, pool.clock.now(), until)
    await pool.forget_ways_in(person.id)
    return True


async def confirm(pool: Pool, person: Person, until: float) -> bool:
    """Confirm the address of a user for the person who has signed up. Return False if it was confirmed before.

    An earlier request to change the address would not need the consent of this address, so the request is deleted.
    Call this in a transaction that has locked the user.
    """
    if person.user.email_verified:
        return False
    await pool.users.change(pool.project, person.id, with_verified_email, pool.clock.now(), until)
    await pool.stores.email_changes.forget(person.id)
    return True


async def take_over_number(pool: Pool, person: Person, until: float) -> None:
    """Hand over a user that has only a phone number to the person who has proved the number.

    Call this in a transaction that has locked the user.
    """
    await pool.users.change(pool.project, person.id, phone_taken_over, pool.clock.now(), until)
    await pool.forget_ways_in(person.id)


async def release_number(pool: Pool, person: Person, until: float) -> None:
    """Remove an unproved number from a user, because another person has proved the number.

    Call this in a transaction that has locked the user.
    """
    await pool.users.change(pool.project, person.id, phone_released, pool.clock.now(), until)


async def has_only_a_number(pool: Pool, person: Person) -> bool:
    """True if the number is the only way to sign in to the user, so that nobody else can own the user."""
    if person.email is not None or person.password_hash is not None:
        return False
    return (
        not await pool.stores.identities.of_account(person.id) and not (await pool.stores.factors.counts(person.id)).any
    )
