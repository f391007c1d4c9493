"""The methods of the contract that are about the sign-in of devices."""

from __future__ import annotations

from bunbase.bunauth.service.device_logins import DeviceLogins
from bunbase.contracts.bunauth.accounts import SignedIn
from bunbase.contracts.bunauth.devices import DeviceLogin, WaitingDevice
from bunbase.contracts.caller import Caller


class DeviceMethods:
    """Every method calls the part that does the work."""

    device_logins: DeviceLogins

    async def start_device_login(self, caller: Caller, client: str) -> DeviceLogin:
        return await self.device_logins.start(caller, client)

    async def poll_device_login(self, caller: Caller, device_code: str) -> SignedIn:
        return await self.device_logins.poll(caller, device_code)

    async def waiting_device(self, user_code: str) -> WaitingDevice:
        return await self.device_logins.waiting(user_code)

    async def decide_device_login(self, caller: Caller, user_code: str, approve: bool) -> None:
        await self.device_logins.decide(caller, user_code, approve)

    async def decide_device_login_by_password(
        self, caller: Caller, user_code: str, email: str, password: str, approve: bool
    ) -> None:
        await self.device_logins.decide_by_password(caller, user_code, email, password, approve)

    async def decide_device_login_by_code(
        self, caller: Caller, user_code: str, challenge: str, code: str, approve: bool
    ) -> int | None:
        return await self.device_logins.decide_by_code(caller, user_code, challenge, code, approve)

    async def decide_device_login_by_pass(self, caller: Caller, user_code: str, cookie: str, approve: bool) -> None:
        await self.device_logins.decide_by_pass(caller, user_code, cookie, approve)
