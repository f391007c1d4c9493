"""`bunbase storage credentials`: list, create and delete a project's credentials for the S3 port."""

from __future__ import annotations

from typing import Annotated, Any

from cyclopts import App, Parameter

from bunbase.cli.chosen import needed_project
from bunbase.cli.flags import PROJECT_FLAGS, ProjectFlags
from bunbase.cli.http import Call, at
from bunbase.cli.output import Output
from bunbase.cli.session import open_session
from bunbase.contracts.s3_credentials import S3Credential, S3Credentials

PATH = ("storage", "credentials")

app = App(name="credentials", help="List, create and delete a project's credentials for the S3 port.")


@app.command(name="list")
def list_credentials(*, flags: ProjectFlags = PROJECT_FLAGS) -> None:
    """Show a project's credentials for S3, newest first. A secret is shown only once, when it is made.

    Example: bunbase storage credentials list
    """
    out = Output(flags.json)
    with open_session(flags) as session:
        project = needed_project(flags.project, session)
        found = session.ask(S3Credentials, Call("GET", at("projects", project, *PATH)))
    if flags.json:
        out.document(found)
        return
    rows = [
        (one.access_key_id, one.name, one.access, ", ".join(one.buckets) or "all", one.last_used_at)
        for one in found.items
    ]
    out.table(("access key id", "name", "access", "buckets", "last used"), rows)


@app.command
def create(
    name: Annotated[str, Parameter(help="A name that tells you which program uses the credential.")],
    /,
    *,
    read_only: Annotated[
        bool, Parameter(negative="", help="Allow only reading. Default: reading and writing.")
    ] = False,
    bucket: Annotated[
        tuple[str, ...],
        Parameter(show_default=False, negative="", help="Allow only this bucket; repeat for more. Default: all."),
    ] = (),
    flags: ProjectFlags = PROJECT_FLAGS,
) -> None:
    """Make a credential for S3, and show its secret once.

    Rules of buckets do not apply to requests with this credential: use it only on servers.

    Example: bunbase storage credentials create "nightly sync" --bucket photos
    """
    out = Output(flags.json)
    body: dict[str, Any] = {"name": name, "access": "read" if read_only else "write", "buckets": bucket}
    with open_session(flags) as session:
        project = needed_project(flags.project, session)
        new = session.ask(S3Credential, Call("POST", at("projects", project, *PATH), json=body))
    if flags.json:
        out.document(new)
    else:
        out.table(("access key id", "secret access key"), [(new.access_key_id, new.secret_access_key)])
    out.hint("The secret access key will not be shown again.")


@app.command
def delete(
    access_key_id: Annotated[str, Parameter(help="The access key id, from `bunbase storage credentials list`.")],
    /,
    *,
    flags: ProjectFlags = PROJECT_FLAGS,
) -> None:
    """Delete a credential for S3. The credential and its presigned URLs stop working within a second.

    Example: bunbase storage credentials delete BBAKABCDEFGHIJKLMNOP
    """
    out = Output(flags.json)
    with open_session(flags) as session:
        project = needed_project(flags.project, session)
        session.ask(type(None), Call("DELETE", at("projects", project, *PATH, access_key_id)))
    if flags.json:
        out.document({"access_key_id": access_key_id, "deleted": True})
    out.done(f"{access_key_id} no longer works.")
