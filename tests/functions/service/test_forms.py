"""`formData()` gives each file the content type of its part, whatever its name is (Fetch standard, §6.4)."""

from __future__ import annotations

import pytest

from bunbase.functions.service import FunctionsService
from tests.functions.calls import call, deploy, request

FORM = """async (req) => {
    const form = await req.formData();
    const shown = await Promise.all([...form].map(async ([name, value]) =>
        typeof value === "string" ? [name, value] : [name, value.name, value.type, await value.text()]));
    const again = await new Response(form).formData();
    return { shown, again: [...again].map(([, value]) => value.type ?? null) };
}"""


@pytest.fixture
def functions(shared_functions: FunctionsService) -> FunctionsService:
    return shared_functions


def part(disposition: str, body: str, content_type: str | None = None) -> str:
    type_line = "" if content_type is None else f"Content-Type: {content_type}\r\n"
    return f"Content-Disposition: form-data; {disposition}\r\n{type_line}\r\n{body}\r\n"


@pytest.mark.parametrize("quoted", [False, True])
async def test_a_file_of_a_form_has_the_type_that_its_part_names(functions: FunctionsService, quoted: bool) -> None:
    await deploy(functions, "f", FORM)
    parts = [
        part('name="a"; filename="a.txt"', "picture", "image/png"),
        part('name="text"', "--not-b\r\n--", None),
        part('name="b"; filename="b.bin"', "", "application/x-custom"),
        part('name="c"; filename="c.png"', "no type"),
        part('name="typed"', "text with a type", "text/html"),
        part('name="d"; filename="d.json"', "{}\r\n\r\n--b", "Text/CSV; charset=utf-8"),
    ]
    body = "".join(f"--a.b-1\r\n{one}" for one in parts) + "--a.b-1--\r\n"
    boundary = '"a.b-1"' if quoted else "a.b-1"

    answer = await call(
        functions,
        "f",
        request(method="POST", body=body.encode(), content_type=f"multipart/form-data; boundary={boundary}"),
    )

    assert answer.json["shown"] == [
        ["a", "a.txt", "image/png", "picture"],
        ["text", "--not-b\r\n--"],
        ["b", "b.bin", "application/x-custom", ""],
        ["c", "c.png", "text/plain;charset=utf-8", "no type"],  # Bun adds the charset to every Blob of text
        ["typed", "text with a type"],
        ["d", "d.json", "text/csv; charset=utf-8", "{}\r\n\r\n--b"],
    ]
    assert answer.json["again"] == [one[2] if len(one) == 4 else None for one in answer.json["shown"]]


@pytest.mark.parametrize(
    ("content_type", "body", "shown"),
    [
        ("application/x-www-form-urlencoded", b"a=1&a=2", [["a", "1"], ["a", "2"]]),
        ("multipart/form-data; boundary=b", b"--b--\r\n", []),
    ],
)
async def test_forms_without_files_are_read_as_before(
    functions: FunctionsService, content_type: str, body: bytes, shown: object
) -> None:
    await deploy(functions, "f", FORM)

    answer = await call(functions, "f", request(method="POST", body=body, content_type=content_type))

    assert answer.json["shown"] == shown


@pytest.mark.parametrize(
    "body", [b"", b"--b", b"--b\r\n", b"--b\r\n\r\nx", b"no form", b"--b\r\nContent-Type: a\r\n\r\n"]
)
async def test_a_broken_form_is_an_error_or_empty(functions: FunctionsService, body: bytes) -> None:
    await deploy(
        functions, "f", "async (req) => { try { return [...await req.formData()] } catch (e) { return e.name } }"
    )

    answer = await call(
        functions, "f", request(method="POST", body=body, content_type="multipart/form-data; boundary=b")
    )

    assert answer.json in ([], "TypeError", "SyntaxError")
