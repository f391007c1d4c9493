"""An app that signs its users in with BunBase: its page has another origin, and its project has one collection.

A journey begins on the page of the app, goes through a mail or a page of BunBase, and ends with a document that a rule
shows only to its owner:

    page = app.open(browser)
    app.ask(page, "signUp", "eve@example.com", PASSWORD)
    app.give_note(uid)
    page.goto(app.link("eve@example.com", "verify-email"))
    …
    assert app.reads_note(page, uid)
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from playwright.sync_api import Page

from tests.e2e.instance import Instance, poll

PASSWORD: Final = "correct horse battery"
OWN_NOTES: Final = {"get": "auth != null && auth.uid == doc.owner", "list": "auth != null && auth.uid == doc.owner"}


@dataclass(frozen=True)
class App:
    """The app. `url`: the URL of its page. `key`: its publishable key. `server`: the headers of its own server.

    `developer`: the headers of the developer who owns the project.
    """

    instance: Instance
    project: str
    key: str
    server: dict[str, str]
    developer: dict[str, str]
    url: str

    def open(self, page: Page) -> None:
        """Show the page of the app in a browser."""
        page.goto(f"{self.url}/app.html?{urlencode({'url': self.instance.url, 'key': self.key})}")

    def ask(self, page: Page, name: str, *arguments: Any) -> Any:
        """Call a function of the app's page (`app.html`) and return its result."""
        return page.evaluate("([name, given]) => app[name](...given)", [name, list(arguments)])

    def link(self, to: str, name: str) -> str:
        """Return the link to a page of BunBase from the project's newest mail to an address with such a link."""

        def links() -> list[str]:
            asked = {"to": to, "project": self.project}
            mails = self.instance.http.get("/api/dev/mail", params=asked).raise_for_status().json()["items"]
            found = (re.search(rf"http\S+/v1/auth/ui/{name}\?\S+", mail["text"]) for mail in mails)
            return [one[0] for one in found if one]

        link: str = poll(links, what=f"a mail to {to} with a link to {name}")[0]
        return link

    def give_note(self, owner: str) -> None:
        """Write a document that only this user may read."""
        note = {"owner": owner, "text": f"a note of {owner}"}
        self.instance.http.put(f"/v1/data/notes/{owner}", json=note, headers=self.server).raise_for_status()

    def reads_note(self, page: Page, owner: str) -> bool:
        """True if the user of the app's page may read the document of `owner`."""
        answer = self.ask(page, "read", owner)
        if answer["status"] == 404:
            return False
        assert answer["status"] == 200, answer
        return bool(answer["body"]["text"] == f"a note of {owner}")

    def set_rules(self, **rules: str) -> None:
        """Replace the rules of the collection of notes."""
        self.instance.http.put(
            "/v1/collections/notes", json={"rules": OWN_NOTES | rules}, headers=self.server
        ).raise_for_status()

    def change_settings(self, **patch: Any) -> None:
        """Apply a merge patch to the settings of the project.

        A test must restore the settings that other tests need.
        """
        at = f"/api/projects/{self.project}/auth"
        self.instance.http.patch(at, json=patch, headers=self.developer).raise_for_status()


@contextmanager
def app_on(instance: Instance) -> Iterator[App]:
    """Yield an app with a new project on a running instance in dev mode."""
    account = {"email": "ada@example.com", "password": PASSWORD}
    ada = instance.http.post("/api/auth/register", json=account).raise_for_status().json()
    developer = {"Authorization": f"Bearer {ada['access_token']}"}
    project = instance.http.post("/api/projects", json={"name": "Bakery"}, headers=developer).raise_for_status().json()
    keys = {key["kind"]: key["key"] for key in project["keys"]}
    server = {"X-Bunbase-Key": keys["secret"]}
    with served_pages() as url:
        app = App(instance, project["id"], keys["publishable"], server, developer, url)
        app.set_rules()
        app.change_settings(app_name="Bakery", redirect_urls=[url])
        yield app


@contextmanager
def served_pages() -> Iterator[str]:
    """Serve this folder on another port and another host name than BunBase. Yield the address."""
    handler = partial(_Quiet, directory=str(Path(__file__).parent))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        try:
            yield f"http://localhost:{http.server_port}"
        finally:
            http.shutdown()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing."""
