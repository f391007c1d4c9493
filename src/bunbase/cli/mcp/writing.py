"""Tools that change the project. The command offers a tool only if the command line allows the tool."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from bunbase.cli.deployed_hooks import warning
from bunbase.cli.deploying import Outcome, Result, active_versions, bundle_all, planned, put_into_service
from bunbase.cli.entries import entries
from bunbase.cli.mcp.operation import FunctionName
from bunbase.cli.mcp.project_api import ProjectApi, data_path
from bunbase.cli.mcp.reading import CollectionName, DocumentId
from bunbase.cli.mcp.tool import Effect, Permission, Tool
from bunbase.cli.project_file import read_project_file

MAX_NAMED: Final = 100

IfRev = Annotated[
    Annotated[int, Meta(ge=1)] | None,
    Meta(description="Write only if the document still has this `_rev`. Default: write in any case."),
]
NO_HEADERS: Final[dict[str, str]] = {}


class PutArguments(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    collection: CollectionName
    id: DocumentId
    document: Annotated[dict[str, Any], Meta(description="The whole document.")]
    if_rev: IfRev = None


class PatchArguments(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    collection: CollectionName
    id: DocumentId
    patch: Annotated[
        dict[str, Any],
        Meta(
            description='A JSON Merge Patch, such as {"title": "New", "draft": null}, or update operators, '
            'such as {"$inc": {"views": 1}}.'
        ),
    ]
    if_rev: IfRev = None


class DeleteArguments(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    collection: CollectionName
    id: DocumentId
    if_rev: IfRev = None


class WrittenDocument(msgspec.Struct, frozen=True):
    collection: str
    id: str
    rev: Annotated[int | None, Meta(description="The new revision; null if the token may not read the document.")]


class DeletedDocument(msgspec.Struct, frozen=True):
    collection: str
    id: str
    deleted: bool


class DeployArguments(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    functions: Annotated[
        list[FunctionName], Meta(max_length=MAX_NAMED, description="The functions to deploy. Default: all functions.")
    ] = []
    dry_run: Annotated[bool, Meta(description="Only show what would be deployed.")] = False


class DeployedFunction(msgspec.Struct, frozen=True):
    name: str
    outcome: Outcome
    version: Annotated[int | None, Meta(description="The version that is in service now, if any.")]
    problem: Annotated[str, Meta(description="Why the deployment failed; empty if it did not.")]
    warnings: list[str]


class DeployedFunctions(msgspec.Struct, frozen=True):
    project: str
    functions: list[DeployedFunction]


def put_document(project: ProjectApi, asked: PutArguments) -> WrittenDocument:
    path = data_path("data", asked.collection, asked.id)
    return _written(asked, project.ask(dict[str, Any], "PUT", path, asked.document, headers=_if_match(asked.if_rev)))


def patch_document(project: ProjectApi, asked: PatchArguments) -> WrittenDocument:
    path = data_path("data", asked.collection, asked.id)
    return _written(asked, project.ask(dict[str, Any], "PATCH", path, asked.patch, headers=_if_match(asked.if_rev)))


def delete_document(project: ProjectApi, asked: DeleteArguments) -> DeletedDocument:
    path = data_path("data", asked.collection, asked.id)
    project.ask(type(None), "DELETE", path, headers=_if_match(asked.if_rev))
    return DeletedDocument(asked.collection, asked.id, True)


def deploy_functions(project: ProjectApi, asked: DeployArguments) -> DeployedFunctions:
    """Deploy functions of the current folder. The target is always the project of the command line. Raises: Failure."""
    made = bundle_all(entries(read_project_file(), asked.functions))
    active = active_versions(project.session, project.project)
    functions = [planned(one, active) for one in made]
    if asked.dry_run:
        results = [one.result for one in functions]
    else:
        results = [put_into_service(project.session, project.project, one) for one in functions]
    return DeployedFunctions(project.project, [_shown(one) for one in results])


def _written(asked: PutArguments | PatchArguments, document: dict[str, Any]) -> WrittenDocument:
    return WrittenDocument(asked.collection, asked.id, document.get("_rev"))


def _if_match(rev: int | None) -> dict[str, str]:
    return NO_HEADERS if rev is None else {"if-match": f'"{rev}"'}


def _shown(result: Result) -> DeployedFunction:
    problem = "" if result.problem is None else str(result.problem.get("detail", ""))
    warnings = [warning(result.name, hook) for hook in result.missing_hooks]
    return DeployedFunction(result.name, result.outcome, result.version, problem[:2000], warnings)


TOOLS: Final = (
    Tool(
        "put_document",
        "Put a document",
        "Create a document, or replace the whole document that has this id.",
        PutArguments,
        WrittenDocument,
        put_document,
        Effect.DESTROYS,
        Permission.DATA,
    ),
    Tool(
        "patch_document",
        "Change a document",
        "Change some fields of a document.",
        PatchArguments,
        WrittenDocument,
        patch_document,
        Effect.DESTROYS,
        Permission.DATA,
        repeatable=False,
    ),
    Tool(
        "delete_document",
        "Delete a document",
        "Delete one document. This cannot be undone, except with a backup.",
        DeleteArguments,
        DeletedDocument,
        delete_document,
        Effect.DESTROYS,
        Permission.DATA,
    ),
    Tool(
        "deploy_functions",
        "Deploy functions",
        "Bundle functions of the folder in which this server was started, and deploy the changed ones. New calls run "
        "the new versions at once. The developer can go back with `bunbase functions rollback`.",
        DeployArguments,
        DeployedFunctions,
        deploy_functions,
        Effect.DESTROYS,
        Permission.DEPLOY,
    ),
)
