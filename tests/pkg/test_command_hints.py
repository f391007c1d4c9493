from __future__ import annotations

import pytest

from bunbase.pkg.command_hints import command_for


@pytest.mark.parametrize("public_url", ["http://127.0.0.1:7070", "http://localhost:7070/"])
def test_a_command_that_asks_this_server_anyway_names_no_server(public_url: str) -> None:
    assert command_for(public_url, "bunbase login") == "bunbase login"


@pytest.mark.parametrize("public_url", ["https://bunbase.example/", "http://127.0.0.1:7071"])
def test_a_command_names_the_server_that_shows_it(public_url: str) -> None:
    assert command_for(public_url, "bunbase login") == f"bunbase login --url {public_url.rstrip('/')}"
