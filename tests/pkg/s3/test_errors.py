from __future__ import annotations

import ast
from pathlib import Path

import pytest

import bunbase
from bunbase.pkg.s3.errors import STATUS, S3Error


def test_an_error_has_the_status_of_its_code() -> None:
    assert S3Error("NoSuchKey", "").status == 404
    assert S3Error("SlowDown", "").status == 503


def test_a_code_that_the_table_does_not_name_is_a_bug() -> None:
    with pytest.raises(TypeError):
        S3Error("NoSuchThing", "")


def test_the_table_names_each_code_that_the_server_raises() -> None:
    texts = [path.read_text("utf-8") for path in Path(bunbase.__file__).parent.rglob("*.py")]

    found = {code for text in texts if "S3Error(" in text for code in _codes(text)}

    assert len(found) > 30
    assert found <= STATUS.keys()


def _codes(text: str) -> list[object]:
    calls = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    made = [call.args[0] for call in calls if isinstance(call.func, ast.Name) and call.func.id == "S3Error"]
    return [code.value for code in made if isinstance(code, ast.Constant)]
