from __future__ import annotations

import ast
from pathlib import Path

import pytest

import bunbase.pkg.s3
from bunbase.pkg.s3.errors import STATUS, S3Error


def test_an_error_has_the_status_of_its_code() -> None:
    assert S3Error("NoSuchKey", "").status == 404
    assert S3Error("SlowDown", "").status == 503


def test_a_code_that_the_table_does_not_name_is_a_bug() -> None:
    with pytest.raises(TypeError):
        S3Error("NoSuchThing", "")


def test_the_table_names_each_code_that_the_package_raises() -> None:
    for path in Path(bunbase.pkg.s3.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "S3Error":
                code = node.args[0]
                assert not isinstance(code, ast.Constant) or code.value in STATUS
