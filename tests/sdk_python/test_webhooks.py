"""Signatures of webhooks: published examples, and attacks."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections.abc import Callable
from typing import Any

import pytest

from bunbase_sdk import Denied, Problem, webhooks
from tests.functions.triggers.test_webhooks import github, standard, stripe

BODY = b'{"id":"evt_1","text":"\xc3\xa4"}'
SECRET = "whsec_test"
KEY = base64.b64encode(b"a key of Standard Webhooks").decode()
STANDARD = f"whsec_{KEY}"


def test_a_webhook_of_each_scheme_is_accepted() -> None:
    assert webhooks.verify(BODY, stripe(BODY), SECRET, scheme="stripe").json()["text"] == "ä"
    assert webhooks.verify(BODY, github(BODY), SECRET, scheme="github").content == BODY
    assert webhooks.verify(BODY, standard(BODY), STANDARD).id == "msg_1"
    assert webhooks.verify(BODY, {name.title(): value for name, value in standard(BODY).items()}, KEY).id == "msg_1"


def test_the_published_example_of_standard_webhooks_is_accepted() -> None:
    # These examples are from https://github.com/standard-webhooks/standard-webhooks: libraries/python/tests
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    body = b'{"test": 2432232314}'
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }

    assert webhooks.verify(body, headers, secret, now=1614265330).id == "msg_p5jXN8AQM9LWM0D4loKWxJek"


def test_the_published_example_of_github_is_accepted() -> None:
    # This example is from https://docs.github.com/webhooks: validating webhook deliveries
    signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    headers = {"X-Hub-Signature-256": signature, "X-GitHub-Delivery": "72d3"}

    found = webhooks.verify(b"Hello, World!", headers, "It's a Secret to Everybody", scheme="github")
    assert (found.content, found.id) == (b"Hello, World!", "72d3")


def test_one_of_several_secrets_must_fit() -> None:
    assert webhooks.verify(BODY, stripe(BODY), ["old", SECRET], scheme="stripe")
    with pytest.raises(Denied):
        webhooks.verify(BODY, stripe(BODY), ["old", "older"], scheme="stripe")


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        (lambda: stripe(b"{}"), "signature_invalid"),
        (lambda: stripe(BODY, "other"), "signature_invalid"),
        (lambda: {}, "signature_missing"),
        (lambda: {"stripe-signature": ""}, "signature_missing"),
        (lambda: {"stripe-signature": "t=,v1="}, "signature_invalid"),
        (lambda: {"stripe-signature": "nonsense"}, "signature_invalid"),
        (lambda: {"stripe-signature": f"t={10**13},v1=00"}, "signature_invalid"),
        (lambda: stripe(BODY, at=time.time() - 400), "timestamp_out_of_tolerance"),
        (lambda: stripe(BODY, at=time.time() + 400), "timestamp_out_of_tolerance"),
    ],
)
def test_a_webhook_that_is_not_genuine_is_refused(headers: Callable[[], dict[str, str]], code: str) -> None:
    with pytest.raises(Denied) as refused:
        webhooks.verify(BODY, headers(), SECRET, scheme="stripe")
    assert refused.value.code == code


def test_only_the_first_signatures_are_looked_at() -> None:
    at = int(time.time())
    genuine = hmac.digest(SECRET.encode(), b"%d." % at + BODY, hashlib.sha256).hex()
    flood = ",v1=00" * 16

    assert webhooks.verify(BODY, {"stripe-signature": f"t={at},v1={genuine}{flood}"}, SECRET, scheme="stripe")
    with pytest.raises(Denied):
        webhooks.verify(BODY, {"stripe-signature": f"t={at}{flood},v1={genuine}"}, SECRET, scheme="stripe")


@pytest.mark.parametrize(
    ("body", "secret", "scheme"),
    [("text", SECRET, "stripe"), (BODY, "", "stripe"), (BODY, [], "stripe"), (BODY, "!", "standard-webhooks"),
     (BODY, SECRET, "paypal")],
)  # fmt: skip
def test_a_mistake_of_the_program_is_told_apart_from_a_forgery(body: Any, secret: Any, scheme: Any) -> None:
    with pytest.raises(Problem) as mistake:
        webhooks.verify(body, standard(BODY), secret, scheme=scheme)
    assert mistake.value.code == "invalid_value"
