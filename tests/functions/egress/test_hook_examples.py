"""The functions of docs/auth/hooks.md that send messages, with a site on loopback instead of the services."""

from __future__ import annotations

import re
from base64 import b64encode
from pathlib import Path
from urllib.parse import parse_qs

import msgspec
import pytest

from bunbase.cli.bundle import bundle
from bunbase.contracts.functions.deployments import Access, Bundle, FunctionConfig
from bunbase.contracts.functions.hooks import HookCall, HookName
from bunbase.functions.service import FunctionsService
from tests.functions.calls import MEMBER, SERVER
from tests.functions.egress.site import Seen, Site

GUIDE = Path(__file__).parents[3] / "docs" / "auth" / "hooks.md"
SERVICES = re.compile(r"https://(api\.twilio\.com|api\.resend\.com)")


@pytest.fixture
def functions(own_functions: FunctionsService) -> FunctionsService:
    return own_functions


def example(name: str) -> str:
    """Return the code of `functions/<name>.ts` from the guide."""
    [found] = re.findall(rf"```ts\n(// functions/{name}\.ts\n.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)
    return str(found)


async def deployed(functions: FunctionsService, net: Site, folder: Path, name: str) -> None:
    """Deploy an example of the guide. The calls of the example go to the site of the test."""
    entry = folder / f"{name}.ts"
    entry.write_text(SERVICES.sub(f"https://api.test:{net.port}", example(name)))
    made = bundle(entry)
    config = FunctionConfig(Access.SECRET, allow_net=(f"api.test:{net.port}",))
    await functions.deploy(MEMBER, name, Bundle(made.code, made.source_map, config))


async def sent(functions: FunctionsService, net: Site, hook: HookName, name: str, **event: object) -> Seen:
    await functions.run_hook(SERVER, HookCall(name, hook, event))
    return net.seen[-1]


async def test_the_examples_send_a_text_message_and_a_mail_with_secrets_that_no_function_reads(
    functions: FunctionsService, net: Site, tmp_path: Path
) -> None:
    basic = b64encode(b"AC1:token").decode()
    for name, value, exposed in (("SMS_ACCOUNT", "AC1", True), ("SMS_FROM", "+15005550006", True),
                                 ("SMS_BASIC", basic, False), ("MAIL_KEY", "re_hidden", False)):  # fmt: skip
        await functions.set_variable(MEMBER, name, value, exposed=exposed)
    for name in ("sms", "mail"):
        await deployed(functions, net, tmp_path, name)
    text = {"phone": "+4917612345678", "code": "123456", "kind": "sign_in", "language": "de", "app_name": "Bakery"}
    mail = {"id": "mail_1", "kind": "verify_email", "to": "eve@example.com", "subject": "Hello", "text": "Hello, Eve",
            "html": "", "from": "", "reply_to": "shop@bakery.example"}  # fmt: skip

    by_phone = await sent(functions, net, HookName.SEND_SMS, "sms", message=text)
    by_mail = await sent(functions, net, HookName.SEND_MAIL, "mail", mail=mail)

    assert by_phone.target == "/2010-04-01/Accounts/AC1/Messages.json"
    assert by_phone.headers["authorization"] == f"Basic {basic}"
    fields = {"To": ["+4917612345678"], "From": ["+15005550006"], "Body": ["123456 ist dein Code für Bakery."]}
    assert parse_qs(by_phone.body.decode()) == fields
    assert (by_mail.headers["authorization"], by_mail.headers["idempotency-key"]) == ("Bearer re_hidden", "mail_1")
    said = msgspec.json.decode(by_mail.body)
    assert (said["from"], said["to"]) == ("Bakery <hello@bakery.example>", ["eve@example.com"])
    assert (said["text"], said["reply_to"]) == ("Hello, Eve", "shop@bakery.example")
