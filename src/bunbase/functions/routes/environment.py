"""`/api/projects/{project}/env`: the environment variables of a project."""

from __future__ import annotations

import msgspec
from litestar import delete, get, put
from litestar.params import FromQuery

from bunbase.contracts.caller import Caller
from bunbase.contracts.functions.service import Functions
from bunbase.contracts.functions.variables import Variable, Variables
from bunbase.functions.routes.path_parameters import VariableName
from bunbase.pkg.http import NO_STORE, Injected

TAGS = ["Environment"]


class SetVariable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`exposed`: if false, functions cannot read the value, but only use it as `{{NAME}}` in headers of `fetch`.
    If you leave out `exposed`, an existing variable keeps its setting, and a new variable is exposed.
    """

    value: str
    exposed: bool | None = None


@get("/api/projects/{project:str}/env", summary="List environment variables", tags=TAGS, cache_control=NO_STORE)
async def list_variables(
    member: Injected[Caller], functions: Injected[Functions], reveal: FromQuery[bool] = False
) -> Variables:
    """The list holds names only. `?reveal=true` adds the values. Only owners and admins may reveal values, with a
    session or with a personal token that has the scope `secrets`."""
    return await functions.variables(member, reveal)


@put("/api/projects/{project:str}/env/{name:str}", summary="Set an environment variable", tags=TAGS)
async def set_variable(
    member: Injected[Caller], functions: Injected[Functions], name: VariableName, data: SetVariable
) -> Variable:
    """The next call of each function sees the new value. No deployment is needed."""
    return await functions.set_variable(member, name, data.value, data.exposed)


@delete("/api/projects/{project:str}/env/{name:str}", summary="Unset an environment variable", tags=TAGS)
async def delete_variable(member: Injected[Caller], functions: Injected[Functions], name: VariableName) -> None:
    await functions.delete_variable(member, name)


ROUTES = (list_variables, set_variable, delete_variable)
