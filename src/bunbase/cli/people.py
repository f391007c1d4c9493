"""Find the account that an email address on the command line means."""

from __future__ import annotations

from typing import Final

from bunbase.cli.errors import Failure
from bunbase.cli.http import Call, at
from bunbase.cli.session import Session
from bunbase.contracts.bunauth.administration import ManagedAccount, ManagedAccounts
from bunbase.contracts.platform import Members

# the command compares at most this number of addresses that begin with the given address, such as addresses in a longer
# domain
NEAR: Final = 20


def account_id(ref: str, session: Session) -> str:
    """Return the id of an account of the installation. `ref`: its email address or id. Only administrators can use it.

    Raises: Failure, if no account has the address.
    """
    if "@" not in ref:
        return ref
    call = Call("GET", at("admin", "accounts"), params={"email": ref, "limit": NEAR})
    for one in session.ask(ManagedAccounts, call).items:
        if same_address(one.email, ref):
            return one.id
    raise Failure("account_not_found", f"There is no account {ref}. See: bunbase admin accounts")


def existing_account(ref: str, session: Session) -> ManagedAccount:
    """Return an account of the installation, so that a question can name its owner. Raises: Failure, Refused."""
    return session.ask(ManagedAccount, Call("GET", at("admin", "accounts", account_id(ref, session))))


def member_id(ref: str, members: str, session: Session) -> str:
    """Return the id of a member. `ref`: the member's email address or id. `members`: the path of the list of members.

    Raises: Failure, if there is no such member.
    """
    for one in session.ask_all(Members, Call("GET", members)).items:
        if ref == one.user.id or same_address(one.user.email, ref):
            return one.user.id
    raise Failure("member_not_found", f"There is no member {ref}. See: bunbase members list")


def same_address(one: str, other: str) -> bool:
    return one.casefold() == other.casefold()
