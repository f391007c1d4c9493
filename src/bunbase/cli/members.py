"""`bunbase members`: list, add, change and remove the members of a project or an organisation."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from cyclopts import App, Parameter

from bunbase.cli.flags import GROUP_FLAGS, PROJECT_FLAGS, GroupFlags, ProjectFlags
from bunbase.cli.groups import RoleName, group_name, group_path
from bunbase.cli.http import Call
from bunbase.cli.output import Output
from bunbase.cli.people import member_id
from bunbase.cli.prompts import Yes, confirm
from bunbase.cli.session import open_session
from bunbase.contracts.bunauth.accounts import Account
from bunbase.contracts.platform import Member, Members

OWNER: Final = "owner"

Named = Annotated[str, Parameter(help="The member's email address or id, from `bunbase members list`.")]

app = App(name="members", help="List, add, change and remove the members of a project or an organisation.")


class _Me(msgspec.Struct, frozen=True):
    user: Account


@app.command(name="list")
def list_members(*, flags: GroupFlags = GROUP_FLAGS) -> None:
    """Show the members of the project and of its organisation. With --org, show the members of an organisation.

    Example: bunbase members list
    """
    out = Output(flags.json)
    with open_session(flags) as session:
        members = session.ask_all(Members, Call("GET", f"{group_path(flags, session)}/members"))
    if flags.json:
        out.document(members)
        return
    rows = [(m.user.email, m.user.name, m.role.value, m.through.value, m.user.id, m.since) for m in members.items]
    out.table(("email", "name", "role", "through", "id", "since"), rows)


@app.command
def add(
    user: Annotated[str, Parameter(help="The email address or id of a member of the project's organisation.")],
    role: Annotated[RoleName, Parameter(help="The role in the project.")],
    /,
    *,
    flags: ProjectFlags = PROJECT_FLAGS,
) -> None:
    """Add a member of the project's organisation to the project. To add other people: bunbase invites create

    Example: bunbase members add bob@example.com developer
    """
    out = Output(flags.json)
    with open_session(flags) as session:
        of_project = GroupFlags(**vars(flags))
        members = f"{group_path(of_project, session)}/members"
        id = member_id(user, members, session) if "@" in user else user
        call = Call("POST", members, json={"user": id, "role": role})
        _show(session.ask(Member, call), out)


@app.command
def change(
    member: Named,
    role: Annotated[RoleName, Parameter(help="The new role.")],
    /,
    *,
    yes: Yes = False,
    flags: GroupFlags = GROUP_FLAGS,
) -> None:
    """Change a member's role. The new role takes effect everywhere within a second. For the role owner, the command
    asks for a confirmation.

    Example: bunbase members change bob@example.com viewer
    """
    out = Output(flags.json)
    with open_session(flags) as session:
        members = f"{group_path(flags, session)}/members"
        id = member_id(member, members, session)
        if role == OWNER:
            out.warn(f"This makes {member} an owner of {group_name(flags, session)}. An owner can remove you.")
            confirm(yes)
        call = Call("PATCH", f"{members}/{id}", json={"role": role})
        _show(session.ask(Member, call), out)


@app.command
def remove(member: Named, /, *, yes: Yes = False, flags: GroupFlags = GROUP_FLAGS) -> None:
    """Remove a member. The person loses access everywhere within a second.

    Example: bunbase members remove bob@example.com
    """
    out = Output(flags.json)
    with open_session(flags) as session:
        members = f"{group_path(flags, session)}/members"
        id, place = member_id(member, members, session), group_name(flags, session)
        out.warn(f"This removes {member} from {place}.")
        confirm(yes)
        session.ask(type(None), Call("DELETE", f"{members}/{id}"))
    _removed(id, out, f"{member} is no longer a member of {place}.")


@app.command
def leave(*, yes: Yes = False, flags: GroupFlags = GROUP_FLAGS) -> None:
    """Leave the project or the organisation. An organisation keeps at least one owner.

    Example: bunbase members leave
    """
    out = Output(flags.json)
    with open_session(flags) as session:
        members = f"{group_path(flags, session)}/members"
        place = group_name(flags, session)
        out.warn(f"You leave {place}. You will need a new invitation to come back.")
        confirm(yes)
        id = session.ask(_Me, Call("GET", "/api/auth/me")).user.id
        session.ask(type(None), Call("DELETE", f"{members}/{id}"))
    _removed(id, out, f"You have left {place}.")


def _show(member: Member, out: Output) -> None:
    if out.json:
        out.document(member)
    out.done(f"{member.user.email or member.user.id} has the role {member.role.value}.")


def _removed(id: str, out: Output, told: str) -> None:
    if out.json:
        out.document({"id": id, "removed": True})
    out.done(told)
