from __future__ import annotations

from typing import Any

import msgspec

from bunbase.gateway.cookie_answers import CHANGES
from bunbase.gateway.cookie_mode import SIGN_INS
from tests.shared_openapi import openapi_document

SERVICE_TOKENS = {"/v1/auth/token"}  # This route is for servers, which have no cookies.
IMPERSONATIONS = {"/v1/auth/users/{user_id}/impersonate"}  # This route is for administrators, whose own cookies stay.


def test_every_route_that_answers_tokens_of_users_can_set_the_cookie_in_their_place() -> None:
    document = msgspec.json.decode(openapi_document())

    def properties(schema: dict[str, Any]) -> set[str]:
        if "$ref" in schema:
            return properties(document["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
        return set(schema.get("properties", ()))

    answered: dict[str, set[str]] = {"refresh_token": set(), "access_token": set()}
    for path, methods in document["paths"].items():
        for operation in methods.values() if path.startswith("/v1/auth/") else ():
            for status, answer in operation["responses"].items():
                for media in answer.get("content", {}).values() if status.startswith("2") else ():
                    for token in answered.keys() & properties(media["schema"]):
                        answered[token].add(path)

    assert answered["refresh_token"] == SIGN_INS
    assert answered["access_token"] - SIGN_INS - SERVICE_TOKENS - IMPERSONATIONS == CHANGES
