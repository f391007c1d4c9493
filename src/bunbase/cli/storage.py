"""`bunbase storage`: list, copy, move, remove and synchronise the files of a project."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final

import msgspec
from cyclopts import App, Parameter

from bunbase.cli.chosen import needed_project
from bunbase.cli.errors import OK, Usage
from bunbase.cli.flags import PROJECT_FLAGS, ProjectFlags
from bunbase.cli.http import Call, at_v1
from bunbase.cli.output import Output, counted, size_text
from bunbase.cli.prompts import Yes, confirm
from bunbase.cli.s3_credentials import app as s3_credentials
from bunbase.cli.session import Session, open_session
from bunbase.cli.storage_buckets import app as buckets
from bunbase.cli.storage_buckets import yes_or_no
from bunbase.cli.storage_files.copying import Copies, check_folder
from bunbase.cli.storage_files.places import Remote, place_of, remote_of
from bunbase.cli.storage_files.remote import Objects
from bunbase.cli.storage_files.syncing import Sync, planned
from bunbase.cli.storage_files.transfers import Transfers
from bunbase.contracts.storage import Bucket, Buckets, ObjectPage, StoredObject

app = App(name="storage", help="List, copy, move, delete and synchronise files.")
app.command(buckets)
app.command(s3_credentials)

SHOWN: Final = 1000
TIMES: Final = "%Y-%m-%d %H:%M"

PlaceText = Annotated[str, Parameter(help="A bucket, a colon and a key, such as photos:2026/rye.jpg.")]
Recursive = Annotated[
    bool, Parameter(name=("--recursive", "-r"), negative="", show_default=False, help="All files below this place.")
]
Source = Annotated[
    str,
    Parameter(
        allow_leading_hyphen=True, help="A path, - for stdin, or a place in a bucket, such as photos:2026/rye.jpg."
    ),
]
Target = Annotated[
    str,
    Parameter(allow_leading_hyphen=True, help="A path, - for stdout, or a place in a bucket, such as photos:2026/."),
]


@app.command
def ls(
    place: Annotated[str, Parameter(help="A place such as photos: or photos:2026/; without it, the buckets.")] = "",
    /,
    *,
    recursive: Recursive = False,
    flags: ProjectFlags = PROJECT_FLAGS,
) -> None:
    """List the buckets of the project, or the files of a bucket. Keys are grouped at slashes, like folders.

    Example: bunbase storage ls photos:2026/
    """
    out = Output(flags.json)
    with open_session(flags) as session:
        project = needed_project(flags.project, session)
        if not place:
            _show_buckets(session, project, out)
            return
        _show_objects(Objects(session, project), remote_of(place), recursive, out)


def _show_buckets(session: Session, project: str, out: Output) -> None:
    headers = {"x-bunbase-project": project}
    found = session.ask(Buckets, Call("GET", at_v1("storage", "buckets"), headers=headers))
    if out.json:
        out.document(found)
        return
    out.table(("bucket", "public", "largest file", "types"), [_bucket_row(one) for one in found.items])
    if not found.items:
        out.hint("There is no bucket yet. Create one: bunbase storage buckets create photos")


def _bucket_row(bucket: Bucket) -> tuple[str, str, str, str]:
    return bucket.name, yes_or_no(bucket.public), size_text(bucket.max_bytes), ", ".join(bucket.mime)


def _show_objects(objects: Objects, place: Remote, recursive: bool, out: Output) -> None:
    """Show all files with --json, and at most SHOWN to a person."""
    items: list[StoredObject] = []
    prefixes: list[str] = []
    cursor: str | None = None
    while True:
        page = objects.page(place, "" if recursive else "/", cursor=cursor)
        items, prefixes, cursor = [*items, *page.items], [*prefixes, *page.prefixes], page.next
        if cursor is None or (not out.json and len(items) + len(prefixes) >= SHOWN):
            break
    if out.json:
        out.document(ObjectPage(tuple(items), tuple(prefixes), None))
        return
    rows = [("", "", "", f"{place.bucket}:{prefix}") for prefix in prefixes]
    rows += [
        (size_text(one.size), f"{one.updated_at:{TIMES}}", one.content_type, f"{one.bucket}:{one.key}") for one in items
    ]
    out.table(("size", "changed (UTC)", "type", "file"), rows)
    if cursor is not None:
        out.hint(
            f"There are more files. Name a longer prefix, or list all of them: bunbase storage ls {place} -r --json"
        )
    elif not rows:
        out.hint(f"There is no file below {place}. Upload one: bunbase storage cp FILE {place}")


@app.command
def cp(
    source: Source,
    target: Target,
    /,
    *,
    recursive: Recursive = False,
    content_type: Annotated[
        str, Parameter(show_default=False, help="The type of the uploaded file. Default: by the end of its name.")
    ] = "",
    flags: ProjectFlags = PROJECT_FLAGS,
) -> int:
    """Copy a file to a bucket, from a bucket, or between two places of the project.

    A target that ends with a slash or a colon is a folder: the file keeps its name there. With --recursive, the source
    is a folder, and its content is copied into the target. A file that exists is replaced. A download that fails
    leaves no incomplete file.

    Example: bunbase storage cp -r ./photos photos:2026/
    """
    out = Output(flags.json)
    copies = Copies(place_of(source), place_of(target), recursive, content_type)
    with open_session(flags) as session:
        objects = Objects(session, needed_project(flags.project, session))
        if copies.streams:
            copies.stream(objects, sys.stdin.buffer, sys.stdout.buffer)
            return OK
        transfers = Transfers(out, "copying", copies.total())
        transfers.run(copies.tasks(objects, transfers))
    copies.warn(out)
    return transfers.show("Copied")


@app.command
def mv(source: PlaceText, target: PlaceText, /, *, flags: ProjectFlags = PROJECT_FLAGS) -> None:
    """Move a file to another key or another bucket of the project.

    Example: bunbase storage mv photos:rye.jpg photos:2026/rye.jpg
    """
    out = Output(flags.json)
    first, to = remote_of(source), remote_of(target)
    if not to.key or to.key.endswith("/"):
        to = to.below(first.key.rpartition("/")[2])
    with open_session(flags) as session:
        moved = Objects(session, needed_project(flags.project, session)).copy(first, to, moves=True)
    if out.json:
        out.document(moved)
    out.done(f"{first} is now {to}.")


@app.command
def rm(*places: PlaceText, recursive: Recursive = False, yes: Yes = False, flags: ProjectFlags = PROJECT_FLAGS) -> int:
    """Delete files. A file that does not exist counts as deleted.

    Example: bunbase storage rm photos:2026/rye.jpg
    """
    out = Output(flags.json)
    remotes = [remote_of(place) for place in places]
    if not remotes:
        raise Usage("Name the files to delete, such as photos:2026/rye.jpg.")
    for one in remotes:
        if not recursive and (not one.key or one.key.endswith("/")):
            raise Usage(f"{one} is a folder. To delete all files below it: bunbase storage rm -r {one}")
    if recursive:
        out.say(f"This deletes every file whose key begins with {', '.join(map(str, remotes))}.")
        confirm(yes)
    transfers = Transfers(out, "deleting")
    with open_session(flags) as session, out.working("deleting") as told:
        objects = Objects(session, needed_project(flags.project, session))
        for bucket, keys in _keys(objects, remotes, recursive):
            transfers.note_deleted(bucket, objects.delete(bucket, keys))
            told(counted(transfers.result.deleted, "file"))
    return transfers.show_deleted()


def _keys(objects: Objects, places: list[Remote], recursive: bool) -> Iterator[tuple[str, list[str]]]:
    """Yield the keys of at most one page at a time. The next page is read after these objects are deleted."""
    if not recursive:
        for one in places:
            yield one.bucket, [one.key]
        return
    for one in places:
        cursor: str | None = None
        while True:
            page = objects.page(one, cursor=cursor)
            if page.items:
                yield one.bucket, [found.key for found in page.items]
            if (cursor := page.next) is None:
                break


@app.command
def sync(
    source: Source,
    target: Target,
    /,
    *,
    delete: Annotated[
        bool, Parameter(negative="", show_default=False, help="Delete the files of the target that the source lacks.")
    ] = False,
    dry_run: Annotated[
        bool, Parameter(negative="", show_default=False, help="Change nothing; list what would be copied and deleted.")
    ] = False,
    yes: Yes = False,
    flags: ProjectFlags = PROJECT_FLAGS,
) -> int:
    """Make a folder of a bucket equal to a folder of this machine, or the other way round.

    Files with the same size and the same MD5 are not copied. Links and special files are left out.

    Example: bunbase storage sync ./public site:
    """
    out = Output(flags.json)
    first, to = place_of(source), place_of(target)
    if first is None or to is None:
        raise Usage("- is one file: it cannot be synchronised.")
    if isinstance(first, Path):
        check_folder(first)
    with open_session(flags) as session:
        objects = Objects(session, needed_project(flags.project, session))
        with out.busy("comparing"):
            plan = planned(objects, first, to, delete)
        if dry_run:
            _show_plan(plan, out)
            return OK
        if plan.gone:
            out.say(f"This deletes {counted(len(plan.gone), 'file')} of {target} that {source} does not have.")
            confirm(yes)
        transfers = Transfers(out, "copying", plan.bytes)
        transfers.result.skipped = plan.equal
        transfers.run(plan.tasks(objects))
        if not transfers.result.failed:
            plan.delete(objects, transfers)
    plan.warn(out)
    return transfers.show("Copied")


def _show_plan(plan: Sync, out: Output) -> None:
    if out.json:
        out.document({"copied": plan.names, "deleted": plan.gone, "equal": plan.equal, "bytes": plan.bytes})
        return
    for name in plan.names:
        out.line(("+ ", "green"), name)
    for name in plan.gone:
        out.line(("- ", "red"), name)
    out.done(f"{plan.equal} equal, {len(plan.names)} to copy ({size_text(plan.bytes)}), {len(plan.gone)} to delete.")


@app.command
def sign(
    place: PlaceText,
    /,
    *,
    upload: Annotated[
        bool, Parameter(negative="", show_default=False, help="The link uploads the file (PUT), not downloads it.")
    ] = False,
    expires_in: Annotated[int, Parameter(help="The seconds until the link ends, at most 604800 (7 days).")] = 3600,
    flags: ProjectFlags = PROJECT_FLAGS,
) -> None:
    """Make a link to a file. Everybody who has the link can use it, without a key.

    Example: bunbase storage sign photos:2026/rye.jpg --expires-in 600
    """
    out = Output(flags.json)
    with open_session(flags) as session:
        objects = Objects(session, needed_project(flags.project, session))
        link = objects.sign(remote_of(place), "PUT" if upload else "GET", expires_in)
        url = session.url.rstrip("/") + link.path
    if out.json:
        out.document(msgspec.to_builtins(link) | {"url": url})
    else:
        out.line(url)
        out.hint(f"Everybody who has this link can use it until {link.expires_at:{TIMES}} UTC.")


@app.command
def usage(*, flags: ProjectFlags = PROJECT_FLAGS) -> None:
    """Show the number and the size of the project's files.

    Example: bunbase storage usage
    """
    out = Output(flags.json)
    with open_session(flags) as session:
        found = Objects(session, needed_project(flags.project, session)).usage()
    if out.json:
        out.document(found)
        return
    out.facts(
        [
            ("files", f"{found.objects} of at most {found.max_objects}"),
            ("size", f"{size_text(found.bytes)} of at most {size_text(found.max_bytes)}"),
            ("uploads that are not complete", f"{size_text(found.upload_bytes)} in {found.upload_parts} parts"),
            ("deleted files that are still on the disk", size_text(found.waiting_bytes)),
        ]
    )
