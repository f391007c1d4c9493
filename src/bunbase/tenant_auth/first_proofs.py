"""The first proof that an address, or a phone number, belongs to somebody.

Concern: a stranger makes a user with the address of another person, and waits. When the owner of the address proves it,
    both would share the user (pre-hijacking).
Decision: whoever proves the address first gets the user. Everything with which somebody else could come back ends
    here, and only here: the password, the phone number, identities, passkeys, other factors, sessions, open links, and
    a change of the address. A code, a link, another service and a new password by mail all call `take_over`. An
    invitation or a link of a sign-up never meets such a user: it makes a new one, or finds the address taken.
    A link that only confirms an address keeps the password and the sessions, because the person who signed up asks for
    it, and has set them. But what that person has begun for an address without a proof ends (`confirm`).
Rejected: to drop the password after a confirmation too. Everybody who signs up with a password would lose it.
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
    """Hand a user over to the person who has proved the address. Return False if the address was proved before.

    Call this in a transaction in which the user is locked.
    """
    if person.email is None or person.user.email_verified:
        return False
    await pool.users.change(pool.project, person.id, taken_over, pool.clock.now(), until)
    await pool.forget_ways_in(person.id)
    return True


async def confirm(pool: Pool, person: Person, until: float) -> bool:
    """Confirm the address of a user for the person who has signed up. Call and read this as `take_over`.

    An earlier request to change the address would need no consent of this address, so the request is deleted.
    """
    if person.user.email_verified:
        return False
    await pool.users.change(pool.project, person.id, with_verified_email, pool.clock.now(), until)
    await pool.stores.email_changes.forget(person.id)
    return True


async def take_over_number(pool: Pool, person: Person, until: float) -> None:
    """Hand a user with nothing but a number over to the person who has proved it. Call this as `take_over`."""
    await pool.users.change(pool.project, person.id, phone_taken_over, pool.clock.now(), until)
    await pool.forget_ways_in(person.id)


async def release_number(pool: Pool, person: Person, until: float) -> None:
    """Take a number that nobody proved from a user, for the person who has proved it. Call this as `take_over`."""
    await pool.users.change(pool.project, person.id, phone_released, pool.clock.now(), until)


async def has_only_a_number(pool: Pool, person: Person) -> bool:
    """True if nobody could sign in to the user without its number, so that nobody else can be its owner."""
    if person.email is not None or person.password_hash is not None:
        return False
    return (
        not await pool.stores.identities.of_account(person.id) and not (await pool.stores.factors.counts(person.id)).any
    )
