"""The methods of the contract that are about second factors, passkeys and reauthentication."""

from __future__ import annotations

from typing import Any

from bunbase.bunauth.service.factor_removal import FactorRemoval
from bunbase.bunauth.service.passkeys import PasskeyService
from bunbase.bunauth.service.proofs import Proofs
from bunbase.bunauth.service.second_factor import SecondFactorSignIn
from bunbase.bunauth.service.totp import Totp
from bunbase.contracts.bunauth.accounts import Proof, SignedIn
from bunbase.contracts.bunauth.factors import (
    NewTotp,
    Passkey,
    PasskeyOptions,
    Passkeys,
    RecoveryCodes,
    SecondFactor,
    TotpState,
)
from bunbase.contracts.caller import Caller


class FactorMethods:
    """Every method calls the part that does the work."""

    account_passkeys: PasskeyService
    factor_removal: FactorRemoval
    proofs: Proofs
    second_factor: SecondFactorSignIn
    totp: Totp

    async def login_with_second_factor(self, caller: Caller, challenge: str, answer: SecondFactor) -> SignedIn:
        return await self.second_factor.finish(caller, challenge, answer)

    async def passkey_login_options(self, challenge: str | None) -> PasskeyOptions:
        if challenge is None:
            return await self.account_passkeys.sign_in_options()
        return await self.second_factor.passkey_options(challenge)

    async def login_with_passkey(self, caller: Caller, credential: dict[str, Any]) -> SignedIn:
        return await self.account_passkeys.sign_in(caller, credential)

    async def reauthenticate(self, caller: Caller, proof: Proof) -> None:
        await self.proofs.reauthenticate(caller, proof)

    async def proof_options(self, caller: Caller) -> PasskeyOptions:
        return await self.proofs.passkey_options(caller)

    async def need_fresh_proof(self, caller: Caller) -> None:
        await self.proofs.need_fresh(caller)

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

    async def passkeys(self, caller: Caller) -> Passkeys:
        return await self.account_passkeys.list(caller)

    async def passkey_options(self, caller: Caller) -> PasskeyOptions:
        return await self.account_passkeys.registration_options(caller)

    async def register_passkey(self, caller: Caller, credential: dict[str, Any], name: str) -> Passkey:
        return await self.account_passkeys.register(caller, credential, name)

    async def rename_passkey(self, caller: Caller, id: str, name: str) -> None:
        await self.account_passkeys.rename(caller, id, name)

    async def delete_passkey(self, caller: Caller, id: str) -> None:
        await self.account_passkeys.delete(caller, id)

    async def remove_factors(self, caller: Caller, id: str) -> None:
        await self.factor_removal.remove(caller, id)
