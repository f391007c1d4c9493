"""`bunbase account passkeys`: the passkeys of your account. Only a browser can add one."""

from __future__ import annotations

from typing import Annotated, Final

from cyclopts import App, Parameter

from bunbase.cli.flags import SERVER_FLAGS, ServerFlags
from bunbase.cli.http import Call, at
from bunbase.cli.output import Output
from bunbase.cli.prompts import Yes, confirm
from bunbase.cli.session import open_session
from bunbase.contracts.bunauth.factors import Passkeys

PATH: Final = "/api/auth/passkeys"


app = App(name="passkeys", help="List the passkeys of your account, and remove one.")


@app.command(name="list")
def list_passkeys(*, flags: ServerFlags = SERVER_FLAGS) -> None:
    """Show the passkeys of your account.

    Example: bunbase account passkeys list
    """
    out = Output(flags.json)
    with open_session(flags) as session:
        found = session.ask(Passkeys, Call("GET", PATH))
    if flags.json:
        out.document(found)
        return
    rows = [(one.id, one.name, "yes" if one.synced else "no", one.created_at, one.last_used_at) for one in found.items]
    out.table(("id", "name", "synced", "created", "last used"), rows)
    if not found.items:
        out.hint("Your account has no passkey.")


@app.command
def remove(
    id: Annotated[str, Parameter(help="The id, from `bunbase account passkeys list`.")],
    /,
    *,
    yes: Yes = False,
    flags: ServerFlags = SERVER_FLAGS,
) -> None:
    """Remove a passkey, for example of a lost phone. The passkey stops working at once; the sessions that it has opened
    stay open.

    Example: bunbase account passkeys remove psk_1
    """
    out = Output(flags.json)
    with open_session(flags) as session:
        items = session.ask(Passkeys, Call("GET", PATH)).items
        named = next((one.name for one in items if one.id == id), "") or id
        out.warn(f"This removes the passkey {named} from your account.")
        confirm(yes)
        session.ask(type(None), Call("DELETE", at("auth", "passkeys", id)))
    if flags.json:
        out.document({"id": id, "removed": True})
    out.done(f"The passkey {named} no longer works.")
