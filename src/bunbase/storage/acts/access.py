"""Find out whether a caller may read or write an object: by a link, by the rules, or as a server or member."""

from __future__ import annotations

import msgspec

from bunbase.contracts.caller import Act, Caller, CallerKind
from bunbase.contracts.storage import InvalidLink, ObjectNotFound, Place
from bunbase.storage.deciding import Question, Values
from bunbase.storage.holdings import Holdings
from bunbase.storage.links import REFUSED, Grant, checked
from bunbase.storage.rules import OpenBucket, object_values, time_of
from bunbase.storage.store.objects import ObjectRow, Properties


class Access:
    def __init__(self, holdings: Holdings) -> None:
        self.holdings = holdings
        self.deciding = holdings.deciding

    def grant_of(self, caller: Caller, roots: dict[int, bytes], bucket: OpenBucket, place: Place, method: str) -> Grant:
        """Return the right that a link gives to this request. Raises: InvalidLink."""
        grant = checked(roots, caller.project, place.link, self.holdings.clock.now().timestamp())
        if (grant.bucket, grant.key, grant.method) != (bucket.id, place.key, method):
            raise InvalidLink(REFUSED)
        return grant

    async def need_read(self, caller: Caller, ruled: bool, bucket: OpenBucket, row: ObjectRow | None, key: str) -> None:
        """Check that a caller may read an object. A rule hides an object as if it did not exist.

        Raises: RuleDenied if there is no rule, ObjectNotFound.
        """
        if not ruled:
            if row is None:
                raise no_object(key)
            return
        question = Question(bucket, "get", None if row is None else object_values(row, bucket.name))
        if "get" not in bucket.rules:
            raise await self.deciding.refusal(caller, question)
        if row is None:
            raise no_object(key)
        if not await self.deciding.allows(caller, question):
            if caller.explain:
                raise await self.deciding.refusal(caller, question)
            raise no_object(key)

    async def need_write(self, caller: Caller, bucket: OpenBucket, row: ObjectRow | None, next: Values) -> None:
        """Check that the rules allow a caller to write an object. Raises: RuleDenied."""
        before = None if row is None else object_values(row, bucket.name)
        question = Question(bucket, "create" if row is None else "update", before, next)
        if not await self.deciding.allows(caller, question):
            raise await self.deciding.refusal(caller, question)

    async def need_delete(self, caller: Caller, bucket: OpenBucket, row: ObjectRow | None, key: str) -> None:
        """Check that the rules allow a caller to delete an object. Callers who may not see it get ObjectNotFound.

        Raises: RuleDenied, ObjectNotFound.
        """
        values = None if row is None else object_values(row, bucket.name)
        question = Question(bucket, "delete", values)
        if "delete" not in bucket.rules:
            raise await self.deciding.refusal(caller, question)
        if row is None:
            raise no_object(key)
        if not await self.deciding.allows(caller, question):
            if caller.explain or await self.deciding.allows(caller, Question(bucket, "get", values)):
                raise await self.deciding.refusal(caller, question)
            raise no_object(key)

    def is_ruled(self, caller: Caller, act: Act) -> bool:
        """Return True if rules decide about the caller. Raises: RuleDenied, Forbidden, InsufficientScope."""
        return self.deciding.is_ruled(caller, act)

    def proposed(self, place: tuple[str, str], new: Properties, row: ObjectRow | None, owner: str | None) -> Values:
        """Return the value of `next`. `place`: the bucket and the key. An object that exists keeps its owner."""
        now = time_of(self.holdings.now_ms())
        return {
            "key": place[1],
            "bucket": place[0],
            "size": new.size,
            "content_type": new.content_type,
            "owner": owner if row is None else row.owner,
            "metadata": msgspec.json.decode(new.metadata),
            "created": now if row is None else time_of(row.created),
            "updated": now,
        }


def owner_of(caller: Caller) -> str | None:
    """Return the user who owns what this caller creates. Servers and members create objects without an owner."""
    return caller.user.uid if caller.kind is CallerKind.PUBLISHABLE and caller.user is not None else None


def holder_of(caller: Caller) -> str:
    """Return the user or the address to which an upload counts; "" for servers and members."""
    if caller.kind in (CallerKind.SECRET, CallerKind.DEVELOPER) or caller.act:
        return ""
    return caller.user.uid if caller.user is not None else f"address {caller.ip}"


def no_object(key: str) -> ObjectNotFound:
    return ObjectNotFound(f"There is no object {key[:200]!r} in this bucket, or you may not see it.")
