"""The public HTTP API of Bundoc. Problems are answered as the gateway answers them; each test chooses its caller."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import msgspec
import pytest

from bunbase.bundoc.documents import MAX_BYTES
from tests.bundoc.routes.answers import URL, problem
from tests.pkg.waiting import until_true


async def test_a_document_is_created_read_changed_and_deleted(http: httpx.AsyncClient) -> None:
    created = await http.post(URL, json={"_id": "d1", "title": "Hello", "tags": {"a": 1}})
    assert created.status_code == 201
    assert created.headers["location"] == f"{URL}/d1"
    assert created.headers["etag"] == '"1"'
    assert created.headers["content-type"].startswith("application/json")
    assert list(created.json()) == ["_id", "_rev", "_created", "_updated", "title", "tags"]

    patched = await http.patch(
        f"{URL}/d1", content=b'{"tags":{"a":null,"b":2}}', headers={"content-type": "application/merge-patch+json"}
    )
    assert (patched.status_code, patched.headers["etag"]) == (200, '"2"')
    assert patched.json()["tags"] == {"b": 2}

    replaced = await http.put(f"{URL}/d1", json={**patched.json(), "title": "Bye"}, headers={"if-match": '"2"'})
    assert (replaced.status_code, replaced.headers["etag"]) == (200, '"3"')
    assert "location" not in replaced.headers

    got = await http.get(f"{URL}/d1")
    assert got.status_code == 200
    assert got.content == replaced.content

    gone = await http.delete(f"{URL}/d1", headers={"if-match": '"3"'})
    assert (gone.status_code, gone.content) == (204, b"")
    assert problem(await http.get(f"{URL}/d1")) == (404, "document_not_found")
    assert problem(await http.delete(f"{URL}/d1")) == (404, "document_not_found")


async def test_the_error_of_a_write_names_the_document_and_its_collection(http: httpx.AsyncClient) -> None:
    await http.put(f"{URL}/d1", json={})

    changed = await http.patch(f"{URL}/nope", json={"n": 1})
    deleted = await http.delete(f"{URL}/nope")
    stale = await http.patch(f"{URL}/nope", json={"n": 1}, headers={"if-match": '"3"'})
    new = await http.put(f"{URL}/d1", json={}, headers={"if-none-match": "*"})

    name = URL.rpartition("/")[2]
    assert [one.json()["detail"] for one in (changed, deleted)] == [f"There is no document nope in {name}."] * 2
    assert stale.json()["detail"].startswith(f"There is no document nope in {name} now; ")
    assert new.json()["detail"].startswith(f"The document d1 exists already in {name}; ")


async def test_a_document_that_has_not_changed_is_not_sent_again(http: httpx.AsyncClient) -> None:
    await http.put(f"{URL}/d1", json={"a": 1})

    for tag in ('"1"', 'W/"1"', '"7", "1"', "*"):
        response = await http.get(f"{URL}/d1", headers={"if-none-match": tag})
        assert (response.status_code, response.content, response.headers["etag"]) == (304, b"", '"1"')

    assert (await http.get(f"{URL}/d1", headers={"if-none-match": '"2"'})).status_code == 200
    assert problem(await http.get(f"{URL}/d1", headers={"if-none-match": "1"})) == (400, "malformed_request")


async def test_put_creates_or_replaces_by_its_precondition(http: httpx.AsyncClient) -> None:
    created = await http.put(f"{URL}/d1", json={}, headers={"if-none-match": "*"})
    assert (created.status_code, created.headers["location"]) == (201, f"{URL}/d1")

    again = await http.put(f"{URL}/d1", json={}, headers={"if-none-match": "*"})
    assert problem(again) == (412, "stale_revision")
    assert again.json()["rev"] == 1

    for method in ("PUT", "PATCH", "DELETE"):
        body = b"{}" if method != "DELETE" else None
        stale = await http.request(method, f"{URL}/d1", content=body, headers={"if-match": '"9"'})
        assert problem(stale) == (412, "stale_revision")
        unread = await http.request(method, f"{URL}/d1", content=body, headers={"if-match": "*"})
        assert problem(unread) == (400, "malformed_request")
    assert (await http.get(f"{URL}/d1")).headers["etag"] == '"1"'


async def test_an_id_can_be_created_only_once(http: httpx.AsyncClient) -> None:
    await http.post(URL, json={"_id": "d1"})

    assert problem(await http.post(URL, json={"_id": "d1"})) == (409, "document_exists")


async def test_a_list_is_read_page_by_page_with_cursors(http: httpx.AsyncClient) -> None:
    for number in range(45):
        await http.put(f"{URL}/d{number:02}", json={"n": number})

    found: list[int] = []
    url: str | None = URL
    while url:
        page = (await http.get(url)).json()
        assert len(page["items"]) <= 20
        found += [item["n"] for item in page["items"]]
        url = page["next"] and f"{URL}?cursor={page['next']}"

    assert found == list(range(45))
    assert (await http.get("/v1/data/nothing_here")).json() == {"items": [], "next": None}


async def test_a_cursor_is_refused_for_another_query(http: httpx.AsyncClient) -> None:
    for number in range(2):
        await http.put(f"{URL}/d{number}", json={})
    cursor = (await http.get(f"{URL}?limit=1")).json()["next"]

    assert problem(await http.get(f"/v1/data/notes?cursor={cursor}")) == (400, "invalid_cursor")
    assert problem(await http.get(f"{URL}?cursor=nonsense")) == (400, "invalid_cursor")
    assert problem(await http.get(f"{URL}?cursor=")) == (400, "invalid_cursor")


@pytest.mark.parametrize("parameter", ["wheres={}", "expands=a", "Limit=1", "limits=3"])
async def test_an_unknown_query_parameter_is_refused(http: httpx.AsyncClient, parameter: str) -> None:
    listed = await http.get(f"{URL}?{parameter}")

    assert problem(listed) == (400, "invalid_query")
    assert "limit, cursor" in listed.json()["detail"]
    assert problem(await http.get(f"{URL}/d1?{parameter}")) == (400, "invalid_query")


@pytest.mark.parametrize("limit", ["0", "501", "-1", "x", "1e3"])
async def test_an_invalid_limit_is_refused(http: httpx.AsyncClient, limit: str) -> None:
    response = await http.get(f"{URL}?limit={limit}")

    assert response.status_code in (400, 422)
    problem(response)


async def test_the_project_key_may_be_a_query_parameter(http: httpx.AsyncClient) -> None:
    assert (await http.get(f"{URL}?key=sk_x")).status_code == 200


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        pytest.param(b"", 400, "malformed_request", id="nothing"),
        pytest.param(b"{", 400, "malformed_request", id="half an object"),
        pytest.param(b'{"a":NaN}', 400, "malformed_request", id="NaN"),
        pytest.param(b'{"a":"\xff"}', 400, "malformed_request", id="no UTF-8"),
        pytest.param(b"[]", 422, "invalid_document", id="no object"),
        pytest.param(b'{"_secret":1}', 422, "invalid_document", id="system field"),
        pytest.param(b'{"a":1e999}', 422, "invalid_document", id="infinite"),
        pytest.param(b'{"a":' * 40 + b"1" + b"}" * 40, 422, "invalid_document", id="deep"),
        pytest.param(b'{"a":' + b"[" * 100_000, 422, "invalid_document", id="very deep"),
        pytest.param(b'{"a":"%b"}' % (b"x" * MAX_BYTES), 413, "document_too_large", id="large"),
    ],
)
async def test_an_invalid_document_is_refused_in_the_same_way_by_all_routes(
    http: httpx.AsyncClient, body: bytes, status: int, code: str
) -> None:
    await http.put(f"{URL}/d1", json={"a": 1})

    for method, url in (("POST", URL), ("PUT", f"{URL}/d1"), ("PATCH", f"{URL}/d1")):
        refused = await http.request(method, url, content=body, headers={"content-type": "application/json"})
        assert problem(refused) == (status, code), method

    assert (await http.get(f"{URL}/d1")).json()["_rev"] == 1


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
@pytest.mark.parametrize(
    "media", ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin-1", "json"]
)
async def test_a_content_type_other_than_json_is_refused(http: httpx.AsyncClient, method: str, media: str) -> None:
    url = URL if method == "POST" else f"{URL}/d1"

    refused = await http.request(method, url, content=b"{}", headers={"content-type": media})

    assert problem(refused) == (415, "unsupported_media_type")


async def test_a_body_without_a_type_is_json(http: httpx.AsyncClient) -> None:
    for headers in ({}, {"content-type": "application/json; charset=UTF-8"}):
        created = await http.post(URL, content=b'{"a":1}', headers=headers)
        assert created.status_code == 201


async def test_update_operators_change_what_is_stored(http: httpx.AsyncClient) -> None:
    await http.put(f"{URL}/d1", json={"n": 1, "tags": ["a"]})

    changed = await http.patch(
        f"{URL}/d1", json={"$inc": {"n": 2}, "$push": {"tags": "b"}}, headers={"if-match": '"1"'}
    )

    assert (changed.status_code, changed.headers["etag"]) == (200, '"2"')
    assert (changed.json()["n"], changed.json()["tags"]) == (3, ["a", "b"])


async def test_a_patch_may_not_mix_operators_and_plain_fields(http: httpx.AsyncClient) -> None:
    await http.put(f"{URL}/d1", json={"n": 1})

    refused = await http.patch(f"{URL}/d1", json={"$inc": {"n": 1}, "title": "x"})

    assert problem(refused) == (422, "invalid_update")
    assert refused.json()["errors"][0]["path"] == "/title"


async def test_a_commit_is_atomic_over_http(http: httpx.AsyncClient) -> None:
    create = {"op": "create", "collection": "posts", "id": "d1", "data": {"n": 1}}
    stale = {"op": "patch", "collection": "posts", "id": "d1", "data": {"$inc": {"n": 1}}, "if_rev": 9}

    refused = await http.post("/v1/commit", json={"writes": [create, stale]})
    assert problem(refused) == (412, "stale_revision")
    assert refused.json()["write"] == 1
    assert problem(await http.get(f"{URL}/d1")) == (404, "document_not_found")

    done = await http.post("/v1/commit", json={"writes": [create, {**stale, "if_rev": 1}]})
    assert done.status_code == 200
    assert done.json() == {"seq": 2, "results": [{"id": "d1", "rev": 1}, {"id": "d1", "rev": 2}]}


@pytest.mark.parametrize(
    ("writes", "status", "code"),
    [
        ([], 422, "invalid_input"),
        ([{"op": "check", "collection": "posts", "id": "d1", "if_rev": 0}] * 501, 422, "invalid_input"),
        ([{"op": "drop", "collection": "posts"}], 422, "invalid_input"),
        ([{"op": "put", "collection": "posts", "data": {}}], 422, "invalid_input"),
        ([{"op": "put", "collection": "posts", "id": "d1"}], 422, "invalid_input"),
        ([{"op": "check", "collection": "posts", "id": "d1"}], 422, "invalid_input"),
        ([{"op": "delete", "collection": "posts", "id": "d1", "data": {}}], 422, "invalid_input"),
        ([{"op": "create", "collection": "Posts", "data": {}}], 422, "invalid_input"),
        ([{"op": "create", "collection": "posts", "data": {}, "if_rev": 3}], 422, "invalid_input"),
        ([{"op": "create", "collection": "posts", "data": {"_mine": 1}}], 422, "invalid_document"),
        ([{"op": "patch", "collection": "posts", "id": "d1", "data": {"$inc": {"n": "1"}}}], 422, "invalid_update"),
    ],
)
async def test_an_invalid_commit_is_refused(http: httpx.AsyncClient, writes: list[Any], status: int, code: str) -> None:
    refused = await http.post("/v1/commit", json={"writes": writes})

    assert problem(refused) == (status, code)


@pytest.mark.parametrize(
    ("path", "body", "told"),
    [
        ("/v1/commit", {"writes": [{"op": "update", "collection": "posts"}]}, "check, create, delete, patch, put."),
        (f"{URL}/aggregate", {"values": {"total": {"$sum": "$price"}}}, 'Write the field without it: "price".'),
        (f"{URL}/query", {"filter": {}}, "takes where, sort, limit, cursor, "),
    ],
)
async def test_the_error_of_a_frequent_mistake_shows_the_right_form(
    http: httpx.AsyncClient, path: str, body: dict[str, Any], told: str
) -> None:
    refused = await http.post(path, json=body)

    assert refused.is_client_error
    assert told in refused.json()["detail"]


async def test_changes_are_read_from_the_given_seq(http: httpx.AsyncClient) -> None:
    await http.put(f"{URL}/d1", json={})
    await http.patch(f"{URL}/d1", json={"a": 1})
    await http.delete(f"{URL}/d1")

    first = (await http.get("/v1/changes?limit=2")).json()
    rest = (await http.get(f"/v1/changes?since={first['next']}")).json()

    told = [(one["seq"], one["op"], one["id"], one["rev"]) for one in first["items"] + rest["items"]]
    assert told == [(1, "create", "d1", 1), (2, "update", "d1", 2), (3, "delete", "d1", 2)]
    assert rest["next"] == 3
    assert (await http.get("/v1/changes?since=3")).json() == {"items": [], "next": 3}
    assert problem(await http.get("/v1/changes?since=4")) == (410, "resync_required")
    assert problem(await http.get("/v1/changes", headers={"x-test-caller": "publishable"})) == (403, "rule_denied")


@pytest.mark.parametrize(
    "url", ["/v1/data/Posts", "/v1/data/a-b", "/v1/data/posts/a%20b", f"/v1/data/posts/{'a' * 65}"]
)
async def test_invalid_names_of_collections_and_documents_are_refused(http: httpx.AsyncClient, url: str) -> None:
    assert problem(await http.get(url)) == (422, "invalid_input")


REQUESTS = [
    ("POST", URL),
    ("GET", URL),
    ("GET", f"{URL}/d1"),
    ("PUT", f"{URL}/d1"),
    ("PATCH", f"{URL}/d1"),
    ("DELETE", f"{URL}/d1"),
    ("GET", f"{URL}?where=%7B%7D"),
    ("POST", f"{URL}/query"),
    ("POST", f"{URL}/aggregate"),
    ("GET", "/v1/collections"),
    ("GET", "/v1/collections/posts"),
    ("PUT", "/v1/collections/posts"),
    ("DELETE", "/v1/collections/posts"),
]

BODIES = {
    f"{URL}/query": b"{}",
    f"{URL}/aggregate": b'{"values":{"n":{"$count":true}}}',
    "/v1/collections/posts": b"{}",
}


@pytest.mark.parametrize(("method", "url"), REQUESTS)
async def test_without_rules_a_publishable_key_is_refused(http: httpx.AsyncClient, method: str, url: str) -> None:
    await http.put(f"{URL}/d1", json={"a": 1})
    body, public = BODIES.get(url, b'{"a":2}'), {"x-test-caller": "publishable"}

    refused = await http.request(method, url, content=body, headers=public)

    hides = url == f"{URL}/d1" and method != "PUT"
    assert problem(refused) == ((404, "document_not_found") if hides else (403, "rule_denied"))
    assert (await http.get(f"{URL}/d1")).json()["a"] == 1


@pytest.mark.parametrize(("method", "url"), REQUESTS)
async def test_without_rules_an_owner_of_the_project_is_accepted(
    http: httpx.AsyncClient, method: str, url: str
) -> None:
    await http.put(f"{URL}/d1", json={"a": 1})

    done = await http.request(method, url, content=BODIES.get(url, b'{"a":2}'), headers={"x-test-caller": "member"})

    assert done.is_success


@pytest.mark.parametrize(("method", "url"), REQUESTS)
async def test_the_key_of_another_project_never_sees_the_data(http: httpx.AsyncClient, method: str, url: str) -> None:
    await http.put(f"{URL}/d1", json={"a": "mine"})

    answer = await http.request(method, url, content=BODIES.get(url, b'{"b":1}'), headers={"x-test-caller": "other"})

    assert b"mine" not in answer.content
    assert msgspec.json.decode((await http.get(f"{URL}/d1")).content)["a"] == "mine"


async def test_a_query_has_the_same_answer_from_the_url_and_from_a_body(http: httpx.AsyncClient) -> None:
    for number in range(5):
        await http.put(f"{URL}/d{number}", json={"n": number, "even": number % 2 == 0})

    asked: dict[str, str | int] = {
        "where": '{"even":true}',
        "sort": "-n",
        "limit": 2,
        "select": "n",
        "count": "true",
        "explain": "true",
    }
    by_address = await http.get(URL, params=asked)
    body = {"where": {"even": True}, "sort": ["-n"], "limit": 2, "select": ["n"], "count": True, "explain": True}
    by_body = await http.post(f"{URL}/query", json=body)

    assert by_address.json() == by_body.json()
    assert by_body.json()["items"] == [{"_id": "d4", "n": 4}, {"_id": "d2", "n": 2}]
    assert by_body.json()["count"] == 3
    plan = by_body.json()["explain"]
    (warning,) = plan.pop("warnings")
    assert warning["index"] == {"fields": ["even", "-n"]}
    assert plan == {"index": "_id", "ordered_by_index": False, "examined": 5}
    rest = await http.post(f"{URL}/query", json={**body, "cursor": by_body.json()["next"]})
    assert [item["n"] for item in rest.json()["items"]] == [0]


async def test_an_aggregate_is_explained_as_for_a_user(http: httpx.AsyncClient) -> None:
    await http.put("/v1/collections/posts", json={"rules": {"list": "doc.owner in auth.claims.owners"}})
    await http.put(f"{URL}/d1", json={"owner": "ada", "cost": 5})
    await http.put(f"{URL}/d2", json={"owner": "eve", "cost": 7})
    asked = {"values": {"total": {"$sum": "cost"}}, "explain": True}

    ada = await http.post(f"{URL}/aggregate", json=asked | {"as": {"uid": "u1", "claims": {"owners": ["ada"]}}})
    nobody = await http.post(f"{URL}/aggregate", json=asked | {"as": None})
    unexplained = await http.post(f"{URL}/aggregate", json=asked | {"as": None, "explain": False})

    assert [answer.json()["items"] for answer in (ada, nobody)] == [[{"total": 5}], [{"total": 0}]]
    assert ada.json()["explain"]["rule"] == {"left_over": [], "looked_up": []}
    assert problem(unexplained) == (400, "invalid_query")


async def test_a_query_is_explained_as_for_a_user(http: httpx.AsyncClient) -> None:
    rules = {"list": "doc.owner == auth.uid", "hidden": {"cost": "auth.role != 'admin'"}}
    await http.put("/v1/collections/posts", json={"rules": rules})
    await http.put(f"{URL}/d1", json={"owner": "ada", "cost": 5})

    ada = await http.post(f"{URL}/query", json={"explain": True, "as": {"uid": "ada"}})
    admin = await http.post(f"{URL}/query", json={"explain": True, "as": {"uid": "ada", "role": "admin"}})
    nobody = await http.post(f"{URL}/query", json={"explain": True, "as": None})
    wrong = await http.post(f"{URL}/query", json={"explain": True, "as": {"name": "ada"}})

    assert [[one.get("cost") for one in answer.json()["items"]] for answer in (ada, admin, nobody)] == [[None], [5], []]
    assert ada.json()["explain"]["rule"] == {"left_over": [], "looked_up": []}
    assert wrong.status_code == 400
    assert "takes uid, email" in wrong.json()["detail"]


async def test_values_are_aggregated_over_groups(http: httpx.AsyncClient) -> None:
    for number in range(3):
        await http.put(f"{URL}/d{number}", json={"n": number, "even": number % 2 == 0})

    body = {"group": ["even"], "values": {"total": {"$sum": "n"}}}
    found = await http.post(f"{URL}/aggregate", json=body)

    assert found.json() == {"items": [{"even": False, "total": 1}, {"even": True, "total": 2}], "next": None}


async def test_text_search_works_over_http(http: httpx.AsyncClient) -> None:
    spec = {"type": "text", "fields": ["title"], "weights": {"title": 2}, "where": {"public": True}}
    made = await http.put("/v1/collections/posts?wait=false", json={"indexes": [spec]})
    assert made.status_code in (200, 202)
    await http.put("/v1/collections/posts", json={"indexes": [{**spec, "name": "text_title"}]})
    await http.post(URL, json={"_id": "d1", "title": "The <quick> fox", "public": True})
    await http.post(URL, json={"_id": "d2", "title": "A hen", "public": True})
    where = {"$search": "quick", "public": True}

    by_address = await http.get(URL, params={"where": json.dumps(where), "score": "true", "select": "title"})
    by_body = await http.post(
        f"{URL}/query", json={"where": where, "highlight": {"fields": ["title"]}, "explain": True}
    )

    (item,) = by_address.json()["items"]
    assert (item["_id"], item["title"]) == ("d1", "The <quick> fox")
    assert item["_score"] > 0
    assert by_body.json()["items"][0]["_highlights"] == {"title": "The &lt;<mark>quick</mark>&gt; fox"}
    assert by_body.json()["explain"]["index"] == "text_title"
    (shown,) = (await http.get("/v1/collections/posts")).json()["indexes"]
    assert shown == {**spec, "name": "text_title", "unique": False, "ready": True, "weights": {"title": 2.0}}
    needed = await http.get(URL, params={"where": '{"$search":"quick"}'})
    assert problem(needed) == (422, "query_needs_index")
    assert needed.json()["index"]["type"] == "text"


@pytest.mark.parametrize("wait", ["true", "false"])
async def test_a_unique_index_that_cannot_be_replaced_stays_in_force(http: httpx.AsyncClient, wait: str) -> None:
    await http.put("/v1/collections/posts", json={"indexes": [{"fields": ["slug"], "unique": True, "name": "only"}]})
    for number in range(3):
        await http.put(f"{URL}/d{number}", json={"slug": f"s{number}", "title": "the same"})
    other = {"indexes": [{"fields": ["title"], "unique": True, "name": "only"}]}

    answer = await http.put("/v1/collections/posts", params={"wait": wait}, json=other)

    assert answer.status_code == (409 if wait == "true" else 202)

    async def is_back() -> bool:
        return bool((await http.get("/v1/collections/posts")).json()["indexes"][0]["fields"] == ["slug"])

    await until_true(is_back, 30.0)
    assert problem(await http.put(f"{URL}/d9", json={"slug": "s1"})) == (409, "unique_violation")


async def test_a_unique_index_is_created_and_enforced_over_http(http: httpx.AsyncClient) -> None:
    made = await http.put("/v1/collections/posts", json={"indexes": [{"fields": ["slug"], "unique": True}]})
    assert made.status_code == 200
    assert made.json()["indexes"] == [{"name": "slug", "fields": ["slug"], "unique": True, "ready": True}]
    await http.put(f"{URL}/d1", json={"slug": "x"})

    refused = await http.put(f"{URL}/d2", json={"slug": "x"})

    assert problem(refused) == (409, "unique_violation")
    assert refused.json()["index"] == "slug"
    assert (await http.get("/v1/collections/posts")).json()["documents"] == 1
    assert [one["name"] for one in (await http.get("/v1/collections")).json()["items"]] == ["posts"]
    assert (await http.delete("/v1/collections/posts")).status_code == 204
    assert problem(await http.get("/v1/collections/posts")) == (404, "collection_not_found")


@pytest.mark.parametrize(
    ("method", "url", "body", "code"),
    [
        ("POST", f"{URL}/query", b'{"whre":{}}', "invalid_query"),
        ("POST", f"{URL}/query", b"[]", "invalid_input"),
        ("POST", f"{URL}/query", b'{"limit":"ten"}', "invalid_input"),
        ("GET", f"{URL}?limit=ten", b"", "invalid_input"),
        ("POST", f"{URL}/query", b"", "malformed_request"),
        ("POST", URL, b"", "malformed_request"),
        ("POST", f"{URL}/query", b'{"where":{"a":{"$x":1}}}', "invalid_query"),
        ("POST", f"{URL}/query", b'{"expand":["a"]}', "invalid_query"),
        ("POST", f"{URL}/query", b'{"limit":501}', "invalid_input"),
        ("POST", f"{URL}/aggregate", b"{}", "invalid_input"),
        ("GET", f"{URL}?where=x", b"", "invalid_query"),
        ("GET", f"{URL}?sort=a,a", b"", "invalid_query"),
        ("GET", f"{URL}?select=", b"", "invalid_query"),
        ("PUT", "/v1/collections/posts", b'{"rules":{"see":"true"}}', "invalid_input"),
        ("PUT", "/v1/collections/posts", b'{"shape":{}}', "invalid_input"),
        ("PUT", "/v1/collections/posts", b'{"indexes":[{"field":"a"}]}', "invalid_input"),
        ("PUT", "/v1/collections/posts", b"[]", "invalid_input"),
        ("PUT", "/v1/collections/posts?wait=perhaps", b"{}", "invalid_input"),
        ("PUT", "/v1/collections/posts", b'{"indexes":[{"fields":["a"],"type":"geo"}]}', "invalid_input"),
        ("PUT", "/v1/collections/posts", b'{"indexes":[{"fields":["a"],"where":{"a":{"$near":1}}}]}', "invalid_input"),
        ("POST", f"{URL}/query", b'{"highlight":{"fields":["a"]}}', "invalid_query"),
        ("POST", f"{URL}/query", b'{"where":{"$or":[{"$search":"a"}]}}', "invalid_query"),
        ("PUT", "/v1/collections/No", b"{}", "invalid_input"),
        ("PUT", "/v1/collections/posts", b'{"indexes":', "malformed_request"),
        ("PUT", "/v1/collections/posts", b'{"expires":"\xff"}', "malformed_request"),
        ("POST", "/v1/collections/posts/misfits", b'{"limit":', "malformed_request"),
        ("POST", f"{URL}/query", b'{"where":{"a":{"$all":{}}}}', "invalid_query"),
    ],
)
async def test_invalid_queries_and_collections_are_refused(
    http: httpx.AsyncClient, method: str, url: str, body: bytes, code: str
) -> None:
    refused = await http.request(method, url, content=body)

    assert problem(refused)[1] == code


async def test_a_wrong_member_of_a_query_is_named_as_a_wrong_parameter_is(http: httpx.AsyncClient) -> None:
    unknown = (await http.post(f"{URL}/query", json={"wher": {}})).json()
    typed = (await http.post(f"{URL}/query", json={"limit": "ten"})).json()
    inner = (await http.post(f"{URL}/query", json={"highlight": {"fields": ["a"], "size": 1}})).json()
    parameter = (await http.get(f"{URL}?wher=1")).json()

    assert "/wher is not known; this request takes where, sort, limit" in unknown["detail"]
    assert (unknown["path"], parameter["path"], inner["path"]) == ("/wher", "wher", "/highlight/size")
    assert inner["detail"].endswith("this request takes fields, before, after, length.")
    message = "This must be a whole number, but it is a text."
    assert typed["errors"] == [{"path": "/limit", "message": message}]
    assert typed["detail"] == f"/limit: {message}"


async def test_the_detail_of_an_unreadable_body_is_plain(http: httpx.AsyncClient) -> None:
    empty = await http.post(URL, content=b"")
    unreadable = await http.post(URL, content=b'{"a":"\xff"}')

    assert empty.json()["detail"] == "The body is empty, or its JSON ends too early: send a whole JSON value."
    assert "byte 0xff, which is not UTF-8" in unreadable.json()["detail"]


async def test_fields_with_dots_or_dollars_are_stored_but_no_path_reaches_them(http: httpx.AsyncClient) -> None:
    """docs/queries.md describes this: documents of other systems have such names."""
    document = {"a.b": 1, "$c": 2}
    await http.put(f"{URL}/d1", json=document)

    read = (await http.get(f"{URL}/d1")).json()
    found = (await http.post(f"{URL}/query", json={"where": {"a.b": 1}})).json()
    dollar = await http.post(f"{URL}/query", json={"where": {"$c": 2}})

    assert read.items() >= document.items()
    assert found["items"] == []
    assert problem(dollar) == (400, "invalid_query")
    assert problem(await http.patch(f"{URL}/d1", json={"$c": 3}))[0] == 422


async def test_the_openapi_document_describes_bodies_and_answers(http: httpx.AsyncClient) -> None:
    paths = (await http.get("/api/openapi.json")).json()["paths"]

    create = paths["/v1/data/{collection}"]["post"]
    assert create["requestBody"]["content"].keys() == {"application/json"}
    assert {"201", "400", "403", "409", "413", "415", "422"} <= create["responses"].keys()
    document = paths["/v1/data/{collection}/{id}"]
    assert {"200", "304", "404"} <= document["get"]["responses"].keys()
    assert {"200", "201", "412"} <= document["put"]["responses"].keys()
    assert "application/merge-patch+json" in document["patch"]["requestBody"]["content"]
    assert "204" in document["delete"]["responses"]
    assert all(operation["summary"] for path in paths.values() for operation in path.values())


async def test_a_data_key_is_rotated_over_http(http: httpx.AsyncClient) -> None:
    url = "/api/projects/prj_a/data-key"
    await http.put(f"{URL}/d1", json={"a": 1})

    begun = await http.post(f"{url}/rotate")
    async with asyncio.timeout(10):
        while (state := (await http.get(url)).json())["rotating"]:
            await asyncio.sleep(0.005)

    assert (begun.status_code, begun.json()["rotating"], begun.json()["since"]) == (202, True, None)
    assert (state["version"], state["progress"], state["failed"]) == (1, None, None)
    assert state["since"].endswith("Z")
    assert (await http.get(f"{URL}/d1")).json()["a"] == 1
    for caller in ("secret", "publishable"):
        assert problem(await http.post(f"{url}/rotate", headers={"x-test-caller": caller})) == (403, "forbidden")
