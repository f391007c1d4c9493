from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pytest

from bunbase.contracts.acts import Act
from bunbase.gateway.answer_examples import ANSWERS
from bunbase.gateway.audit.targets import target_after, target_before
from bunbase.gateway.route_acts import ROUTE_ACTS
from tests.rooms import member_caller

OPERATIONS: Final = json.loads((Path(__file__).parents[3] / "docs/reference/openapi.json").read_text())["paths"]
CREATING: Final = sorted(
    (route, method) for (method, route), act in ROUTE_ACTS.items() if act.value.endswith(".create")
)
# These things belong to the account, or to the user whom the path names, and have no id.
WITHOUT_ID: Final = {Act.TOTP_CREATE, Act.RECOVERY_CODE_CREATE, Act.USER_LINK_CREATE}
OF_PAGES: Final = {Act.AUTHORIZATION_CREATE}  # The answer is a page.
NAMED: Final = {"project": "prj_1", "org": "bakers-guild"}


def answer_of(route: str, method: str) -> dict[str, Any] | None:
    """Return the example of the answer, in which every id is the value of a field."""
    answers = OPERATIONS.get(route, {}).get(method.lower(), {}).get("responses", {})
    schemas = [answer["content"]["application/json"]["schema"] for code, answer in answers.items() if code[0] == "2"]
    return ANSWERS[schemas[0]["$ref"].rpartition("/")[2]] if schemas else None


@pytest.mark.parametrize(("route", "method"), CREATING)
def test_the_entry_of_an_act_that_makes_something_names_the_new_thing(route: str, method: str) -> None:
    act, answer = ROUTE_ACTS[method, route], answer_of(route, method)

    before = target_before(act, member_caller("prj_1"), {name: NAMED[name] for name in NAMED if f"{{{name}}}" in route})

    assert before == "", "the log keeps the first target"
    if act in WITHOUT_ID | OF_PAGES:
        return
    assert answer is not None
    fields = ("name",) if act is Act.BUCKET_CREATE else ("id", "client_id", "access_key_id", "job")
    ids = {value for name, value in answer.items() if name in fields}
    assert target_after(act, "", json.dumps(answer).encode()) in ids


def test_an_invitation_that_gave_a_member_nothing_has_no_target() -> None:
    answer = {"role": "viewer", "project": {"id": "prj_1"}, "already_member": True}

    assert target_after(Act.INVITE_ACCEPT, "", json.dumps(answer).encode()) == ""


@pytest.mark.parametrize(
    ("act", "path", "target"),
    [
        (Act.PROJECT_UPDATE, {"project": "shop"}, "prj_1"),
        (Act.ORG_UPDATE, {"org": "bakers-guild"}, "bakers-guild"),
        (Act.ORG_INVITE_DELETE, {"org": "bakers-guild", "invite_id": "ivt_1"}, "ivt_1"),
        (Act.ORG_MEMBER_UPDATE, {"org": "bakers-guild", "member": "usr_1"}, "usr_1"),
        (Act.FUNCTION_DEPLOY, {"project": "shop", "name": "hello"}, "hello"),
        (Act.DOCUMENT_WRITE, {"collection": "posts", "id": "rye"}, "posts/rye"),
        (Act.DOCUMENT_WRITE, {"collection": "posts"}, ""),
    ],
    ids=lambda value: str(value) if isinstance(value, Act) else "",
)
def test_the_path_names_the_target_of_an_act_that_changes_something(
    act: Act, path: dict[str, str], target: str
) -> None:
    assert target_before(act, member_caller("prj_1"), path) == target
