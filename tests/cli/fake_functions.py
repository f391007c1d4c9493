"""Routes of the fake server for functions: deployments, variables, logs, jobs, and calls."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec
from litestar import Response, delete, get, post, put, route
from litestar.datastructures import UploadFile
from litestar.params import FromPath, FromQuery
from litestar.response import Stream

from bunbase.contracts.functions.deployments import Version, Versions
from bunbase.contracts.functions.logs import LogPage
from bunbase.contracts.functions.problems import (
    FunctionError,
    FunctionNotFound,
    InvalidBundle,
    VariableNotFound,
    VersionNotFound,
)
from bunbase.contracts.functions.triggers import (
    Job,
    Jobs,
    JobStatus,
    NewJob,
    Runs,
    Schedules,
)
from bunbase.contracts.functions.variables import Variable, Variables
from bunbase.contracts.platform import (
    InvalidKey,
)
from bunbase.pkg.db.connecting import DatabaseBusy
from bunbase.pkg.http import Injected
from tests.cli.fake_api import LINES_A_CONNECTION, NOW, AnyRequest, FakeApi, Upload


@put("/api/projects/{project:str}/functions/{name:str}", status_code=201)
async def deploy(api: Injected[FakeApi], request: AnyRequest, project: FromPath[str], name: FromPath[str]) -> Version:
    api.signed_in(request)
    api.project(project)
    form = await request.form()
    code, config = await content(form["bundle"]), msgspec.json.decode(await content(form["config"]))
    if api.refuses in code:
        raise InvalidBundle("Error: not today")
    api.uploads.setdefault(name, []).append(Upload(code, await content(form["source_map"]), config))
    api.active[name] = len(api.uploads[name])
    return api.version(name, api.active[name])


@get("/api/projects/{project:str}/functions")
async def list_functions(api: Injected[FakeApi], request: AnyRequest, project: FromPath[str]) -> Versions:
    api.signed_in(request)
    if api.away:
        raise DatabaseBusy("not now")
    api.project(project)
    return Versions(tuple(api.version(name, number) for name, number in sorted(api.active.items())))


@get("/api/projects/{project:str}/functions/{name:str}")
async def get_function(api: Injected[FakeApi], name: FromPath[str]) -> Version:
    return next(one for one in api.versions(name) if one.active)


@delete("/api/projects/{project:str}/functions/{name:str}", status_code=204)
async def delete_function(api: Injected[FakeApi], name: FromPath[str]) -> None:
    del api.uploads[name], api.active[name]


@get("/api/projects/{project:str}/functions/{name:str}/versions")
async def list_versions(api: Injected[FakeApi], name: FromPath[str], cursor: FromQuery[int] = 0) -> Versions:
    found, after = tuple(api.versions(name)), cursor + api.page
    return Versions(found[cursor:after], str(after) if after < len(found) else None)


@get("/api/projects/{project:str}/functions/{name:str}/versions/{version:int}/bundle")
async def get_bundle(api: Injected[FakeApi], name: FromPath[str], version: FromPath[int]) -> Response[bytes]:
    return Response(api.uploads[name][version - 1].code, media_type="application/javascript")


@post("/api/projects/{project:str}/functions/{name:str}/rollback", status_code=200)
async def rollback(api: Injected[FakeApi], request: AnyRequest, name: FromPath[str]) -> Version:
    number = (await request.json()).get("version", api.active[name] - 1)
    if not 1 <= number <= len(api.uploads[name]):
        raise VersionNotFound(f"{name} has no version before the active one; see its list of versions.")
    api.active[name] = number
    return api.version(name, number)


async def content(part: Any) -> bytes:
    """Return the bytes of a part, which Litestar returns as text or parsed JSON if it has no file name."""
    if isinstance(part, UploadFile):
        return await part.read()
    return part.encode() if isinstance(part, str) else msgspec.json.encode(part)


@get(["/api/projects/{project:str}/functions/{name:str}/logs", "/api/projects/{project:str}/logs"])
async def logs(
    api: Injected[FakeApi],
    request: AnyRequest,
    limit: FromQuery[int] = 20,
    follow: FromQuery[bool] = False,
    after: FromQuery[int] = 0,
) -> Any:
    api.signed_in(request)
    name = request.path_params.get("name", "")
    if name not in ("", "hello"):
        raise FunctionNotFound
    api.asked.append(dict(request.query_params))
    if not follow:
        wanted = request.query_params.get("invocation")
        asked = [line for line in reversed(api.lines) if name in ("", line.function)]
        text = request.query_params.get("q", "")
        lines = [line for line in asked if wanted in (None, line.invocation) and text in line.text]
        return LogPage(tuple(lines[:limit]), None)
    if api.busy:
        api.busy -= 1
        return Response(b"restarting", status_code=502, media_type="text/plain")
    api.follows.append(after)
    return Stream(stream_lines(api, after), media_type="text/event-stream")


async def stream_lines(api: FakeApi, after: int) -> AsyncIterator[bytes]:
    yield b": welcome\n\n"
    for line in [line for line in api.lines if line.seq > after][:LINES_A_CONNECTION]:
        yield b"id: %d\nevent: log\ndata: %s\n\n" % (line.seq, msgspec.json.encode(line))


@get("/api/projects/{project:str}/env")
async def list_env(api: Injected[FakeApi], request: AnyRequest, reveal: FromQuery[bool] = False) -> Variables:
    api.signed_in(request)
    shown = ((name, value if reveal else None) for name, value in api.variables.items())
    return Variables(tuple(Variable(name, NOW, value, api.exposed.get(name) is not False) for name, value in shown))


@put("/api/projects/{project:str}/env/{name:str}")
async def set_env(api: Injected[FakeApi], request: AnyRequest, name: FromPath[str]) -> Variable:
    api.signed_in(request)
    body = await request.json()
    api.variables[name] = body["value"]
    api.exposed[name] = body.get("exposed")
    return Variable(name, NOW)


@delete("/api/projects/{project:str}/env/{name:str}", status_code=204)
async def unset_env(api: Injected[FakeApi], request: AnyRequest, name: FromPath[str]) -> None:
    api.signed_in(request)
    if api.variables.pop(name, None) is None:
        raise VariableNotFound


@get("/api/projects/{project:str}/jobs")
async def list_jobs(api: Injected[FakeApi], request: AnyRequest, function: FromQuery[str] = "") -> Jobs:
    api.signed_in(request)
    state = request.query_params.get("state")
    found = [job for job in api.jobs.values() if state in (None, job.state) and function in ("", job.function)]
    return Jobs(tuple(found))


@post("/api/projects/{project:str}/jobs")
async def add_job(api: Injected[FakeApi], request: AnyRequest) -> Job:
    api.signed_in(request)
    new = msgspec.convert(await request.json(), NewJob)
    return api.add_job(new, JobStatus.WAITING)


@get("/api/projects/{project:str}/jobs/{id:str}")
async def get_job(api: Injected[FakeApi], request: AnyRequest, id: FromPath[str]) -> Job:
    api.signed_in(request)
    return api.job(id)


@post("/api/projects/{project:str}/jobs/{id:str}/replay", status_code=200)
async def replay_job(api: Injected[FakeApi], request: AnyRequest, id: FromPath[str]) -> Job:
    api.signed_in(request)
    api.jobs[id] = msgspec.structs.replace(api.job(id), state=JobStatus.WAITING)
    return api.jobs[id]


@delete("/api/projects/{project:str}/jobs/{id:str}", status_code=204)
async def delete_job(api: Injected[FakeApi], request: AnyRequest, id: FromPath[str]) -> None:
    api.signed_in(request)
    del api.jobs[api.job(id).id]


@get("/api/projects/{project:str}/schedules")
async def list_schedules(api: Injected[FakeApi], request: AnyRequest) -> Schedules:
    api.signed_in(request)
    return Schedules(tuple(api.schedules))


@get("/api/projects/{project:str}/functions/{name:str}/runs")
async def list_runs(api: Injected[FakeApi], request: AnyRequest, name: FromPath[str]) -> Runs:
    api.signed_in(request)
    wanted = request.query_params.get("outcome")
    return Runs(tuple(run for run in api.runs if run.function == name and wanted in (None, run.outcome)))


@route(
    ["/v1/functions/{name:str}", "/v1/functions/{name:str}/{path:path}"],
    http_method=["GET", "POST", "PUT", "DELETE"],
)
async def invoke(api: Injected[FakeApi], request: AnyRequest, name: FromPath[str]) -> Any:
    if request.headers.get("x-bunbase-key", "") not in api.keys:
        raise InvalidKey("This project key is not valid.")
    said = {"x-bunbase-function-version": "1", "x-bunbase-invocation": "inv_1"}
    match name:
        case "broken":
            raise FunctionError("Its log says why.", invocation="inv_1", version=1)
        case "unloaded":
            raise FunctionError("It could not be loaded; its log says why.")
        case "teapot":
            return Response({"short": "stout"}, status_code=418, headers=said)
        case "bytes":
            return Response(b"\xff\x00", headers=said, media_type="application/octet-stream")
        case _:
            body = (await request.body()).decode()
            query = request.scope["query_string"].decode()
            told = {"method": request.method, "path": request.url.path, "query": query, "body": body}
            user = request.headers.get("authorization", "").removeprefix("Bearer at_")
            assert not user or f"at_{user}" in api.sessions
            told |= {"user": user} if user else {}
            return Response(told | {"type": request.headers.get("content-type")}, status_code=200, headers=said)


FUNCTION_ROUTES = (
    deploy,
    list_functions,
    get_function,
    delete_function,
    list_versions,
    get_bundle,
    rollback,
    logs,
    list_jobs,
    add_job,
    get_job,
    replay_job,
    delete_job,
    list_schedules,
    list_runs,
    list_env,
    set_env,
    unset_env,
    invoke,
)
