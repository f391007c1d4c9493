from __future__ import annotations

import pytest

from bunbase.gateway.paths import normal_path
from tests.gateway.door import door_of
from tests.gateway.others import SECRET

KEY = {"x-bunbase-key": SECRET}


@pytest.mark.parametrize(
    ("sent", "path", "below"),
    [
        ("/v1//functions/echo/a", "/v1/functions/echo/a", "/a"),
        ("//v1/functions///echo", "/v1/functions/echo", "/"),
        ("/v1/functions//echo/a//b/", "/v1/functions/echo/a/b", "/a//b/"),
        ("/v1/%66unctions/echo/%61%2Fb", "/v1/functions/echo/a%2Fb", "/%61%2Fb"),
        ("/%76%31/functions/%65cho/a", "/v1/functions/echo/a", "/a"),
        ("/v1/functions/echo/", "/v1/functions/echo", "/"),
        ("/v1/functions/echo//", "/v1/functions/echo", "//"),
    ],
)
async def test_a_function_sees_the_path_that_begins_after_its_name(sent: str, path: str, below: str) -> None:
    """Before, the router ignored doubled slashes and escapes, but the function saw them before its path."""
    assert normal_path(sent.encode())[0] == path
    async with door_of() as door:
        answer = await door.http.get(f"http://test{sent}", headers=KEY)

    assert (answer.status_code, answer.json()[1]) == (201, below)


@pytest.mark.parametrize("path", ["/v1/functions%2Fecho/a", "/v1%2Fdata/posts", "/v1/data%2Fposts", "/api%2fhealth"])
async def test_an_escaped_slash_separates_no_segments(path: str) -> None:
    """RFC 3986 section 2.2. A proxy that checks paths treats it in the same way."""
    assert normal_path(b"/v1/functions/echo%2Fa") == ("/v1/functions/echo%2Fa", b"/v1/functions/echo%2Fa")
    async with door_of() as door:
        assert (await door.http.get(f"http://test{path}", headers=KEY)).status_code == 404


@pytest.mark.parametrize("path", ["/v1/auth/sessions/", "/v1/auth//sessions", "//v1/auth/me"])
async def test_a_delete_with_an_empty_part_deletes_nothing(path: str) -> None:
    """`DELETE /v1/auth/sessions/$ID` with an empty variable would end all sessions."""
    async with door_of() as door:
        answer = await door.http.delete(f"http://test{path}", headers=KEY)
        function = await door.http.delete("http://test/v1/functions/echo/", headers=KEY)

    assert (answer.status_code, "is empty" in answer.json().get("detail", "")) == (404, True), answer.text
    assert function.status_code == 201


@pytest.mark.parametrize(
    ("sent", "path"),
    [
        (b"/v1/storage/objects/files/a", "/v1/storage/objects/files/a"),
        (b"/v1/storage/objects/files/a/b", "/v1/storage/objects/files/a%2Fb"),
        (b"/v1/storage/objects/files/a//b/", "/v1/storage/objects/files/a%2F%2Fb%2F"),
        (b"//v1/storage//objects/files/a", "/v1/storage/objects/files/a"),
        (b"/v1/storage/objects/files//", "/v1/storage/objects/files/%2F"),
        (b"/v1/storage/objects/files/..", "/v1/storage/objects/files/.."),
        (b"/v1/%73torage/objects/files/a/b", "/v1/storage/objects/files/a%2Fb"),
        (b"/v1/storage/objects/files/", "/v1/storage/objects/files"),
        (b"/v1/storage/objects/files", "/v1/storage/objects/files"),
        (b"/v1/storage/list/files/", "/v1/storage/list/files"),
    ],
)
def test_the_key_of_an_object_is_one_segment(sent: bytes, path: str) -> None:
    assert normal_path(sent) == (path, sent)
