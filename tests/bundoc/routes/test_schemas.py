"""Schemas and collections over HTTP."""

from __future__ import annotations

import httpx
import pytest

from tests.bundoc.routes.answers import URL, problem


async def test_a_schema_is_saved_and_enforced_over_http(http: httpx.AsyncClient) -> None:
    author = {"type": "string", "x-ref": "users", "x-on-delete": "cascade"}
    schema = {"required": ["title"], "properties": {"title": {"type": "string"}, "author": author}}
    made = await http.put("/v1/collections/posts", json={"schema": schema})
    await http.put("/v1/data/users/ada", json={"name": "Ada"})
    created = await http.put(f"{URL}/d1", json={"title": "Hello", "author": "ada"})

    assert (made.json()["schema"], made.json()["strict"]) == (schema, False)
    assert [(one["name"], one["system"]) for one in made.json()["indexes"]] == [("_ref_author", True)]
    assert created.status_code == 201
    refused = await http.post(URL, json={"author": "bob"})
    assert problem(refused) == (422, "invalid_document")
    assert refused.json()["errors"] == [{"path": "/title", "message": "This field is required.", "keyword": "required"}]

    for expanded in (
        (await http.get(f"{URL}/d1?expand=author")).json(),
        (await http.get(f"{URL}?expand=author&select=title")).json()["items"][0],
        (await http.post(f"{URL}/query", json={"expand": ["author"]})).json()["items"][0],
    ):
        assert expanded["_expand"]["author"]["name"] == "Ada"
    assert problem(await http.get(f"{URL}/d1?expand=title")) == (400, "invalid_query")
    assert problem(await http.get("/v1/data/users/ada?expand=posts")) == (400, "invalid_query")

    assert (await http.delete("/v1/data/users/ada")).status_code == 204
    assert problem(await http.get(f"{URL}/d1")) == (404, "document_not_found")


async def test_a_misspelled_member_of_a_collection_is_answered_with_the_nearest_name(http: httpx.AsyncClient) -> None:
    refused = await http.put("/v1/collections/posts", json={"rules": {"lst": "true"}})

    assert problem(refused) == (422, "invalid_input")
    assert refused.json()["detail"] == "/rules/lst: There is no field lst here. Did you mean list?"


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ('{"pattern":"(?=x)"}', "look-around"),
        ('{"pattern":"["}', "not valid"),
        ('{"patternProperties":{"(?=x)":{}}}', "look-around"),
        ('{"format":"nope"}', "This format is not known"),
    ],
)
async def test_a_pattern_and_a_format_are_refused_with_what_to_change(
    http: httpx.AsyncClient, keywords: str, message: str
) -> None:
    refused = await http.put("/v1/collections/posts", content=f'{{"schema":{{"properties":{{"a":{keywords}}}}}}}')

    assert problem(refused) == (422, "invalid_schema")
    assert message in refused.json()["detail"]


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ({"rules": {"lst": "true"}}, "/rules/lst: There is no field lst here. Did you mean list?"),
        ({"index": []}, "/index: There is no field index here. Did you mean indexes?"),
        ([], 'it is a list. A collection must be described by a JSON object, such as {"indexes":[]}.'),
    ],
)
async def test_a_wrong_description_of_a_collection_is_refused_with_what_to_write(
    http: httpx.AsyncClient, body: object, detail: str
) -> None:
    refused = await http.put("/v1/collections/posts", json=body)

    assert problem(refused) == (422, "invalid_input")
    assert refused.json()["detail"].endswith(detail)


async def test_the_longest_cursor_of_a_list_is_accepted_by_get(http: httpx.AsyncClient) -> None:
    names = "abcdefgh"
    for number in range(2):
        await http.put(f"{URL}/d{number}", json={name: f"{name * 490}{number}" for name in names})
    first = (await http.get(f"{URL}?sort={','.join(names)}&limit=1")).json()

    second = (await http.get(f"{URL}?sort={','.join(names)}&limit=1&cursor={first['next']}")).json()

    assert len(first["next"]) > 2048
    assert [one["_id"] for one in (*first["items"], *second["items"])] == ["d0", "d1"]


async def test_a_collection_does_not_count_documents_that_have_expired(http: httpx.AsyncClient) -> None:
    await http.put("/v1/collections/posts", json={"expires": "e"})
    await http.put(f"{URL}/a", json={"e": "2020-01-01T00:00:00Z"})
    await http.put(f"{URL}/b", json={"n": 1})

    counted = (await http.get("/v1/collections/posts")).json()

    assert (counted["documents"], counted["bytes"]) == (1, len(b'{"n":1}'))


async def test_a_unique_index_does_not_meet_documents_that_have_expired(http: httpx.AsyncClient) -> None:
    await http.put(f"{URL}/a", json={"k": 1, "e": "2020-01-01T00:00:00Z"})
    await http.put(f"{URL}/b", json={"k": 1})

    made = await http.put(
        "/v1/collections/posts", json={"expires": "e", "indexes": [{"fields": ["k"], "unique": True}]}
    )

    assert made.status_code == 200, made.text
    assert problem(await http.get(f"{URL}/a")) == (404, "document_not_found")
    assert made.json()["documents"] == 1


@pytest.mark.parametrize(
    ("body", "code", "path"),
    [
        (b'{"schema":{"properties":{"a":{"type":"strin"}}}}', "invalid_schema", "/properties/a/type"),
        (b'{"schema":{"maximum":%d}}' % (1 << 70), "invalid_schema", ""),
        (b'{"schema":{"$ref":"http://a.example/b"}}', "invalid_schema", "/$ref"),
        (b'{"schema":[]}', "invalid_input", "/schema"),
        (b'{"schema":true}', "invalid_input", "/schema"),
        (b'{"strict":null}', "invalid_input", "/strict"),
        (b'{"schema":' + b'{"not":' * 200 + b"{}" + b"}" * 200 + b"}", "invalid_schema", ""),
        (b'{"schema":' + b'{"not":' * 700 + b"{}" + b"}" * 700 + b"}", "invalid_schema", ""),
    ],
)
async def test_an_invalid_schema_is_refused(http: httpx.AsyncClient, body: bytes, code: str, path: str) -> None:
    refused = await http.put("/v1/collections/posts", content=body)

    assert problem(refused) == (422, code)
    assert refused.json()["errors"][0]["path"] == path


async def test_documents_that_violate_the_schema_are_listed_over_http(http: httpx.AsyncClient) -> None:
    await http.put(f"{URL}/d1", json={"title": 1})

    found = await http.post("/v1/collections/posts/misfits", json={"schema": {"required": ["n"]}})
    refused = await http.post("/v1/collections/posts/misfits", json={"schema": {"type": 1}})

    assert (found.status_code, found.json()["items"][0]["id"], found.json()["next"]) == (200, "d1", None)
    assert problem(refused) == (422, "invalid_schema")
