"""The public HTTP API of backups, export and import. Problems are answered as the gateway answers them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from litestar import Request
from litestar.di import Provide

from bunbase.bundoc.room import BundocRoom
from bunbase.contracts.bundoc.service import Bundoc
from bunbase.contracts.caller import Caller, Role
from bunbase.contracts.platform import Membership, ProjectNotFound
from bunbase.gateway.app import given
from tests.bundoc.backups.backed_up import SERVER, NoFiles, ended, put, whole_bundoc
from tests.bundoc.web import app_of
from tests.fakes import FakeKms
from tests.rooms import member_caller

BACKUPS = "/api/projects/prj_a/backups"
ROLES = {"prj_a": Role.OWNER, "prj_b": Role.OWNER, "prj_watched": Role.VIEWER}


class FakePlatform:
    """The projects of Ada, with her role in each."""

    async def membership(self, developer: str, project: str) -> Membership:
        if project not in ROLES:
            raise ProjectNotFound
        return Membership(developer, project, project, ROLES[project])


async def member_of(request: Request[Any, Any, Any]) -> Caller:
    project = request.path_params["project"]
    return member_caller(project, ROLES[project])


async def server() -> Caller:
    return SERVER


@pytest.fixture
async def bundoc(tmp_path: Path, kms: FakeKms) -> AsyncIterator[BundocRoom]:
    async with whole_bundoc(tmp_path, kms) as bundoc:
        yield bundoc


async def accessor_of() -> Caller:
    return SERVER


async def operator_of() -> Caller:
    return SERVER


@pytest.fixture
async def http(bundoc: Bundoc) -> AsyncIterator[httpx.AsyncClient]:
    callers = {"client": Provide(server), "accessor": Provide(accessor_of)}
    callers |= {"member": Provide(member_of), "operator": Provide(operator_of)}
    dependencies = {**callers, **given({"bundoc": bundoc, "platform": FakePlatform(), "storage": NoFiles()})}
    transport = httpx.ASGITransport(app=app_of("backups", dependencies))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


async def done(http: httpx.AsyncClient, bundoc: BundocRoom, begun: httpx.Response) -> dict[str, Any]:
    assert begun.status_code == 202, begun.text
    job = begun.json()
    await ended(bundoc, member_caller(job["project"]), bundoc.backup_service.jobs.one(job["project"], job["id"]))
    found: dict[str, Any] = (await http.get(begun.headers["location"])).json()
    return found


def problem(response: httpx.Response) -> tuple[int, str]:
    assert response.headers["content-type"].startswith("application/problem+json")
    return response.status_code, response.json()["code"]


async def test_a_backup_is_made_listed_verified_restored_and_deleted(
    http: httpx.AsyncClient, bundoc: BundocRoom
) -> None:
    await put(bundoc, "d1")

    made = await done(http, bundoc, await http.post(BACKUPS))
    at = f"{BACKUPS}/{made['backup']}"
    listed = (await http.get(BACKUPS)).json()
    verified = await done(http, bundoc, await http.post(f"{at}/verify"))
    restored = await done(http, bundoc, await http.post(f"{BACKUPS}/restore", json={"backup": made["backup"]}))
    gone = await http.delete(at)

    assert (made["kind"], made["state"], made["problem"]) == ("create", "done", None)
    assert made["done_bytes"] == made["total_bytes"] > 0
    assert ([one["id"] for one in listed["items"]], listed["next"]) == ([made["backup"]], None)
    assert listed["items"][0]["collections"] == [{"name": "posts", "documents": 1, "bytes": 7}]
    assert (verified["state"], restored["state"]) == ("done", "done")
    assert gone.status_code == 204
    assert problem(await http.get(at)) == (404, "backup_not_found")
    assert problem(await http.get(f"{BACKUPS}/jobs/job_unknown")) == (404, "backup_job_not_found")


async def test_a_backup_without_a_proof_is_restored_on_explicit_request(
    http: httpx.AsyncClient, bundoc: BundocRoom, tmp_path: Path
) -> None:
    """Without the explicit request the restore is refused."""
    await put(bundoc, "d1")
    id = (await done(http, bundoc, await http.post(BACKUPS)))["backup"]
    assert (await http.get(f"{BACKUPS}/{id}")).json()["authenticity"] == "proved"
    (tmp_path / "backups" / "prj_a" / id / "manifest.mac").unlink()

    refused = await http.post(f"{BACKUPS}/restore", json={"backup": id})
    chosen = await http.post(f"{BACKUPS}/restore", json={"backup": id, "unauthenticated": True})

    assert (await http.get(BACKUPS)).json()["items"][0]["authenticity"] == "unauthenticated"
    assert problem(refused) == (409, "backup_unauthenticated")
    assert (await done(http, bundoc, chosen))["state"] == "done"


async def test_a_backup_is_restored_into_another_project_of_the_same_developer(
    http: httpx.AsyncClient, bundoc: BundocRoom
) -> None:
    await put(bundoc, "d1")
    made = await done(http, bundoc, await http.post(BACKUPS))
    into = "/api/projects/prj_b/backups/restore"

    ok = await http.post(into, json={"backup": made["backup"], "from_project": "prj_a"})
    assert (await done(http, bundoc, ok))["state"] == "done"

    asked = {"backup": made["backup"], "from_project": "prj_stranger"}
    assert problem(await http.post(into, json=asked)) == (404, "project_not_found")
    asked = {"backup": made["backup"], "from_project": "prj_watched"}
    assert problem(await http.post(into, json=asked)) == (403, "forbidden")
    assert problem(await http.post(into, json={"backup": made["backup"]})) == (404, "backup_not_found")
    assert problem(await http.post(into, json={"backup": "nonsense"})) == (404, "backup_not_found")
    assert problem(await http.post(into, json={"of": "nothing"}))[0] == 422


async def test_a_backup_schedule_is_set_and_deleted(http: httpx.AsyncClient) -> None:
    at = f"{BACKUPS}/schedule"

    assert (await http.get(at)).json() == {"every_hours": 0, "kept": 7, "own": False, "users": False, "files": True}
    assert (await http.put(at, json={"every_hours": 6, "kept": 3})).json() == {
        "every_hours": 6,
        "kept": 3,
        "own": True,
        "users": False,
        "files": True,
    }
    assert problem(await http.put(at, json={"every_hours": -1, "kept": 3}))[0] == 422
    assert (await http.delete(at)).json()["own"] is False


async def test_documents_are_exported_and_imported_over_http(http: httpx.AsyncClient, bundoc: BundocRoom) -> None:
    for number in range(300):
        await put(bundoc, f"d{number:03}", b'{"filling":"%b"}' % (b"x" * 2000))

    exported = await http.get("/v1/export?collection=posts&after=d009")
    whole = await http.get("/api/projects/prj_a/export")
    inside = await http.post("/v1/import?collection=copies", content=exported.content)
    state = inside.headers["x-bunbase-seq"]
    read = await http.get("/v1/data/copies/d299", headers={"x-bunbase-at-least": state})
    again = await http.post("/api/projects/prj_a/import?collection=copies&mode=skip", content=exported.content)
    other = await http.post("/api/projects/prj_b/import", content=whole.content)

    assert exported.headers["content-type"].startswith("application/x-ndjson")
    assert exported.content.count(b"\n") == 290
    assert inside.json() == {
        "imported": 290,
        "skipped": 0,
        "failed": 0,
        "last_line": 290,
        "errors": [],
        "unresolved": [],
        "seq": state,
    }
    assert (read.status_code, state.partition(".")[2]) == (200, "590")
    assert "x-bunbase-seq" not in again.headers, "it wrote nothing"
    assert again.json()["skipped"] == 290
    assert other.json()["imported"] == 300


async def test_an_invalid_request_is_refused_before_anything_is_read(http: httpx.AsyncClient) -> None:
    assert problem(await http.get("/v1/export?colection=posts")) == (400, "invalid_query")
    assert problem(await http.get("/v1/export?collection=Posts")) == (422, "invalid_input")
    assert problem(await http.get("/v1/export?collection=posts")) == (404, "collection_not_found")
    assert problem(await http.post("/v1/import?collection=posts&times=keep")) == (400, "invalid_query")
    assert (await http.post("/v1/import?collection=posts&mode=merge")).status_code in (400, 422)
    assert (await http.post("/v1/import?collection=posts")).json()["imported"] == 0


async def test_a_failed_import_names_the_last_imported_line(
    http: httpx.AsyncClient, bundoc: BundocRoom, kms: FakeKms
) -> None:
    await kms.destroy("prj_b")

    refused = await http.post("/api/projects/prj_b/import?collection=posts&from_line=5", content=b"{}\n" * 9)

    assert problem(refused) == (410, "key_destroyed")
    assert (refused.json()["last_line"], refused.json()["seq"]) == (4, "")
