"""The methods of the contract that are about second factors and passkeys."""

from __future__ import annotations

from typing import Any

from bunbase.contracts.caller import Caller
from bunbase.contracts.tenant_auth.factors import EnrolledUser
from bunbase.contracts.tenant_auth.sessions import UserSignedIn
from bunbase.pkg.identity.factors import (
    NewTotp,
    Passkey,
    PasskeyOptions,
    Passkeys,
    RecoveryCodes,
    SecondFactor,
    TotpState,
)
from bunbase.tenant_auth.service.passkeys import UserPasskeys
from bunbase.tenant_auth.service.second_factor import SecondFactorSignIn
from bunbase.tenant_auth.service.totp import Totp


class FactorMethods:
    """Every method calls the part that does the work."""

    second_factor: SecondFactorSignIn
    totp: Totp
    user_passkeys: UserPasskeys

    async def login_with_second_factor(self, caller: Caller, challenge: str, answer: SecondFactor) -> UserSignedIn:
        return await self.second_factor.finish(caller, challenge, answer)

    async def start_enrolment(self, caller: Caller, challenge: str) -> NewTotp:
        return await self.second_factor.start_enrolment(caller, challenge)

    async def confirm_enrolment(self, caller: Caller, challenge: str, code: str) -> EnrolledUser:
        return await self.second_factor.confirm_enrolment(caller, challenge, code)

    async def totp_state(self, caller: Caller) -> TotpState:
        return await self.totp.state(caller)

    async def start_totp(self, caller: Caller) -> NewTotp:
        return await self.totp.start(caller)

    async def confirm_totp(self, caller: Caller, code: str) -> RecoveryCodes:
        return await self.totp.confirm(caller, code)

    async def remove_totp(self, caller: Caller) -> None:
        await self.totp.remove(caller)

    async def new_recovery_codes(self, caller: Caller) -> RecoveryCodes:
        return await self.totp.new_codes(caller)

    async def passkey_login_options(self, caller: Caller, challenge: str | None) -> PasskeyOptions:
        if challenge is None:
            return await self.user_passkeys.sign_in_options(caller)
        return await self.second_factor.passkey_options(caller, challenge)

    async def login_with_passkey(self, caller: Caller, credential: dict[str, Any]) -> UserSignedIn:
        return await self.user_passkeys.sign_in(caller, credential)

    async def passkeys(self, caller: Caller) -> Passkeys:
        return await self.user_passkeys.list(caller)

    async def passkey_options(self, caller: Caller) -> PasskeyOptions:
        return await self.user_passkeys.registration_options(caller)

    async def register_passkey(self, caller: Caller, credential: dict[str, Any], name: str) -> Passkey:
        return await self.user_passkeys.register(caller, credential, name)

    async def rename_passkey(self, caller: Caller, id: str, name: str) -> None:
        await self.user_passkeys.rename(caller, id, name)

    async def delete_passkey(self, caller: Caller, id: str) -> None:
        await self.user_passkeys.delete(caller, id)

    async def reset_user_factors(self, caller: Caller, id: str) -> None:
        await self.totp.reset(caller, id)
