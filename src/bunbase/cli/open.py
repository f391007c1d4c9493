"""`bunbase open`: open a page of the server in the browser."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from cyclopts import Parameter

from bunbase.cli.device_login import open_in_browser
from bunbase.cli.flags import SERVER_FLAGS, ServerFlags
from bunbase.cli.output import Output
from bunbase.cli.session import open_session

PAGES: Final = {"account": "/account/sign-in", "mail": "/api/dev/mail", "api": "/api/openapi.json"}


def open_page(
    page: Annotated[
        Literal["account", "mail", "api"],
        Parameter(
            help="account: the sign-in page of developers. mail: the mails of a server in development. "
            "api: the OpenAPI document."
        ),
    ] = "account",
    /,
    *,
    flags: ServerFlags = SERVER_FLAGS,
) -> None:
    """Print the address of a page of the server, and open it if this machine has a desktop.

    Example: bunbase open mail
    """
    out = Output(flags.json)
    with open_session(flags) as session:
        url = session.url + PAGES[page]
    if flags.json:
        out.document({"url": url})
        return
    out.line(url)
    if out.results.is_terminal:
        open_in_browser(url)
