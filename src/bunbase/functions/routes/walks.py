"""Walks, which are migrations of documents and backfills of triggers: `/api/projects/{project}/walks`."""

from __future__ import annotations

from typing import Final

from litestar import get, patch, post
from litestar.params import FromQuery

from bunbase.contracts.caller import Caller
from bunbase.contracts.functions.service import Functions
from bunbase.contracts.functions.walks import NewWalk, Rehearsal, Walk, WalkChange, WalkKind, Walks
from bunbase.functions.routes.path_parameters import WalkId
from bunbase.pkg.cursors import DEFAULT_LIMIT
from bunbase.pkg.http import Cursor, Injected, Limit

TAGS: Final = ["Triggers"]


@get("/api/projects/{project:str}/walks", summary="List migrations and backfills", tags=TAGS)
async def list_walks(
    member: Injected[Caller],
    functions: Injected[Functions],
    kind: FromQuery[WalkKind | None] = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Walks:
    """Returns walks without their errors, newest first. BunBase keeps migrations, and deletes old backfills."""
    return await functions.walks(member, kind, limit, cursor)


@post("/api/projects/{project:str}/walks", summary="Begin a migration or a backfill", tags=TAGS, status_code=200)
async def begin_walk(member: Injected[Caller], functions: Injected[Functions], data: NewWalk) -> Walk:
    """Runs a function for every document of a collection, on the server. A finished migration does not run again: the
    answer describes its first run. A stopped migration continues.
    """
    return await functions.begin_walk(member, data)


@post("/api/projects/{project:str}/walks/rehearsal", summary="Rehearse a walk", tags=TAGS, status_code=200)
async def rehearse_walk(member: Injected[Caller], functions: Injected[Functions], data: NewWalk) -> Rehearsal:
    """Runs the function for at most the first 1,000 documents, checks the results against schema and unique indexes,
    but writes nothing. For a backfill, BunBase calls no function and only counts the documents.
    """
    return await functions.rehearse_walk(member, data)


@get("/api/projects/{project:str}/walks/{walk_id:str}", summary="Get a walk", tags=TAGS)
async def get_walk(member: Injected[Caller], functions: Injected[Functions], walk_id: WalkId) -> Walk:
    """Returns the progress of a migration or a backfill, and its errors in groups."""
    return await functions.walk(member, walk_id)


@patch("/api/projects/{project:str}/walks/{walk_id:str}", summary="Pause, resume or cancel a walk", tags=TAGS)
async def change_walk(
    member: Injected[Caller], functions: Injected[Functions], walk_id: WalkId, data: WalkChange
) -> Walk:
    """Takes effect after the current batch. Documents that were already changed stay changed."""
    return await functions.change_walk(member, walk_id, data)


ROUTES = [list_walks, begin_walk, rehearse_walk, get_walk, change_walk]
