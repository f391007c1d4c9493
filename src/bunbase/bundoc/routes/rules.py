"""Public HTTP of Bundoc: `/v1/rules/test`, for the secret key and for developers."""

from __future__ import annotations

from typing import Final

from litestar import Response, post

from bunbase.bundoc.permissions.rule_tests import Batch, OneCase, OneDecision
from bunbase.bundoc.routes.collections import PROJECT
from bunbase.bundoc.routes.documents import AnyRequest, check_media, check_query
from bunbase.bundoc.routes.openapi import problems
from bunbase.bundoc.routes.shapes import Decisions
from bunbase.contracts.bundoc.service import Bundoc
from bunbase.contracts.caller import Caller
from bunbase.pkg.http import Injected
from bunbase.pkg.media import JSON
from bunbase.pkg.openapi import answers, reads

TAGS: Final = ["Collections"]


@post(
    "/v1/rules/test",
    status_code=200,
    summary="Test rules",
    tags=TAGS,
    operation_class=reads(OneCase | Batch),
    responses={
        200: answers(OneDecision | Decisions, "The decision of the rules, and the value of each part of the rule."),
        **problems(400, 403, 404, 413, 415, 422),
    },
)
async def test_rules(
    operator: Injected[Caller], bundoc: Injected[Bundoc], request: AnyRequest, body: bytes
) -> Response[bytes]:
    """Takes `{collection,op,auth,doc?,next?,id?,rules?,documents?,now?}` and returns `{allowed,trace,hidden,warnings}`.

    `op` is list, get, create, update or delete; `auth` is null or `{uid,email?,role?,claims?}`. `rules` replace the
    stored rules. `documents` (`{collection:{id:{…}}}`) replace the stored documents when a rule looks one up. No
    document is written.

    To test up to 1000 cases in one request, send `{cases:[…],rules?,documents?}`, with the `rules` of each collection
    under its name. The answer is `{items:[…],coverage:[…],warnings:[…]}`. `warnings` names the list rules that will
    refuse lists when their collections have grown, and the indexes to add.
    """
    check_query(request, (PROJECT,))
    check_media(request, JSON)
    return Response((await bundoc.test_rules(operator, body)).body, media_type=JSON)


ROUTES = (test_rules,)
