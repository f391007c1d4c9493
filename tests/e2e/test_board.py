"""People follow examples/board/README.md on a running `bunbase dev`, and use the board in several browsers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.e2e.axe import faults
from tests.e2e.browser import chromium
from tests.e2e.example_app import REPOSITORY, cloned, served
from tests.e2e.instance import Instance, poll

BOARD: Final = REPOSITORY / "examples/board"
COLUMNS: Final = ("To do", "Doing", "Done")
OFFLINE: Final = "You are offline. Your changes are kept."


@pytest.fixture(scope="module")
def server(running_dev: Instance) -> Instance:
    return running_dev


@pytest.fixture(scope="module")
def clone(server: Instance) -> Path:
    return cloned(server, "board")


@pytest.fixture(scope="module")
def url(server: Instance, clone: Path) -> Iterator[str]:
    with served(server, clone, "board") as url:
        yield url


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


class Person:
    """A person with a browser. `errors`: the errors of the page that it did not show to the person."""

    def __init__(self, browser: Browser, url: str, name: str) -> None:
        self.context: BrowserContext = browser.new_context()
        self.context.set_default_timeout(20_000)
        self.page: Page = self.context.new_page()
        self.errors: list[str] = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.goto(url)
        self.page.get_by_label("Your name").fill(name)
        self.page.keyboard.press("Enter")
        expect(self.page.get_by_label("People")).to_contain_text(f"{name} (you)")

    def card(self, title: str) -> str:
        """Wait until the board shows a card."""
        expect(self.page.locator(".card", has_text=title)).to_be_visible()
        return title

    def add(self, title: str, column: str = "To do") -> None:
        self.page.get_by_label(f"New card in {column}").fill(title)
        self.page.keyboard.press("Enter")
        self.card(title)

    def press(self, title: str, *keys: str) -> None:
        for key in keys:
            self.page.locator(".card", has_text=title).press(key)

    def board(self) -> dict[str, list[str]]:
        """Return the titles of all columns."""
        sections = [self.page.get_by_role("region", name=name, exact=True) for name in COLUMNS]
        found = [section.locator(".card").all_inner_texts() for section in sections]
        return {name: [text.splitlines()[0] for text in texts] for name, texts in zip(COLUMNS, found, strict=True)}

    def has_done(self, *titles: str) -> None:
        """Wait until the last column has these cards, in any order."""
        poll(lambda: sorted(self.board()["Done"]) == sorted(titles), 20, f"{titles} are done")

    def sees(self, **columns: list[str]) -> None:
        """Wait until the board has these cards."""
        wanted = {name: columns.get(name.replace(" ", "_"), []) for name in COLUMNS}
        poll(lambda: self.board() == wanted, 20, f"{wanted}, found {self.board()}")


def test_several_people_use_the_board_at_once_and_one_of_them_without_a_network(url: str, browser: Browser) -> None:
    ada, eve = (Person(browser, url, name) for name in ("Ada", "Eve"))
    expect(ada.page.get_by_label("People")).to_contain_text("Eve")
    for title in ("bread", "milk", "salt"):
        ada.add(title)
    eve.sees(To_do=["bread", "milk", "salt"])
    assert faults(eve.page) == []

    # One person moves a card by mouse, the other person by key, and each sees both moves.
    eve.page.locator(".card", has_text="salt").drag_to(eve.page.get_by_role("region", name="Doing"))
    ada.sees(To_do=["bread", "milk"], Doing=["salt"])
    ada.press("milk", "ArrowUp")
    ada.press("bread", "ArrowRight")
    eve.sees(To_do=["milk"], Doing=["salt", "bread"])

    # Each person sees which card the other person edits.
    eve.press("milk", "Enter")
    expect(ada.page.locator(".card", has_text="milk")).to_contain_text("Eve")
    eve.page.get_by_label("Title").fill("oat milk")
    eve.page.keyboard.press("Enter")
    ada.card("oat milk")
    expect(ada.page.locator(".card", has_text="milk")).not_to_contain_text("Eve")

    # Eve has no network, and both people continue.
    eve.context.set_offline(True)
    expect(eve.page.get_by_text(OFFLINE)).to_be_visible()
    eve.press("oat milk", "ArrowRight", "ArrowRight")
    eve.add("pepper", "Done")
    eve.sees(Doing=["salt", "bread"], Done=["oat milk", "pepper"])
    ada.press("salt", "ArrowRight")
    ada.add("rice")
    ada.sees(To_do=["oat milk", "rice"], Doing=["bread"], Done=["salt"])

    eve.context.set_offline(False)
    both = {"To_do": ["rice"], "Doing": ["bread"]}
    for person in (ada, eve):
        person.has_done("oat milk", "pepper", "salt")
        person.sees(**both, Done=ada.board()["Done"])
    expect(eve.page.get_by_text(OFFLINE)).to_be_hidden()
    expect(ada.page.get_by_label("People")).to_contain_text("Eve")

    # After a refused write, the card is back, and a sentence explains the reason.
    eve.press("rice", "Delete")
    expect(eve.page.get_by_role("alert")).to_contain_text("The card was not deleted.")
    eve.card("rice")
    ada.press("rice", "Delete")
    eve.sees(Doing=["bread"], Done=ada.board()["Done"])

    eve.page.close()
    expect(ada.page.get_by_label("People")).not_to_contain_text("Eve")
    assert ada.errors + eve.errors == []


def test_changes_without_a_network_are_sent_after_the_page_was_closed(url: str, browser: Browser) -> None:
    fay, gil = (Person(browser, url, name) for name in ("Fay", "Gil"))
    fay.add("tea")
    gil.card("tea")
    gil.page.route(re.compile(r"/v1/"), lambda route: route.abort())
    gil.press("tea", "ArrowRight")
    gil.add("cake", "Doing")
    expect(gil.page.get_by_text("Saving …")).to_be_visible()
    gil.page.close()

    gil.page = gil.context.new_page()
    gil.page.goto(url)

    poll(lambda: {"tea", "cake"} <= {*fay.board()["Doing"]}, 20)
    assert faults(gil.page) == []
    assert fay.errors == []


def test_the_types_fit_the_schema_and_every_condition_of_the_rules_is_tested(
    url: str, server: Instance, clone: Path
) -> None:
    place = clone / "examples/board"

    server.bunbase("gen", "types", "--lang", "ts", "--out", "src/database.ts", "--check", cwd=place)
    assert "11 of 11 cases passed" in server.bunbase("rules", "test", "--min-coverage", "100", cwd=place)


def test_the_example_needs_only_the_client() -> None:
    sources = [*(BOARD / "src").iterdir()]

    assert len(sources) > 5
    assert [
        path.name for path in sources if re.search(r"\bfetch\b|XMLHttpRequest|WebSocket", path.read_text("utf-8"))
    ] == []
