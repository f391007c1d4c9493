"""Decide what an import does with each line of a batch. The result depends only on the lines and the existing users.

A line belongs to a known user if it has the id of this user. A line without an id belongs to a known user if it has the
user's address, phone number or an identity. Therefore a second import of the same file finds every user that the first
import has added, even after a crash in the middle.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

import msgspec

from bunbase.contracts.bunauth.problems import EmailTaken
from bunbase.contracts.tenant_auth.problems import PhoneTaken, UserExists
from bunbase.contracts.tenant_auth.transfers import OnConflict, UserLine
from bunbase.pkg.errors import Problem
from bunbase.pkg.identity.problems import IdentityTaken
from bunbase.pkg.ids import new_id
from bunbase.tenant_auth.import_lines import ReadUser

Subject = tuple[str, str]  # A provider, and the id of a person at this provider.


class Known(msgspec.Struct):
    """The ids, addresses, phones and identities that are taken, with the ids of their users.

    A planned line adds its own values, so that later lines of the same batch see them.
    """

    ids: set[str]
    emails: dict[str, str]
    phones: dict[str, str]
    subjects: dict[Subject, str]

    def owners(self, line: UserLine) -> list[str]:
        """Return the users that have the address, the phone or an identity of a line, in this order."""
        found = [self.emails.get(line.email or ""), self.phones.get(line.phone or "")]
        found += [self.subjects.get((one.provider, one.subject)) for one in line.identities]
        return [owner for owner in found if owner is not None]

    def add(self, id: str, line: UserLine) -> None:
        self.ids.add(id)
        if line.email:
            self.emails[line.email] = id
        if line.phone:
            self.phones[line.phone] = id
        self.subjects |= {(one.provider, one.subject): id for one in line.identities}


class Planned(msgspec.Struct, frozen=True):
    number: int
    id: str
    line: UserLine


class Plan(msgspec.Struct):
    new: list[Planned] = []
    known: list[Planned] = []  # These users will be updated.
    skipped: int = 0
    refused: list[tuple[int, Problem]] = []

    def add(self, other: Plan) -> None:
        self.new += other.new
        self.known += other.known
        self.skipped += other.skipped
        self.refused += other.refused


def planned(lines: Sequence[ReadUser], known: Known, on_conflict: OnConflict) -> Plan:
    plan = Plan()
    for one in lines:
        if isinstance(one.user, Problem):
            plan.refused.append((one.number, one.user))
            continue
        try:
            _add_to(plan, one.number, one.user, known, on_conflict)
        except Problem as problem:
            plan.refused.append((one.number, problem))
    return plan


def _add_to(plan: Plan, number: int, line: UserLine, known: Known, on_conflict: OnConflict) -> None:
    """Add the values of a line to a known user. Raises: UserExists, EmailTaken, PhoneTaken, IdentityTaken."""
    owners = known.owners(line)
    id = line.id or (owners[0] if owners else new_id("usr"))
    if id not in known.ids:
        _check_free(id, line, known)
        known.add(id, line)
        plan.new.append(Planned(number, id, line))
        return
    match on_conflict:
        case OnConflict.SKIP:
            plan.skipped += 1
        case OnConflict.ERROR:
            raise UserExists(f"The user has the id {id}. To keep such users, send on_conflict=skip; or use update.")
        case OnConflict.UPDATE:
            _check_free(id, line, known)
            known.add(id, line)
            plan.known.append(Planned(number, id, line))
        case _ as never:
            assert_never(never)


def _check_free(id: str, line: UserLine, known: Known) -> None:
    """Refuse values that belong to another user.

    Raises: EmailTaken, PhoneTaken or IdentityTaken if another user has a value of the line.
    """
    if known.emails.get(line.email or "", id) != id:
        raise EmailTaken(f"The user {known.emails[line.email or '']} has this address.")
    if known.phones.get(line.phone or "", id) != id:
        raise PhoneTaken(f"The user {known.phones[line.phone or '']} has this number.")
    for one in line.identities:
        if (owner := known.subjects.get((one.provider, one.subject), id)) != id:
            raise IdentityTaken(f"The user {owner} has this identity of {one.provider}.")
