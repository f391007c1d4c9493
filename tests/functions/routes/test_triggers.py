from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest
import pytest_asyncio

from bunbase.functions.service import FunctionsService
from tests.functions.calls import MEMBER, SERVER, deploy
from tests.functions.triggers.runs import SAY, dead_letters, enqueue, runs_of
from tests.functions.web import served

AT = "/api/projects/prj_one"


@pytest.fixture
def functions(shared_functions: FunctionsService) -> FunctionsService:
    return shared_functions


@pytest_asyncio.fixture
async def http(functions: FunctionsService) -> AsyncIterator[httpx.AsyncClient]:
    async with served(functions, MEMBER, SERVER) as client:
        yield client


async def test_a_job_is_enqueued_and_read_over_http(functions: FunctionsService, http: httpx.AsyncClient) -> None:
    await deploy(functions, "f", SAY)

    soon = datetime.now(UTC) + timedelta(hours=1)
    made = await http.post("/v1/jobs", json={"function": "f", "payload": [1], "run_at": soon.isoformat()})
    listed = (await http.get(f"{AT}/jobs?state=waiting&function=f")).json()
    read = (await http.get(f"{AT}/jobs/{made.json()['id']}")).json()
    gone = await http.delete(f"{AT}/jobs/{made.json()['id']}")

    assert (made.status_code, datetime.fromisoformat(made.json()["due_at"])) == (201, soon)
    assert listed == {"items": [made.json()], "next": None}
    assert read == made.json() | {"payload": [1]}
    assert (read["kind"], read["state"], read["attempt"], read["attempts"]) == ("job", "waiting", 0, 5)
    assert gone.status_code == 204


async def test_a_dead_letter_is_replayed_and_its_runs_are_listed_over_http(
    functions: FunctionsService, http: httpx.AsyncClient
) -> None:
    await deploy(functions, "f", "() => new Response('no', { status: 418 })", schedule="0 0 1 1 *")
    await enqueue(functions, "f", attempts=1)
    [dead] = await dead_letters(functions, 1)
    await runs_of(functions, "f", 1)

    runs = (await http.get(f"{AT}/functions/f/runs?kind=job&outcome=error")).json()["items"]
    none = (await http.get(f"{AT}/functions/f/runs?kind=cron")).json()["items"]
    replayed = await http.post(f"{AT}/jobs/{dead.id}/replay")
    schedules = (await http.get(f"{AT}/schedules")).json()["items"]

    assert [(run["outcome"], run["code"], run["job"], run["version"]) for run in runs] == [
        ("error", "http_418", dead.id, 1)
    ]
    assert (none, replayed.status_code) == ([], 200)
    assert [(one["function"], one["cron"], one["time_zone"]) for one in schedules] == [("f", "0 0 1 1 *", "UTC")]


@pytest.mark.parametrize(
    ("method", "path", "json", "status", "code"),
    [
        ("POST", "/v1/jobs", {"function": "nobody"}, 404, "function_not_found"),
        ("POST", "/v1/jobs", {"function": "f", "delay_seconds": -1}, 422, "invalid_input"),
        ("POST", "/v1/jobs", {"function": "f", "attempts": 21}, 422, "invalid_input"),
        ("POST", "/v1/jobs", {"function": "f", "run_at": "soon"}, 422, "invalid_input"),
        ("POST", "/v1/jobs", {"function": "f", "nope": 1}, 422, "invalid_input"),
        ("POST", f"{AT}/jobs", {"function": "f", "payload": "x" * (257 << 10)}, 413, "payload_too_large"),
        ("POST", f"{AT}/jobs/job_none/replay", None, 404, "job_not_found"),
        ("GET", f"{AT}/jobs/%00", None, 404, "job_not_found"),
        ("GET", f"{AT}/jobs?cursor=x", None, 400, "invalid_cursor"),
        ("GET", f"{AT}/jobs?state=gone", None, 422, "invalid_input"),
        ("GET", f"{AT}/functions/nobody/runs", None, 404, "function_not_found"),
        ("GET", f"{AT}/functions/f/runs?outcome=gone", None, 422, "invalid_input"),
        ("GET", f"{AT}/schedules?cursor=x", None, 400, "invalid_cursor"),
    ],
)
async def test_an_invalid_request_is_refused_with_its_reason(
    functions: FunctionsService,
    http: httpx.AsyncClient,
    method: str,
    path: str,
    json: dict[str, object] | None,
    status: int,
    code: str,
) -> None:
    await deploy(functions, "f", SAY)

    answer = await http.request(method, path, json=json)

    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
