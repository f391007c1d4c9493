"""The command `bunbase`: the table of its subcommands, and the function that runs one and returns its exit code.

`run` imports the module of a subcommand only when the subcommand runs, so `bunbase --help` takes a tenth of a second.
`run` also imports the library for command lines late, so that it can handle Ctrl-C and SIGTERM during the import.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from bunbase import __version__
from bunbase.cli.errors import INTERRUPTED, OK, SIGNALLED, Failure, Usage
from bunbase.cli.help_texts import FlowingHelp

if TYPE_CHECKING:
    from cyclopts import App

PURPOSE: Final = """BunBase: sign-in, an encrypted document database and TypeScript functions, on your own machine.

Begin with: bunbase dev"""

GROUPS = SERVER, ACCOUNT, PROJECT, DATA, FUNCTIONS = "Server", "Account", "Projects", "Data", "Functions"

# each row has the group, the subcommand, module:function, and the help line, in the order of `bunbase --help`
COMMANDS: Final = (
    (SERVER, "dev", "house:dev", "Run the whole server on this machine, for development."),
    (SERVER, "serve", "house:serve", "Run the server, or some of its rooms, for production."),
    (SERVER, "config", "house:config", "Show every setting of the server and where it comes from."),
    (
        SERVER,
        "service-secrets",
        "service_secrets:service_secrets",
        "Print secrets for a server that runs in several processes.",
    ),
    (SERVER, "doctor", "doctor:doctor", "Check that this machine has what BunBase needs."),
    (SERVER, "admin", "admin:app", "Manage accounts and projects of the installation."),
    (SERVER, "oauth-clients", "oauth_clients:app", "Manage applications that sign people in."),
    (SERVER, "version", "version:version", "Show the version of this command."),
    (SERVER, "open", "open:open_page", "Open a page of the server in the browser."),
    (SERVER, "upgrade", "upgrade:app", "Compare the versions of this command and the server."),
    (SERVER, "completion", "completion:completion", "Print a script that completes commands in your shell."),
    (ACCOUNT, "register", "registration:register", "Create an account."),
    (ACCOUNT, "login", "account:login", "Sign in, and stay signed in on this machine."),
    (ACCOUNT, "logout", "account:logout", "Sign out."),
    (ACCOUNT, "account", "own_account:app", "Change or delete your account, and show who used it."),
    (ACCOUNT, "sessions", "sessions:app", "List and end the sessions of your account."),
    (ACCOUNT, "whoami", "account:whoami", "Show the account that commands use."),
    (ACCOUNT, "tokens", "tokens:app", "List, create and delete your personal access tokens."),
    (PROJECT, "projects", "projects:app", "List, create, clone, choose, move and delete projects."),
    (PROJECT, "members", "members:app", "List, change and remove members."),
    (PROJECT, "invites", "invites:app", "Invite people, and accept invitations."),
    (PROJECT, "orgs", "orgs:app", "List, create, rename and delete organisations."),
    (PROJECT, "keys", "keys:app", "List, create, change, rotate and revoke a project's keys."),
    (PROJECT, "service-accounts", "service_accounts:app", "List, create and delete a project's service accounts."),
    (PROJECT, "auth", "auth:app", "Show, pull, push and compare settings for users."),
    (PROJECT, "users", "users:app", "List, create, change and delete users of your app."),
    (PROJECT, "audit", "audit:app", "List, follow and export the audit log."),
    (PROJECT, "env", "env:app", "Set, list, pull and remove variables of functions."),
    (DATA, "backup", "backup:app", "Back up, verify, restore and clone a project's documents."),
    (DATA, "export", "export:export_project", "Export a project to one file."),
    (DATA, "import", "importing:import_project", "Import an exported project."),
    (DATA, "data", "data:app", "Read, write, export and import documents."),
    (DATA, "collections", "collections:app", "List, show, drop and apply the collections of a project."),
    (DATA, "channels", "channels:app", "Follow a channel, and publish messages."),
    (DATA, "storage", "storage:app", "List, copy, move, delete and synchronise files."),
    (DATA, "indexes", "indexes:app", "List, create and drop the indexes of a project's collections."),
    (DATA, "gen", "gen:app", "Write types of documents, and the JSON Schema of bunbase.toml."),
    (PROJECT, "rules", "rules:app", "Test and apply a project's access rules."),
    (PROJECT, "schemas", "schemas:app", "Apply the schemas of a project's collections."),
    (PROJECT, "mcp", "mcp.command:mcp", "Offer a project to programs with a language model (MCP)."),
    (FUNCTIONS, "init", "init:init", "Create bunbase.toml and a first function in a folder."),
    (PROJECT, "pull", "pull:pull", "Write what a project has to bunbase.toml."),
    (PROJECT, "diff", "diff:diff", "Show what a deployment would change."),
    (FUNCTIONS, "deploy", "deploy:deploy", "Make a project what bunbase.toml says; deploy functions."),
    (FUNCTIONS, "watch", "watch:watch", "Deploy functions whenever they are saved, and show their logs."),
    (
        FUNCTIONS,
        "functions",
        "functions:app",
        "List, compare, roll back, delete and create functions.",
    ),
    (FUNCTIONS, "invoke", "invoke:invoke", "Call a function and show its answer."),
    (FUNCTIONS, "logs", "logs:logs", "Show the lines that functions wrote to their console."),
    (FUNCTIONS, "jobs", "jobs:app", "List, add, replay and delete jobs, which run functions later."),
    (FUNCTIONS, "migrations", "migrations:app", "Change every document of a collection with a function, once."),
    (FUNCTIONS, "schedules", "schedules:app", "Show the functions that run on a schedule."),
)

# these errors mean that the disk to which the output goes is full or broken
UNWRITTEN: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})
CUT_SHORT: Final = 1  # the exit code after a broken pipe, which is also the exit code of the library rich


def main() -> None:
    # the kernel discards SIGTERM for the first process of a container, unless the process has a handler
    if os.getpid() == 1:
        signal.signal(signal.SIGTERM, _end)
    sys.exit(run(sys.argv[1:]))


def run(words: Sequence[str]) -> int:
    """Run the command line `words`; return the exit code."""
    try:
        return _run(words)
    except KeyboardInterrupt:  # the user may press Ctrl-C at any time, also while modules are imported
        sys.stderr.write("\n")
        return INTERRUPTED


def _run(words: Sequence[str]) -> int:
    from cyclopts import CycloptsError

    from bunbase.cli.output import report
    from bunbase.cli.streams import accept_every_text, drop_empty_size, drop_output, open_missing

    open_missing()
    accept_every_text()
    drop_empty_size()
    json = "--json" in words
    try:
        # if a word has a lone surrogate, this raises an error before a message could contain the word
        "".join(words).encode()
        result = command(words[0] if words else "")(
            words, result_action="return_value", exit_on_error=False, print_error=False
        )
        sys.stdout.flush()
    except CycloptsError as error:
        from bunbase.cli.unknown_commands import message_of

        asked = ("bunbase", *(error.command_chain or ()), "--help")
        usage = Usage(f"{message_of(error)} See: {' '.join(asked)}")
        report(usage, json)
        return usage.exit_code
    except Failure as failure:
        report(failure, json)
        return failure.exit_code
    except UnicodeEncodeError:  # a lone surrogate stands for a byte that is not text
        report(Usage("A text in the command line, the environment or the input is not valid UTF-8."), json)
        return Usage.exit_code
    except ModuleNotFoundError as missing:
        if missing.name is None or missing.name.partition(".")[0] == "bunbase":
            raise
        without_server = Usage(
            f"This command needs the server, which is not installed here: pip install 'bunbase[server]'. The server "
            f"runs on Linux and macOS. (The module {missing.name} is missing.)",
            "server_not_installed",
        )
        report(without_server, json)
        return without_server.exit_code
    except BrokenPipeError:  # the process that reads our output closed the pipe, as `head` does
        drop_output()
        return CUT_SHORT
    except OSError as error:
        if error.filename is None and error.errno not in UNWRITTEN:
            raise
        drop_output()
        unusable = _unusable(error)
        report(unusable, json)
        return unusable.exit_code
    return result if isinstance(result, int) else OK


def _unusable(error: OSError) -> Failure:
    what = "The output cannot be written" if error.filename is None else f"{error.filename} cannot be used"
    return Failure("system_error", f"{what}: {error.strerror}.")


def _end(_number: int, _frame: object) -> None:
    """Exit immediately, as SIGTERM does without a handler.

    An exception could be lost: Python ignores exceptions in destructors.
    """
    os._exit(SIGNALLED)


def command(chosen: str = "") -> App:
    """Return the whole command line. For the subcommand `chosen`, the help is its whole docstring.

    For all other subcommands, the help is the line in COMMANDS, because their docstrings would have to be imported.
    """
    from cyclopts import App, Group

    groups = {title: Group(title, sort_key=place) for place, title in enumerate(GROUPS)}
    app = App(
        name="bunbase",
        help=PURPOSE,
        version=f"bunbase {__version__}",
        help_format="plaintext",  # "markdown" would need a library whose import takes 50 ms
        help_formatter=FlowingHelp(),
        suppress_keyboard_interrupt=False,
    )
    for place, (group, word, where, purpose) in enumerate(COMMANDS):
        help = None if word == chosen else purpose
        app.command(f"bunbase.cli.{where}", name=word, help=help, group=groups[group], sort_key=place)
    return app
