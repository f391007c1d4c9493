from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

from bunbase import __version__
from bunbase.cli.main import COMMANDS
from tests.cli.conftest import EXECUTABLE, Bunbase, executable

HEAVY = ("httpx", "litestar", "uvicorn", "asyncpg", "tomlkit", "cryptography", "bunbase.house")
SUB_COMMANDS = [
    *("projects list", "projects create", "projects use", "projects delete", "projects restore", "projects transfer"),
    *("members list", "members add", "members change", "members remove", "members leave"),
    *("account second-factor status", "account second-factor on", "account second-factor confirm"),
    *("account second-factor off", "account second-factor recovery-codes", "account password", "account email"),
    *(
        "account passkeys list",
        "account passkeys remove",
        "account update",
        "account delete",
        "account activity",
        "sessions list",
        "sessions end",
    ),
    *("invites list", "invites create", "invites resend", "invites delete", "invites accept"),
    *("orgs list", "orgs create", "orgs rename", "orgs delete"),
    *("audit list", "audit export", "admin accounts", "admin projects", "admin usage", "admin suspend"),
    *("admin resume", "admin role", "admin reset-factors", "admin replace-signing-keys"),
    *("admin invites list", "admin invites create", "admin invites delete"),
    *("keys list", "keys create", "keys update", "keys rotate", "keys rotate-data", "keys revoke"),
    *("service-accounts list", "service-accounts create", "service-accounts delete"),
    *("storage credentials list", "storage credentials create", "storage credentials delete"),
    *("tokens list", "tokens create", "tokens delete"),
    *("env set", "env list", "env unset"),
    *("backup create", "backup list", "backup verify", "backup restore", "backup clone", "backup delete"),
    *("backup schedule", "projects clone", "data export", "data import", "rules test", "rules push", "schemas push"),
    *("gen types", "gen schema", "collections list", "collections push", "auth pull", "auth push", "auth diff"),
    *("functions list", "functions new", "functions versions", "functions diff", "functions rollback"),
    *("functions delete", "jobs list", "jobs show", "jobs add", "jobs replay", "jobs delete", "jobs runs"),
    "schedules list",
]
NO_JSON = {
    "account",
    "admin",
    "audit",
    "schemas",
    "sessions",
    "projects",
    "members",
    "invites",
    "orgs",
    "keys",
    "env",
    "backup",
    "migrations",
    "data",
    "rules",
    "functions",
    "gen",
    "jobs",
    "schedules",
    "tokens",
    "service-accounts",
    "storage credentials",
    "oauth-clients",
    "users",
    "auth",
    "channels",
    "storage",
    "storage buckets",
    "collections",
    "completion",
    "indexes",
    "upgrade",
}


@pytest.mark.parametrize("words", ["", *(word for _, word, _, _ in COMMANDS), *SUB_COMMANDS])
def test_every_command_has_help(bunbase: Bunbase, words: str) -> None:
    said = bunbase(*words.split(), "--help")

    assert said.code == 0
    assert said.out.startswith(f"Usage: bunbase {words}".rstrip())
    assert ("--json" in said.out) == (words not in NO_JSON and words != "")


FUNCTIONS = [(word, where) for _, word, where, _ in COMMANDS if not where.endswith(":app")]


@pytest.mark.parametrize(("word", "where"), FUNCTIONS)
def test_the_help_of_a_command_has_its_whole_description(bunbase: Bunbase, word: str, where: str) -> None:
    module, _, name = where.partition(":")
    described = getattr(importlib.import_module(f"bunbase.cli.{module}"), name).__doc__

    said = bunbase(word, "--help")

    assert set(described.replace("`", "").split()) <= set(said.out.replace("`", "").split())


@pytest.mark.parametrize(
    ("words", "command"), [("frobnicate", ""), ("functions nope", "functions"), ("keys create --kind x", "keys create")]
)
def test_a_usage_error_names_the_help_of_its_command(bunbase: Bunbase, words: str, command: str) -> None:
    said = bunbase(*words.split())

    assert said.code == 2
    assert said.err.rstrip().endswith(f"See: {' '.join(['bunbase', *command.split(), '--help'])}")


def test_without_arguments_the_command_lists_its_subcommands() -> None:
    said = executable()

    assert said.code == 0
    for _, word, _, purpose in COMMANDS:
        assert word in said.out
        assert purpose in said.out


def test_help_imports_no_slow_module() -> None:
    script = (
        "import sys; from bunbase.cli.main import run; run(['--help']);"
        f"sys.exit(', '.join(name for name in {HEAVY} if name in sys.modules) or 0)"
    )

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "words",
    [
        ["frobnicate"],
        ["projects", "frobnicate"],
        ["whoami", "--frobnicate"],
        ["projects", "use"],
        ["logs", "hello", "--limit", "501"],
        ["logs", "hello", "--level", "loud"],
        ["logs", "hello", "--since", "yesterday"],
        ["logs", "--of-version", "2"],
        ["functions", "rollback"],
        ["functions", "new", "hello", "--template", "none"],
        ["functions", "new", "Hello"],
        ["dev", "--set", "port"],
        ["whoami", "--url", "ftp://example.com"],
        ["invoke", "hello", "--header", "nothing"],
        ["invoke", "hello", "--data", "@nowhere"],
    ],
)
def test_a_usage_error_exits_with_2(bunbase: Bunbase, words: list[str]) -> None:
    said = bunbase(*words)

    assert said.code == 2
    assert said.out == ""
    assert said.err.startswith("bunbase: ")


def test_with_json_a_usage_error_is_a_json_document(bunbase: Bunbase) -> None:
    assert bunbase("whoami", "--json", "--frobnicate").problem["code"] == "usage"


def test_version_is_printed_as_text_and_json(bunbase: Bunbase) -> None:
    assert executable("version").out == f"bunbase {__version__}\n"
    assert executable("--version").out == f"bunbase {__version__}\n"
    assert bunbase("version", "--json").document == {"version": __version__}


def test_a_closed_pipe_ends_the_command_without_a_message() -> None:
    process = subprocess.Popen([EXECUTABLE, "version"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()

    errors = process.stderr.read()
    process.stderr.close()

    assert (process.wait(30), errors) == (1, b"")
