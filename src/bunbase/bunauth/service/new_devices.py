"""Inform the owner of an account about a sign-in from a device that the account has never used."""

from __future__ import annotations

from bunbase.bunauth.service.activity import Happened
from bunbase.bunauth.service.letters import Letters
from bunbase.bunauth.store import Stores
from bunbase.bunauth.store.accounts import Credentials
from bunbase.contracts.bunauth.activity import ActivityMethod
from bunbase.contracts.caller import Caller
from bunbase.pkg.clock import Clock
from bunbase.pkg.identity.devices import device_of


class NewDevices:
    """Records devices. `tells`: true if the owner gets a mail about a new device; a setting turns these mails off."""

    def __init__(self, stores: Stores, letters: Letters, clock: Clock, tells: bool) -> None:
        self.stores = stores
        self.letters = letters
        self.clock = clock
        self.tells = tells

    async def note(self, caller: Caller, account: Credentials, happened: Happened) -> None:
        """Record the device of a sign-in. Call this inside the transaction that opens the session.

        A registration causes no mail, because the owner has just opened the account on this device. In all other cases,
        the first recorded device may belong to a thief: the account may have been idle, or may be older than the list
        of devices.
        """
        now = self.clock.now()
        new = await self.stores.known_devices.note(account.id, device_of(caller.agent, caller.ip), now)
        if new and self.tells and happened.method is not ActivityMethod.REGISTRATION:
            letter = self.letters.account.new_sign_in(account.email, now, caller.agent, caller.ip)
            await self.stores.mails.post(letter)
