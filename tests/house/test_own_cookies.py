"""No function receives a cookie of BunBase, because all cookies of BunBase get their names in one place."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import bunbase
from bunbase.functions.boundary.cookies import for_function, on_own_host
from bunbase.pkg.own_cookies import own_cookie

SOURCE = Path(bunbase.__file__).parent
MAKERS = ["pkg/own_cookies.py", "pkg/web_pages/serving.py"]  # The first file makes names, and the second makes cookies.
MAKES_A_COOKIE = re.compile(r"(?<![A-Za-z])Cookie\(|\.set_cookie\(|__Host-\{")


@pytest.mark.parametrize("url", ["http://127.0.0.1:7070", "https://base.example"])
def test_functions_neither_receive_nor_set_a_cookie_of_bunbase(url: str) -> None:
    name = own_cookie("pass", url)

    assert for_function(f"theme=dark; {name}=secret", "prj_bakery") == "theme=dark"
    assert on_own_host(f"{name}=chosen") is None


def test_cookies_and_their_names_are_made_in_one_place() -> None:
    makers = [str(file.relative_to(SOURCE)) for file in SOURCE.rglob("*.py") if MAKES_A_COOKIE.search(file.read_text())]

    assert sorted(makers) == MAKERS
