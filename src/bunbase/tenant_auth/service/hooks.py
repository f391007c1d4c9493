"""Call the hooks of a project: functions that its developers have deployed and named in the setting `hooks`.

    hook            is called                                        if it fails
    before_signup   before a user is stored; may refuse or change    nobody is signed up
    before_token    before an access token is signed; adds claims    no token is made
    after_signup    as a job, after the user was stored              the job is repeated
    send_mail       by the job that sends mails, in place of SMTP    the mail waits for another attempt
    send_sms        for a text message                               the message is not sent

No transaction is open while a hook runs, so a slow hook locks nothing. A hook may change the user about whom it is
called. Therefore code that stores something afterwards first compares the version of the user. `after_signup` is an
event in the outbox, written in the transaction that stores the user.

Only Functions can run a function. This module makes the Caller that tells Functions the project.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final, TypeVar

import msgspec

from bunbase.contracts.caller import Caller, CallerKind
from bunbase.contracts.functions.hooks import (
    OF_USERS,
    HookAnswer,
    HookCall,
    HookLoop,
    HookName,
    HookState,
    UnusableAnswer,
    recorded,
)
from bunbase.contracts.functions.problems import FunctionNotFound
from bunbase.contracts.functions.service import Functions
from bunbase.contracts.tenant_auth.problems import HookFailed
from bunbase.contracts.tenant_auth.settings import Hooks as HookSettings
from bunbase.pkg.api_json import api_builtins
from bunbase.pkg.errors import InvalidInput, Problem, Unreachable
from bunbase.pkg.logger import logger
from bunbase.pkg.mail.headers import one_line
from bunbase.pkg.mail.letters import ClaimedMail
from bunbase.pkg.mail.smtp import Undelivered
from bunbase.tenant_auth.access_tokens import Subject
from bunbase.tenant_auth.hook_answers import added_claims, admitted
from bunbase.tenant_auth.people import Person
from bunbase.tenant_auth.pool import Pool, Pools
from bunbase.tenant_auth.sign_in_methods import SignInMethod
from bunbase.tenant_auth.text_messages import TextMessage

log = logger("tenant_auth")

SIGNED_UP: Final = "signed_up"  # The events in the outbox have this topic.

Json = dict[str, Any]
T = TypeVar("T")


class SignedUp(msgspec.Struct, frozen=True):
    """An event in the outbox: a user has signed up."""

    project: str
    user: str
    provider: str


class Hooks:
    def __init__(self, pools: Pools, functions: Functions) -> None:
        self.pools = pools
        self.stores = pools.stores
        self.functions = functions

    async def before_signup(self, caller: Caller, person: Person, method: SignInMethod, invited: bool) -> Person:
        """Return the new user with the changes of the hook. Do not call this inside a transaction.

        Raises: SignupRefused, HookFailed, HookLoop.
        """
        pool = await self.pools.of(caller.project)
        if not pool.auth.hooks.before_signup:
            return person
        event = {"user": person.user, "method": _shown(method), "invited": invited, "ip": caller.ip}
        read = partial(admitted, pool.auth.hooks.before_signup, person)
        return await self._decided(pool, HookName.BEFORE_SIGNUP, event, read, caller.depth)

    async def before_token(self, pool: Pool, subject: Subject, reason: str) -> Json:
        """Return the claims that the hook adds to an access token. Do not call this inside a transaction.

        Raises: HookFailed, HookLoop.
        """
        if not pool.auth.hooks.before_token:
            return {}
        event = {
            "user": subject.user,
            "method": _shown(subject.method),
            "session": subject.session,
            "reason": reason,
        }
        read = partial(added_claims, pool.auth.hooks.before_token, subject.claims | subject.user.claims)
        return await self._decided(pool, HookName.BEFORE_TOKEN, event, read)

    async def note_signup(self, project: str, person: Person, method: SignInMethod) -> None:
        """Store the event that a user has signed up. Call this in the transaction that stores the user."""
        if (await self.pools.of(project)).auth.hooks.after_signup:
            await self.stores.outbox.post(SIGNED_UP, SignedUp(project, person.id, method.provider))

    async def deliver(self, _topic: str, payload: Any) -> None:
        """Enqueue the hook `after_signup` for an event of the outbox. If the user no longer exists, do nothing.

        Raises: the problems of `Functions.enqueue_hook`. In this case the event waits, and is delivered again.
        """
        new = msgspec.convert(payload, SignedUp)
        pool, person = await self.pools.of(new.project), await self.stores.users.by_id(new.project, new.user)
        function = pool.auth.hooks.after_signup
        if person is None or not function:
            return
        call = HookCall(function, HookName.AFTER_SIGNUP, _event({"user": person.user, "provider": new.provider}))
        try:
            await self.functions.enqueue_hook(_project(pool), call, f"after_signup:{person.id}")
        except FunctionNotFound:
            log.warning("a hook was not run: there is no such function", hook="after_signup", project=new.project)

    async def send_sms(self, project: str, message: TextMessage) -> None:
        """Send a text message. Do not call this inside a transaction. Raises: HookFailed."""
        pool = await self.pools.of(project)
        if not pool.auth.hooks.send_sms:
            log.warning("a text message was not sent: the project has no hook send_sms", project=project)
            raise failed(HookName.SEND_SMS, FunctionNotFound.code)
        await self._run(pool, HookName.SEND_SMS, {"message": message})

    async def sends_mail(self, project: str) -> bool:
        """True if the hook `send_mail` sends the mails of a project."""
        return bool((await self.pools.of(project)).auth.hooks.send_mail)

    async def projects(self) -> list[str]:
        """Return the projects in which the hook `send_mail` sends the mails."""
        return await self.stores.settings.projects_that_send_mail()

    async def send(self, mail: ClaimedMail) -> None:
        """Send a mail of a project with its hook `send_mail`. Raises: Undelivered."""
        pool = await self.pools.of(mail.project)
        appearance = pool.auth.mail
        event = {
            "id": mail.id,
            "kind": mail.kind,
            "to": mail.recipient,
            "subject": one_line(mail.subject),
            "text": mail.plain,
            "html": mail.html,
            "from": one_line(appearance.sender),
            "reply_to": appearance.reply_to,
        }
        if not pool.auth.hooks.send_mail:
            raise Undelivered("the project has no hook send_mail any more", permanent=False)
        try:
            await self._run(pool, HookName.SEND_MAIL, {"mail": event})
        except Problem as problem:
            raise Undelivered(f"the hook send_mail of the project failed ({problem.code})", permanent=False) from None

    async def check_functions(self, project: str, before: HookSettings, after: HookSettings) -> None:
        """Check that the functions exist that a change of the settings names. Raises: InvalidInput.

        If Functions is unreachable, the change is stored without the check. This is safe: a hook without its function
        fails, so nobody can sign in.
        """
        for hook in OF_USERS:
            name = getattr(after, hook)
            if not name or name == getattr(before, hook):
                continue
            try:
                found = await self.functions.hook_state(Caller(CallerKind.SECRET, project=project), name, hook)
            except Unreachable:
                found = HookState.READY
                log.warning("a hook was set unchecked: functions cannot be asked", hook=hook.value, project=project)
            if found is HookState.NO_FUNCTION:
                advice = f"The project has no function {name}. Deploy it first: bunbase deploy {name}"
                raise InvalidInput.at(f"/hooks/{hook}", advice)

    async def _decided(self, pool: Pool, hook: HookName, event: Json, read: Callable[[Any], T], depth: int = 0) -> T:
        """Return the decision that `read` finds in the answer.

        Raises: HookFailed, HookLoop, and the problems of `read`.

        If the answer cannot be used, developers find the reason in the runs and the log of the function.
        """
        answer = await self._run(pool, hook, event, depth)
        try:
            return read(answer.value)
        except UnusableAnswer as unusable:
            log.warning("an answer of a hook was refused", hook=hook.value, project=pool.project, error=unusable.reason)
            refusal = self.functions.refuse_hook_answer(_project(pool), answer.run, unusable.reason)
            await recorded(refusal, pool.project, answer.run, unusable.reason)
            raise failed(hook, unusable.code) from unusable

    async def _run(self, pool: Pool, hook: HookName, event: Json, depth: int = 0) -> HookAnswer:
        """Return the answer of a hook. Raises: HookFailed, HookLoop."""
        hooks = pool.auth.hooks
        call = HookCall(getattr(hooks, hook), hook, _event(event), hooks.deadline_seconds)
        try:
            return await self.functions.run_hook(_project(pool, depth), call)
        except HookLoop:
            raise
        except Problem as problem:
            log.warning("a hook failed", hook=hook.value, project=pool.project, code=problem.code)
            raise failed(hook, problem.code) from problem


def failed(hook: HookName, cause: str) -> HookFailed:
    return HookFailed(
        f"The hook {hook} of this app failed. Try again later. Its developers find the reason in the runs and the log "
        "of the function.",
        hook=hook.value,
        cause=cause,
    )


def _event(event: Json) -> Json:
    """Return the event as plain JSON values, for the hook."""
    plain: Json = api_builtins(event)
    return plain


def _shown(method: SignInMethod) -> Json:
    return {"provider": method.provider, "amr": method.amr, "aal": method.aal}


def _project(pool: Pool, depth: int = 0) -> Caller:
    return Caller(CallerKind.SECRET, project=pool.project, depth=depth)
