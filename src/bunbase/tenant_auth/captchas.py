"""Check the token of a captcha with the service that made it: Cloudflare Turnstile or hCaptcha.

Both services use the same protocol: a POST of a form with `secret`, `response` and `remoteip` to `siteverify` returns
JSON with `success`. The services make sure that a token works only once.

- https://developers.cloudflare.com/turnstile/get-started/server-side-validation/
- https://docs.hcaptcha.com/#verify-the-user-response-server-side

If the service does not answer, BunBase refuses the request. Otherwise, an attacker could first overload the service,
and then send requests without a captcha.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import msgspec

from bunbase.contracts.caller import Caller, CallerKind
from bunbase.contracts.tenant_auth.problems import CaptchaRefused, CaptchaRequired, CaptchaUnavailable
from bunbase.pkg.logger import logger
from bunbase.pkg.outgoing import Outgoing, RequestFailed
from bunbase.pkg.web_pages.forms import FORM_TYPE
from bunbase.tenant_auth.pool import SETTINGS, Pool

URLS: Final = {
    "turnstile": "https://challenges.cloudflare.com/turnstile/v0/siteverify",
    "hcaptcha": "https://api.hcaptcha.com/siteverify",
}
DEADLINE_SECONDS: Final = 3.0
# A token has at most this many characters. Tokens of Turnstile have at most 2,048, and tokens of hCaptcha have a few
# thousand.
MAX_TOKEN: Final = 10_000
FORM: Final = {"content-type": FORM_TYPE, "accept": "application/json"}
# These error codes mean that the project's settings are wrong.
OURS: Final = ("missing-input-secret", "invalid-input-secret", "sitekey-secret-mismatch")

log = logger("tenant_auth")


class _Verdict(msgspec.Struct, frozen=True):
    success: bool
    errors: Any = msgspec.field(default=(), name="error-codes")


class Captchas:
    """Checks captchas. `urls`: URLs to use instead of the URLs of the services."""

    def __init__(self, urls: Mapping[str, str]) -> None:
        self.urls = URLS | dict(urls)
        hosts = [urlsplit(url).hostname or "" for url in urls.values()]
        self.outgoing = Outgoing(hosts, DEADLINE_SECONDS)

    async def check(self, caller: Caller, pool: Pool, token: str) -> None:
        """Check the token if the project has a captcha. The project's own server needs no token.

        Call this before any action that is expensive, or that could reveal whether an address has a user.
        Raises: CaptchaRequired, CaptchaRefused, CaptchaUnavailable.
        """
        chosen = pool.auth.captcha
        if not chosen.provider or caller.kind is CallerKind.SECRET:
            return
        if not token:
            raise CaptchaRequired(
                "Show the widget of the captcha, and send its token as captcha.",
                provider=chosen.provider,
                site_key=chosen.site_key,
            )
        if len(token) > MAX_TOKEN:
            raise _refused()
        sealed = pool.sealed.get("captcha", "")
        secret = await pool.vault.unsealed(f"{SETTINGS}captcha", sealed) if sealed else ""
        sent = {"secret": secret, "response": token, "remoteip": caller.ip, "sitekey": chosen.site_key}
        verdict = await self._verdict(pool.project, chosen.provider, sent)
        if not verdict.success:
            self._explain(pool.project, verdict)
            raise _refused()

    async def close(self) -> None:
        await self.outgoing.close()

    async def _verdict(self, project: str, provider: str, sent: dict[str, str]) -> _Verdict:
        try:
            answer = await self.outgoing.post(self.urls.get(provider, ""), FORM, urlencode(sent).encode())
            if answer.status != 200:
                raise RequestFailed(f"the service answered {answer.status}")
            return msgspec.json.decode(answer.body, type=_Verdict)
        except (RequestFailed, msgspec.MsgspecError, RecursionError) as failed:
            log.warning("a captcha could not be checked", project=project, provider=provider, reason=str(failed)[:500])
            raise CaptchaUnavailable("Try again in a minute.") from None

    def _explain(self, project: str, verdict: _Verdict) -> None:
        """If wrong settings of the project have caused a refusal, log it for the operator."""
        errors = verdict.errors if isinstance(verdict.errors, list) else []
        faults = [error for error in errors if error in OURS]
        if faults:
            log.warning("a captcha service refuses the keys of a project", project=project, errors=faults)


def _refused() -> CaptchaRefused:
    return CaptchaRefused("A token works once, for a few minutes: show the widget again, and send its new token.")
