"""The plan of a whole project: its collections, channels, buckets, functions and settings for users."""

from __future__ import annotations

import msgspec

from bunbase.cli.address import normal_url
from bunbase.cli.auth_file import checked
from bunbase.cli.deploying import PlannedFunction, Result, active_versions, bundle_all, planned
from bunbase.cli.errors import Refused
from bunbase.cli.http import Call, at
from bunbase.cli.output import Output
from bunbase.cli.plans.asking import AskedFunctions
from bunbase.cli.plans.auth import auth_changes, auth_steps, shown_auth
from bunbase.cli.plans.buckets import BucketsPlan, plan_buckets
from bunbase.cli.plans.changes import Change, ChangeClass
from bunbase.cli.plans.channels import ChannelsPlan, plan_channels
from bunbase.cli.plans.collections import CollectionsPlan, plan_collections
from bunbase.cli.plans.folder import Folder
from bunbase.cli.plans.steps import PlannedStep
from bunbase.cli.plans.wanted import wanted_collections
from bunbase.cli.session import Session
from bunbase.contracts.bundoc.collections import BeforeWrite
from bunbase.contracts.platform import Project

FORBIDDEN = 403
NOTHING = CollectionsPlan((), ())


class Place(msgspec.Struct, frozen=True):
    """The project that a plan is for. `origin`: the flag, variable or file that named the project.

    `warning`: a text if the server differs from the server of the target; otherwise, or without a target, empty.
    """

    server: str
    id: str
    slug: str
    origin: str
    warning: str = ""

    def __str__(self) -> str:
        named = self.slug if self.slug == self.id else f"{self.slug} ({self.id})"
        return f"{named} at {self.server}, named by {self.origin}"


class Plan(msgspec.Struct, frozen=True):
    """The changes and their steps. `before`: the steps before the functions are uploaded.

    `after`: the steps afterwards.
    """

    place: Place
    changes: tuple[Change, ...]
    functions: tuple[PlannedFunction, ...] = ()
    before: tuple[PlannedStep, ...] = ()
    after: tuple[PlannedStep, ...] = ()


def place_of(session: Session, project: str) -> Place:
    """Return the project with its slug. A token may deploy even if it may not read the project. Raises: Refused."""
    origin = session.project.origin if session.project else ""
    warning = _warning(session)
    session.place_shown = True  # `show_place` shows it
    try:
        found = session.ask(Project, Call("GET", at("projects", project)))
    except Refused as refused:
        if refused.problem.get("status") != FORBIDDEN:
            raise
        return Place(session.url, project, project, origin, warning)
    return Place(session.url, found.id, found.slug, origin, warning)


def _warning(session: Session) -> str:
    server = session.target.server
    if not server or normal_url(server.value) == session.url:
        return ""
    return f"{session.named_by} names another server than {server.origin}: this command uses {session.url}."


def make_plan(
    session: Session, project: str, folder: Folder, out: Output, *, force: bool = False, applying: bool = False
) -> Plan:
    """Compare the folder with the project. `applying`: the plan will be applied, so the secrets of `[auth]` are needed.

    Raises: Usage for a mistake in the file, Failure, Refused.
    """
    file, entries = folder.file, folder.entries
    wanted, auth = wanted_collections(file), checked(file.auth) if file.auth else {}
    place = place_of(session, project)
    with out.busy("bundling"):
        made = bundle_all(entries)
    with out.busy("comparing"):
        asks = any(isinstance(one.before_write, BeforeWrite) for one in wanted.values())
        active = active_versions(session, project) if entries or asks else {}
        manages = bool(wanted) or file.deploy.drop_collections
        all_planned = tuple(planned(one, active, force) for one in made)
        changing = [one.result for one in all_planned if not one.unchanged]
        coming = [one.name for one in changing]
        functions = AskedFunctions({one.entry.name: one.bundle.code for one in made}, coming, active, known=True)
        drops = file.deploy.drop_collections
        collections = plan_collections(session, project, wanted, drops, functions) if manages else NOTHING
        manages = bool(file.channels) or file.deploy.drop_channels
        drops = file.deploy.drop_channels
        channels = plan_channels(session, project, file.channels, drops) if manages else ChannelsPlan()
        manages = bool(file.buckets) or file.deploy.drop_buckets
        buckets = plan_buckets(session, project, file.buckets, file.deploy.drop_buckets) if manages else BucketsPlan()
        shown = shown_auth(session, project) if auth else {}
    return Plan(
        place,
        (
            *collections.changes,
            *channels.changes,
            *buckets.changes,
            *(_function_change(one) for one in changing),
            *(auth_changes(auth, shown) if auth else ()),
        ),
        all_planned,
        (*collections.steps, *channels.steps, *buckets.steps),
        (*collections.after, *(auth_steps(session, project, auth, shown) if auth and applying else ())),
    )


def _function_change(result: Result) -> Change:
    if result.version is None:
        return Change(f"functions.{result.name}", ChangeClass.ADDITIVE, "a new function")
    return Change(f"functions.{result.name}", ChangeClass.REWRITING, f"version {result.version} is replaced")
