"""This version reads all data that each earlier version wrote with `installations/write.py`.

The data are accounts, projects, keys, end users, sessions, documents with indexes, schema and rules, a backup,
functions with versions, variables, a schedule, jobs, runs and logs. PostgreSQL and encrypted files hold them.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bunbase import __version__
from tests.e2e.conftest import new_database
from tests.e2e.installations.access import NOT_KEPT, Access, Kept, answers, missing, questions, signed_in
from tests.e2e.installations.running import EXPECTED, FOLDER, installation, load_dump
from tests.e2e.instance import Instance, poll
from tests.shared_openapi import openapi_document

INSTALLATIONS = Path(__file__).parent / "installations"
VERSIONS = sorted(path.parent.name for path in INSTALLATIONS.glob(f"*/{EXPECTED}"))
NOBODY = Access("", "", "prj_x", "", "", "", "", "usr_x", "", "", "bkp_x", "job_x")


@pytest.fixture(scope="module", params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture(scope="module")
def kept(version: str) -> Kept:
    return msgspec.json.decode((INSTALLATIONS / version / EXPECTED).read_bytes(), type=Kept)


@pytest.fixture(scope="module")
def opened(version: str, home: Path, postgres: str) -> Iterator[Instance]:
    """Run this version on a copy of the kept data."""
    folder = home / version
    shutil.copytree(INSTALLATIONS / version / FOLDER, folder / "data", copy_function=_copy_secret)
    database_url = new_database(postgres)
    load_dump(INSTALLATIONS / version, database_url)
    instance = installation(folder, database_url)
    try:
        yield instance.start()
        instance.stop()
    finally:
        instance.close()


@pytest.fixture(scope="module")
def first_answers(opened: Instance, kept: Kept) -> dict[str, Any]:
    """Send all requests before another test changes anything, and return the answers."""
    return answers(opened.http, kept.access)


@pytest.fixture(scope="module")
def callers(first_answers: dict[str, Any], opened: Instance, kept: Kept) -> dict[Any, dict[str, str]]:
    return signed_in(opened.http, kept.access)


def test_every_answer_equals_the_answer_of_the_old_version(first_answers: dict[str, Any], kept: Kept) -> None:
    assert missing(kept.answers, first_answers) == []


def test_sessions_and_tokens_of_the_old_version_stay_valid(
    callers: dict[Any, dict[str, str]], opened: Instance, kept: Kept
) -> None:
    http, access = opened.http, kept.access
    public = {"X-Bunbase-Key": access.publishable_key}

    refreshed = http.post("/api/auth/refresh", json={"refresh_token": access.refresh_token})
    of_user = http.post("/v1/auth/refresh", json={"refresh_token": access.user_refresh_token}, headers=public)
    by_token = http.get("/api/projects", headers={"Authorization": f"Bearer {access.personal_token}"})

    assert refreshed.raise_for_status().json()["user"]["email"] == access.email
    assert of_user.raise_for_status().json()["user"]["id"] == access.user
    assert [one["id"] for one in by_token.raise_for_status().json()["items"]] == [access.project]


def test_the_old_schema_rules_and_indexes_apply_to_documents(
    callers: dict[Any, dict[str, str]], opened: Instance
) -> None:
    http, secret, user = opened.http, callers["secret"], callers["user"]

    misfit = http.post("/v1/data/posts", json={"title": 1}, headers=secret)
    stray = http.post("/v1/data/posts", json={"title": "t", "author": "nobody"}, headers=secret)
    double = http.post("/v1/data/people", json={"email": "ada@example.com"}, headers=secret)
    denied = http.get("/v1/data/posts/p1", headers=user)
    allowed = http.get("/v1/data/posts/p2", headers=user)

    assert (misfit.status_code, misfit.json()["code"]) == (422, "invalid_document")
    assert (stray.status_code, stray.json()["errors"][0]["keyword"]) == (422, "x-ref")
    assert (double.status_code, double.json()["code"]) == (409, "unique_violation")
    assert (denied.status_code, denied.json()["code"]) == (404, "document_not_found")
    assert allowed.json()["price"] == 5


def test_a_change_runs_the_function_that_was_deployed_by_the_old_version(
    callers: dict[Any, dict[str, str]], opened: Instance
) -> None:
    http, secret = opened.http, callers["secret"]

    http.post("/v1/data/posts", json={"_id": "new", "title": "New"}, headers=secret).raise_for_status()

    poll(lambda: http.get("/v1/data/sealed/seen-new", headers=secret).status_code == 200, what="the trigger has run")


def test_an_old_version_of_a_function_runs_after_a_rollback_with_a_new_variable(
    callers: dict[Any, dict[str, str]], opened: Instance, kept: Kept
) -> None:
    http, at = opened.http, f"/api/projects/{kept.access.project}"
    developer, secret = callers["developer"], callers["secret"]

    http.post(f"{at}/functions/hello/rollback", json={"version": 1}, headers=developer).raise_for_status()
    http.put(f"{at}/env/GREETING", json={"value": "Moin"}, headers=developer).raise_for_status()

    poll(lambda: http.get("/v1/functions/hello", headers=secret).text == "Moin, world!", 2.0)


def test_a_dead_letter_of_the_old_version_is_replayed(
    callers: dict[Any, dict[str, str]], opened: Instance, kept: Kept
) -> None:
    http, at, developer = opened.http, f"/api/projects/{kept.access.project}", callers["developer"]
    (dead,) = http.get(f"{at}/jobs?state=dead", headers=developer).json()["items"]
    runs = f"{at}/functions/broken/runs"
    before = len(http.get(runs, headers=developer).json()["items"])

    http.post(f"{at}/jobs/{dead['id']}/replay", headers=developer).raise_for_status()

    poll(lambda: len(http.get(runs, headers=developer).json()["items"]) == before + 1, what="one more run")


def test_a_backup_of_the_old_version_is_verified_and_restored(
    callers: dict[Any, dict[str, str]], opened: Instance, kept: Kept
) -> None:
    http, at = opened.http, f"/api/projects/{kept.access.project}/backups"
    developer, secret = callers["developer"], callers["secret"]
    assert http.get("/v1/data/posts/p3", headers=secret).status_code == 404

    def ended(path: str, body: Any) -> str:
        job = http.post(f"{at}{path}", json=body, headers=developer).raise_for_status().json()["id"]

        def state() -> str:
            found: str = http.get(f"{at}/jobs/{job}", headers=developer).raise_for_status().json()["state"]
            return found if found in ("done", "failed") else ""

        last: str = poll(state, 30.0)
        return last

    assert ended(f"/{kept.access.backup}/verify", None) == "done"
    assert ended("/restore", {"backup": kept.access.backup}) == "done"

    assert http.get("/v1/data/posts/p3", headers=secret).raise_for_status().json()["nested"] == [1, {"x": None}]


def test_there_is_a_kept_installation_of_this_version() -> None:
    assert __version__ in VERSIONS


def test_every_get_route_is_in_the_list_of_questions() -> None:
    document = msgspec.json.decode(openapi_document())
    served = {path for path, methods in document["paths"].items() if "get" in methods}

    assert served - {one.route for one in questions(NOBODY)} == set(NOT_KEPT)


def _copy_secret(source: str, target: str) -> None:
    shutil.copy(source, target)
    Path(target).chmod(0o600)  # git does not store this mode.
