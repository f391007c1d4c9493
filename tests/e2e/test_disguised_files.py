"""Files that contain pages and scripts, opened in Chromium from a public bucket: no script runs under the server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Final

import pytest
from playwright.sync_api import Browser, Error

from tests.e2e.browser import chromium
from tests.e2e.instance import Instance, poll

CALL: Final = "fetch('/api/health?ran=1')"
PAGE: Final = f'<!DOCTYPE html><html><body onload="{CALL}"><script>{CALL}</script></body></html>'
SVG: Final = f'<svg xmlns="http://www.w3.org/2000/svg" onload="{CALL}"><script>{CALL}</script></svg>'
XHTML: Final = f'<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><script>{CALL}</script></html>'
FILES: Final = (
    ("page.html", "text/html", PAGE),
    ("page", "", PAGE),
    ("page.png", "image/png", PAGE),
    ("page.gif", "image/gif; charset=text/html", PAGE),
    ("page.mp4", "video/mp4", PAGE),
    ("page.txt", "text/plain", PAGE),
    ("page.shtml.", "text/html;charset=utf-7", PAGE),
    ("drawing.svg", "image/svg+xml", SVG),
    ("drawing.xml", "text/xml", SVG),
    ("drawing.jpg", "image/jpeg", SVG),
    ("page.xht", "application/xhtml+xml", XHTML),
    ("page.pdf", "application/pdf", PAGE),
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


def test_no_script_in_a_file_runs_under_the_address_of_the_server(browser: Browser, running_dev: Instance) -> None:
    account = {"email": "ada@example.com", "password": "correct horse battery"}
    token = running_dev.http.post("/api/auth/register", json=account).raise_for_status().json()["access_token"]
    bearer = {"Authorization": f"Bearer {token}"}
    project = running_dev.http.post("/api/projects", json={"name": "Files"}, headers=bearer).raise_for_status().json()
    secret = next(key["key"] for key in project["keys"] if key["kind"] == "secret")
    headers = {"X-Bunbase-Key": secret}
    bucket = {"name": "open", "public": True}
    running_dev.http.post("/v1/storage/buckets", json=bucket, headers=headers).raise_for_status()
    page = browser.new_context().new_page()
    ran: list[str] = []
    page.on("request", lambda request: ran.append(request.url) if "ran=1" in request.url else None)
    server = str(running_dev.http.base_url).rstrip("/")

    def visit(address: str) -> None:
        with suppress(Error):  # A download ends the navigation.
            page.goto(address)

    page.goto(f"{server}/api/health")
    page.evaluate(CALL)
    assert ran, "the watch must see a request of a script"
    ran.clear()
    for key, content_type, content in FILES:
        sent = headers | {"Content-Type": content_type}
        path = f"/v1/storage/objects/open/{key}"
        running_dev.http.put(path, content=content.encode(), headers=sent).raise_for_status()
        visit(f"{server}{path}?project={project['id']}")
        assert ran == [], key
    page.goto(f"{server}/api/health")
    answered: set[str] = set()
    page.on("response", lambda response: answered.add(response.url) if "/objects/" in response.url else None)
    for key, _, _ in FILES:
        page.evaluate(
            """source => { const frame = document.createElement('iframe'); frame.src = source;
            document.documentElement.append(frame); }""",
            f"/v1/storage/objects/open/{key}?project={project['id']}",
        )
    poll(lambda: page.evaluate("fetch('/api/health').then(one => one.ok)") and len(answered) == len(FILES))
    assert ran == []
