"""People who own a project together, over HTTP, in one process and in several."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.e2e.instance import SETUP_TOKEN, Instance, poll


class Person:
    """A developer who is signed in."""

    def __init__(self, http: httpx.Client, email: str) -> None:
        new = {"email": email, "password": "correct horse battery", "setup_token": SETUP_TOKEN}
        account = http.post("/api/auth/register", json=new).raise_for_status().json()
        self.http = http
        self.email = email
        self.id = account["user"]["id"]
        self.headers = {"Authorization": f"Bearer {account['access_token']}"}

    def status(self, method: str, path: str, body: Any = None) -> int:
        return self.http.request(method, path, json=body, headers=self.headers).status_code

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        reply = self.http.request(method, path, json=body, headers=self.headers).raise_for_status()
        return reply.json() if reply.content else None


@pytest.fixture(scope="module")
def people(instance: Instance) -> tuple[Person, Person]:
    return Person(instance.http, "ada@teams.example"), Person(instance.http, "bob@teams.example")


def invited(by: Person, place: str, who: Person, role: str) -> None:
    url = by.ask("POST", f"{place}/invites", {"email": who.email, "role": role})["url"]
    who.ask("POST", "/api/invites/accept", {"token": url.partition("token=")[2]})


def test_the_link_of_an_invitation_opens_a_page_whose_form_accepts_it_without_scripts(
    instance: Instance, people: tuple[Person, Person]
) -> None:
    ada, bob = people
    at = "/api/projects/" + ada.ask("POST", "/api/projects", {"name": "Linked"})["id"]
    link = ada.ask("POST", f"{at}/invites", {"email": bob.email, "role": "viewer"})["url"]

    page = instance.http.get("/" + link.split("/", 3)[3])
    form = {"token": link.partition("token=")[2], "email": bob.email, "password": "correct horse battery"}
    accepted = instance.http.post("/invite", data=form)

    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert "No account yet?" in page.text
    assert page.text.count("<script") == 1  # This is the script for passkeys, which the policy allows by its hash.
    assert "script-src 'sha256-" in page.headers["content-security-policy"]
    assert accepted.status_code == 200
    assert bob.ask("GET", at)["role"] == "viewer"


def test_a_role_that_is_taken_away_in_an_organisation_stops_working_within_a_second(
    people: tuple[Person, Person],
) -> None:
    ada, bob = people
    org = ada.ask("POST", "/api/orgs", {"name": "Guild"})
    at_org, mill = f"/api/orgs/{org['id']}", ada.ask("POST", "/api/projects", {"name": "Mill", "org": org["slug"]})
    at = f"/api/projects/{mill['slug']}"
    assert bob.status("GET", at) == 404

    invited(ada, at_org, bob, "admin")
    assert bob.ask("GET", at)["role"] == "admin"
    assert bob.status("POST", f"{at}/keys", {"kind": "secret"}) == 201

    ada.ask("PATCH", f"{at_org}/members/{bob.id}", {"role": "viewer"})
    poll(lambda: bob.status("POST", f"{at}/keys", {"kind": "secret"}) == 403, 1.0)
    assert bob.status("GET", f"{at}/keys") == 200

    ada.ask("DELETE", f"{at_org}/members/{bob.id}")
    poll(lambda: bob.status("GET", f"{at}/keys") == 404, 1.0)


def test_a_transfer_ends_the_roles_of_the_old_organisation_within_a_second(people: tuple[Person, Person]) -> None:
    ada, bob = people
    org = ada.ask("POST", "/api/orgs", {"name": "Old guild"})
    invited(ada, f"/api/orgs/{org['id']}", bob, "developer")
    at = "/api/projects/" + ada.ask("POST", "/api/projects", {"name": "Moving", "org": org["id"]})["id"]
    assert bob.status("GET", f"{at}/keys") == 200

    ada.ask("POST", f"{at}/transfer", {"org": "personal"})

    poll(lambda: bob.status("GET", f"{at}/keys") == 404, 1.0)
    assert ada.ask("GET", at)["role"] == "owner"


def test_members_of_a_deleted_project_learn_that_it_can_be_restored(people: tuple[Person, Person]) -> None:
    ada, bob = people
    made = ada.ask("POST", "/api/projects", {"name": "Paused"})
    at = f"/api/projects/{made['id']}"
    invited(ada, at, bob, "developer")
    assert bob.status("GET", f"{at}/keys") == 200

    ada.ask("DELETE", at, {"confirm": made["slug"]})

    poll(lambda: bob.status("GET", f"{at}/keys") == 410, 1.0)
    assert bob.status("POST", f"{at}/restore") == 403
    assert bob.status("DELETE", at, {"confirm": made["slug"], "now": True}) == 403
    assert [one["id"] for one in ada.ask("GET", "/api/projects?deleted=true")["items"]] == [made["id"]]
    ada.ask("POST", f"{at}/restore")
    assert bob.status("GET", f"{at}/keys") == 200
