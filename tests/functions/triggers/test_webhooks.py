"""Signatures of webhooks, checked in a worker: published examples, and attacks."""

from __future__ import annotations

import base64
import hashlib
import hmac
import itertools
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest_asyncio

from bunbase.cli.bundle import bundle
from bunbase.contracts.functions.deployments import Bundle, FunctionConfig
from bunbase.contracts.functions.invocations import Invocation
from bunbase.functions.service import FunctionsService
from tests.functions.calls import MEMBER, call

PACKAGE = Path(__file__).parents[3] / "packages/functions/webhooks.ts"
HANDLER = """
import { verifyWebhook, WebhookError } from "PACKAGE";

export default async (request) => {
    const { now, ...options } = JSON.parse(request.headers.get("x-options"));
    try {
        const event = await verifyWebhook(request, { ...options, ...(now && { now: new Date(now * 1000) }) });
        if (event.text.endsWith("}")) event.json();
        return [event.text, event.id];
    } catch (error) {
        if (error instanceof WebhookError) return error.response();
        return Response.json({ code: error.name, detail: error.message }, { status: 500 });
    }
};
"""
BODY = b'{"id":"evt_1","text":"\xc3\xa4"}'
SECRET = "whsec_test"
KEY = base64.b64encode(b"a key of Standard Webhooks").decode()


@pytest_asyncio.fixture
async def receiver(functions: FunctionsService, tmp_path: Path) -> FunctionsService:
    source = tmp_path / "receive.ts"
    source.write_text(HANDLER.replace("PACKAGE", str(PACKAGE)))
    await functions.deploy(MEMBER, "receive", Bundle(bundle(source).code, None, FunctionConfig()))
    return functions


async def received(receiver: FunctionsService, body: bytes, headers: dict[str, str], **options: Any) -> tuple[int, Any]:
    told = {"x-options": msgspec.json.encode(options).decode(), **headers}
    answer = await call(receiver, "receive", Invocation("POST", "/", tuple(told.items()), body))
    return answer.head.status, answer.json


def stripe(body: bytes, secret: str = SECRET, at: float | None = None) -> dict[str, str]:
    when = int(time.time() if at is None else at)
    digest = hmac.new(secret.encode(), b"%d." % when + body, hashlib.sha256).hexdigest()
    return {"stripe-signature": f"t={when},v1={digest},v0=00"}


def standard(body: bytes, key: str = KEY, at: float | None = None) -> dict[str, str]:
    when = int(time.time() if at is None else at)
    digest = hmac.new(base64.b64decode(key), b"msg_1.%d." % when + body, hashlib.sha256).digest()
    signature = base64.b64encode(digest).decode()
    return {"webhook-id": "msg_1", "webhook-timestamp": str(when), "webhook-signature": f"v1a,x v1,AAAA v1,{signature}"}


def github(body: bytes, secret: str = SECRET) -> dict[str, str]:
    return {"x-hub-signature-256": f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"}


async def test_published_examples_of_webhook_signatures_are_accepted(receiver: FunctionsService) -> None:
    of_github = {
        "x-hub-signature-256": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
        "x-github-delivery": "d1",
    }
    of_standard = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }

    first = await received(receiver, b"Hello, World!", of_github, scheme="github", secret="It's a Secret to Everybody")
    second = await received(
        receiver,
        b'{"test": 2432232314}',
        of_standard,
        scheme="standard-webhooks",
        secret="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        now=1614265330 + 299,
    )

    assert first == (200, ["Hello, World!", "d1"])
    assert second == (200, ['{"test": 2432232314}', "msg_p5jXN8AQM9LWM0D4loKWxJek"])


async def test_a_fresh_signature_with_any_of_the_secrets_is_accepted(receiver: FunctionsService) -> None:
    for scheme, headers, secret in (
        ("stripe", stripe(BODY), SECRET),
        ("github", github(BODY), SECRET),
        ("standard-webhooks", standard(BODY), f"whsec_{KEY}"),
    ):
        status, answer = await received(receiver, BODY, headers, scheme=scheme, secret=["bm90", secret])

        assert (status, answer[0]) == (200, BODY.decode()), scheme


async def test_forged_and_outdated_signatures_are_refused(receiver: FunctionsService) -> None:
    now = time.time()
    moved = standard(BODY) | {"webhook-timestamp": str(int(now) + 1)}
    other_id = standard(BODY) | {"webhook-id": "msg_2"}
    cases: list[tuple[str, bytes, dict[str, str], str]] = [
        ("stripe", BODY + b" ", stripe(BODY), "signature_invalid"),
        ("stripe", BODY, stripe(BODY, "another"), "signature_invalid"),
        ("stripe", BODY, stripe(BODY, at=now - 301), "timestamp_out_of_tolerance"),
        ("stripe", BODY, stripe(BODY, at=now + 302), "timestamp_out_of_tolerance"),
        ("stripe", BODY, {}, "signature_missing"),
        ("stripe", BODY, {"stripe-signature": "t=,v1="}, "signature_invalid"),
        ("stripe", BODY, {"stripe-signature": f"t={int(now)}"}, "signature_invalid"),
        ("stripe", BODY, {"stripe-signature": f"t={int(now)},v1=zz,v1"}, "signature_invalid"),
        ("stripe", BODY, {"stripe-signature": f"t=1e9,v1={'0' * 64}"}, "signature_invalid"),
        ("github", BODY + b" ", github(BODY), "signature_invalid"),
        ("github", BODY, {"x-hub-signature-256": "sha256="}, "signature_invalid"),
        ("github", BODY, {"x-hub-signature": "sha1=0"}, "signature_missing"),
        ("standard-webhooks", BODY, moved, "signature_invalid"),
        ("standard-webhooks", BODY, other_id, "signature_invalid"),
        ("standard-webhooks", BODY, standard(BODY, at=now - 301), "timestamp_out_of_tolerance"),
        ("standard-webhooks", BODY, standard(BODY) | {"webhook-signature": "v2,AAAA"}, "signature_invalid"),
    ]
    for scheme, body, headers, code in cases:
        secret = KEY if scheme == "standard-webhooks" else SECRET

        status, answer = await received(receiver, body, headers, scheme=scheme, secret=secret)

        assert (status, answer["code"]) == (401, code), (scheme, headers)


async def test_only_the_first_of_thousands_of_signatures_are_checked(receiver: FunctionsService) -> None:
    when, right = stripe(BODY)["stripe-signature"].split(",")[:2]
    false = [f"v1={number:064x}" for number in range(400)]
    last_of_16 = ",".join([when, *false[:15], right])
    behind_them = ",".join([when, *false, right])

    accepted, _ = await received(receiver, BODY, {"stripe-signature": last_of_16}, scheme="stripe", secret=SECRET)
    refused, _ = await received(receiver, BODY, {"stripe-signature": behind_them}, scheme="stripe", secret=SECRET)

    assert (accepted, refused) == (200, 401)


async def test_a_missing_webhook_secret_is_reported_as_a_function_error(receiver: FunctionsService) -> None:
    signed = {"stripe": stripe(BODY, ""), "github": github(BODY, ""), "standard-webhooks": standard(BODY)}
    missing: tuple[dict[str, str], ...] = ({"secret": ""}, {})
    for (scheme, headers), secret in itertools.product(signed.items(), missing):
        status, answer = await received(receiver, BODY, headers, scheme=scheme, **secret)

        assert (status, answer["code"]) == (500, "TypeError")
        assert "Is its variable set?" in answer["detail"]


async def test_wrong_options_of_verify_webhook_are_named(receiver: FunctionsService) -> None:
    cases: list[tuple[dict[str, Any], str]] = [
        ({"scheme": "stripe", "secret": []}, "the list is empty"),
        ({"scheme": "stripe", "secret": [SECRET, ""]}, "Is its variable set?"),
        ({"scheme": "standard-webhooks", "secret": "whsec_***"}, "must be whsec_ followed by base64"),
        ({"scheme": "paypal", "secret": SECRET}, "no scheme paypal: use stripe, github, standard-webhooks"),
        ({"scheme": "toString", "secret": SECRET}, "no scheme toString"),
        ({"secret": SECRET}, "no scheme undefined"),
    ]
    for options, reason in cases:
        status, answer = await received(receiver, BODY, {**stripe(BODY), **standard(BODY)}, **options)

        assert (status, answer["code"]) == (500, "TypeError"), options
        assert reason in answer["detail"], options


async def test_the_text_of_a_webhook_keeps_a_byte_order_mark_that_was_signed(receiver: FunctionsService) -> None:
    body = b"\xef\xbb\xbf" + BODY

    status, answer = await received(receiver, body, github(body), scheme="github", secret=SECRET)

    assert (status, answer[0]) == (200, body.decode())
