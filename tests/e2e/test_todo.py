"""A person follows examples/todo/README.md on a running `bunbase dev`, and uses the page in Chromium."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.axe import faults
from tests.e2e.browser import chromium
from tests.e2e.example_app import REPOSITORY, cloned, served
from tests.e2e.instance import Instance

TODO: Final = REPOSITORY / "examples/todo"
PASSWORD: Final = "apples and pears"
ADA, EVE = "ada@example.com", "eve@example.com"


@pytest.fixture(scope="module")
def server(running_dev: Instance) -> Instance:
    return running_dev


@pytest.fixture(scope="module")
def clone(server: Instance) -> Path:
    return cloned(server, "todo")


@pytest.fixture(scope="module")
def url(server: Instance, clone: Path) -> Iterator[str]:
    with served(server, clone, "todo") as url:
        yield url


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


def sign_up(page: Page, email: str) -> None:
    page.get_by_role("button", name="I am new here").click()
    page.get_by_label("Email").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Create the account").click()
    expect(page.get_by_text("There is nothing to do.")).to_be_visible()


def titles(page: Page) -> list[str]:
    return [text.strip() for text in page.get_by_role("listitem").locator("label").all_inner_texts()]


def test_two_people_keep_their_todos_apart(url: str, browser: Browser) -> None:
    page = browser.new_context().new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(url)
    assert faults(page) == []

    sign_up(page, ADA)
    assert faults(page) == []
    for title in ("bread", "milk", "salt"):
        page.get_by_label("New todo").fill(title)
        page.keyboard.press("Enter")
        expect(page.get_by_role("checkbox", name=title)).to_be_visible()
        expect(page.get_by_label("New todo")).to_have_value("")
    page.get_by_role("checkbox", name="milk").click()
    expect(page.get_by_role("checkbox", name="milk")).to_be_checked()
    page.get_by_role("button", name="Delete bread").click()
    expect(page.get_by_role("listitem")).to_have_count(2)
    assert faults(page) == []

    page.reload()
    expect(page.get_by_role("checkbox", name="milk")).to_be_checked()
    expect(page.get_by_role("checkbox", name="salt")).not_to_be_checked()
    assert titles(page) == ["milk", "salt"]
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()

    sign_up(page, EVE)
    assert titles(page) == []
    page.get_by_role("button", name="Sign out").click()
    page.get_by_label("Email").fill(ADA)
    page.get_by_label("Password").fill("a wrong password")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_be_visible()
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")

    page.get_by_role("button", name="Delete the done ones").click()  # This calls the function.
    expect(page.get_by_role("listitem")).to_have_count(1)
    assert titles(page) == ["salt"]
    assert errors == []


def test_without_a_network_the_page_says_so_and_goes_on_afterwards(url: str, browser: Browser) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(url)
    sign_up(page, "fay@example.com")

    context.set_offline(True)
    expect(page.get_by_text("You are offline.")).to_be_visible()
    page.get_by_label("New todo").fill("bread")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert").first).to_contain_text("The server cannot be reached.")
    context.set_offline(False)
    expect(page.get_by_text("You are offline.")).to_be_hidden()
    expect(page.get_by_label("New todo")).to_have_value("bread")
    page.get_by_role("button", name="Add").click()

    expect(page.get_by_role("checkbox", name="bread")).to_be_visible()


def test_the_types_fit_the_schema_and_every_condition_of_the_rules_is_tested(
    url: str, server: Instance, clone: Path
) -> None:
    place = clone / "examples/todo"

    server.bunbase("gen", "types", "--lang", "ts", "--out", "src/database.ts", "--check", cwd=place)
    assert "12 of 12 cases passed" in server.bunbase("rules", "test", "--min-coverage", "100", cwd=place)


def test_the_example_needs_only_the_client() -> None:
    sources = [path for folder in ("src", "functions") for path in (TODO / folder).iterdir()]

    assert len(sources) > 5
    assert [path.name for path in sources if re.search(r"\bfetch\b|XMLHttpRequest", path.read_text("utf-8"))] == []
