from __future__ import annotations

import stat
import subprocess
import time
from pathlib import Path

import msgspec
import pytest

from bunbase import __version__
from bunbase.cli.credentials import KnownServer, credentials_file
from bunbase.cli.flags import ServerFlags
from bunbase.cli.http import Call
from bunbase.cli.session import open_session
from bunbase.contracts.bunauth.accounts import AccountSession
from bunbase.pkg.api_json import api_json
from tests.cli.conftest import EXECUTABLE, Bunbase, Said, executable, kept
from tests.cli.fake_api import EMAIL, NOW, PASSWORD, REQUEST_ID, FakeApi


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def forget_expiry(api: FakeApi) -> None:
    """Make the command learn from a 401, not from its clock, that its token has expired."""
    with credentials_file().changing() as credentials:
        credentials.server(api.url).expires_at = time.time() + 3600


def test_login_stores_the_tokens_in_a_private_file(api: FakeApi, tmp_path: Path) -> None:
    said = executable("login", "--email", EMAIL, "--password-stdin", "--json", input=PASSWORD + "\n")

    assert said.document == {"user": msgspec.json.decode(api_json(api.account())), "url": api.url}
    assert mode(tmp_path / "config/bunbase/credentials.json") == 0o600
    assert mode(tmp_path / "config/bunbase") == 0o700
    assert kept().server(api.url).access_token == "at_1"
    assert "at_1" not in said.out + said.err


def test_a_credentials_file_that_others_can_read_is_made_private(signed_in: FakeApi, bunbase: Bunbase) -> None:
    path = credentials_file().path
    path.chmod(0o644)

    bunbase("whoami")

    assert mode(path) == 0o600


def test_the_password_may_come_from_the_environment(
    api: FakeApi, bunbase: Bunbase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUNBASE_PASSWORD", PASSWORD)

    said = bunbase("register", "--email", EMAIL, "--name", "Ada")

    assert said.code == 0
    assert f"Signed in to {api.url} as {EMAIL} (administrator)" in said.err


def test_the_first_account_sends_the_setup_token_from_the_flag_or_the_environment(
    api: FakeApi, bunbase: Bunbase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUNBASE_PASSWORD", PASSWORD)
    sent = []

    for flags in ((), ("--setup-token", "setup_flag")):
        assert bunbase("register", "--email", EMAIL, *flags).code == 0
        sent.append(api.setup_token)
    monkeypatch.setenv("BUNBASE_SETUP_TOKEN", "setup_environment")
    assert bunbase("register", "--email", EMAIL).code == 0

    assert [*sent, api.setup_token] == [None, "setup_flag", "setup_environment"]


def test_without_a_terminal_login_names_the_ways_to_pass_the_password(api: FakeApi) -> None:
    said = executable("login", "--email", EMAIL)

    assert said.code == 2
    assert "--password-stdin" in said.err
    assert "BUNBASE_PASSWORD" in said.err


def test_a_wrong_password_prints_the_refusal_with_its_request_id(api: FakeApi) -> None:
    said = executable("login", "--email", EMAIL, "--password-stdin", input="wrong")

    assert said.code == 1
    assert "Email or password is wrong" in said.err
    assert REQUEST_ID in said.err
    assert said.out == ""


def test_login_sends_the_code_of_the_second_factor_from_the_command_line(api: FakeApi) -> None:
    api.code = "123456"

    wrong = executable("login", "--email", EMAIL, "--password-stdin", "--code", "654321", input=PASSWORD)
    said = executable("login", "--email", EMAIL, "--password-stdin", "--code", "123456", input=PASSWORD)

    assert (wrong.code, said.code) == (1, 0)
    assert "This code is wrong" in wrong.err
    assert f"Signed in to {api.url}" in said.err
    assert "recovery code" not in said.err
    assert kept().server(api.url).access_token == "at_1"


def test_a_sign_in_with_a_recovery_code_tells_how_many_are_left(api: FakeApi) -> None:
    api.code, api.has_app = "abcd-efgh", True

    said = executable("login", "--email", EMAIL, "--password-stdin", "--code", "abcd-efgh", input=PASSWORD)

    assert "2 are left" in said.err
    assert "bunbase account second-factor on" in said.err


def test_login_asks_for_the_code_of_the_second_factor_until_it_is_right(
    api: FakeApi, bunbase: Bunbase, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.code, typed = "123456", iter(["654321", "123456"])
    monkeypatch.setenv("BUNBASE_PASSWORD", PASSWORD)
    monkeypatch.setattr("bunbase.cli.account.ask", lambda _question, _otherwise: next(typed))

    said = bunbase("login", "--email", EMAIL)

    assert said.code == 0
    assert "This code is wrong" in said.err


def test_a_sign_in_by_another_service_sends_the_code_of_the_second_factor_too(
    api: FakeApi, bunbase: Bunbase, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.code = "123456"
    first_factor = Call("POST", "/api/auth/login", json={"email": EMAIL, "password": PASSWORD})
    monkeypatch.setattr("bunbase.cli.account.check_provider", lambda *_: None)
    monkeypatch.setattr("bunbase.cli.account.sign_in_by_provider", lambda *_: first_factor)

    said = bunbase("login", "--provider", "google", "--code", "123456")

    assert said.code == 0
    assert kept().server(api.url).access_token == "at_1"


def test_at_a_terminal_a_code_asks_for_email_and_password_and_does_not_open_the_page_for_devices(
    api: FakeApi, bunbase: Bunbase, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.code = "123456"
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("bunbase.cli.account.ask", lambda *_: EMAIL)
    monkeypatch.setattr("bunbase.cli.account.ask_secret", lambda *_: PASSWORD)

    said = bunbase("login", "--code", "123456")

    assert (said.code, api.device_client) == (0, "")


@pytest.mark.parametrize("json", [True, False])
def test_without_a_terminal_or_with_json_login_names_the_flag_for_the_code_and_hides_the_challenge(
    api: FakeApi, json: bool
) -> None:
    api.code = "123456"

    said = executable("login", "--email", EMAIL, "--password-stdin", *(["--json"] if json else []), input=PASSWORD)

    assert (said.code, said.out) == (2, "")
    assert "--code" in said.err
    assert "bsc_1" not in said.err
    if json:
        assert said.problem["code"] == "second_factor_required"


def test_with_json_a_refusal_is_the_problem_document_on_stderr(api: FakeApi) -> None:
    said = executable("login", "--email", EMAIL, "--password-stdin", "--json", input="wrong")

    assert said.code == 1
    assert said.out == ""
    assert said.problem["code"] == "invalid_credentials"
    assert said.problem["request_id"] == REQUEST_ID


def test_a_command_without_a_sign_in_exits_with_3(api: FakeApi, bunbase: Bunbase) -> None:
    said = bunbase("whoami", "--json")

    assert said.code == 3
    assert said.problem["code"] == "not_signed_in"
    assert "bunbase login" in said.problem["detail"]


@pytest.mark.parametrize("command", [("whoami",), ("deploy",), ("logs",), ("env", "list"), ("env", "set", "A=1")])
@pytest.mark.parametrize(("setup_complete", "advice"), [(True, "bunbase login"), (False, "bunbase register")])
def test_a_command_asks_for_the_sign_in_before_the_project(
    api: FakeApi, bunbase: Bunbase, command: tuple[str, ...], setup_complete: bool, advice: str, home: Path
) -> None:
    (home / "functions").mkdir()
    (home / "functions" / "hello.ts").write_text("export default () => new Response('hi')")
    api.setup_complete = setup_complete

    said = bunbase(*command, "--json")

    assert (said.code, said.problem["code"]) == (3, "not_signed_in")
    assert f"{advice} --url {api.url}" in said.problem["detail"]


def test_a_command_without_a_reachable_server_exits_with_4(bunbase: Bunbase, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUNBASE_TOKEN", "at_1")

    said = bunbase("whoami", "--url", "http://127.0.0.1:9")

    assert said.code == 4
    assert "cannot be reached" in said.err
    assert "bunbase dev" in said.err


def test_whoami_shows_account_server_and_project(in_project: FakeApi, bunbase: Bunbase) -> None:
    said = bunbase("whoami", "--json")

    assert said.document["user"]["email"] == EMAIL
    assert said.document["url"] == in_project.url
    assert said.document["project"] == "guestbook"
    assert EMAIL in bunbase("whoami").out


def test_commands_use_the_server_of_the_last_login(
    signed_in: FakeApi, bunbase: Bunbase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BUNBASE_URL")

    assert bunbase("whoami", "--json").document["url"] == signed_in.url


def test_requests_name_the_version_of_the_command_and_the_machine(
    signed_in: FakeApi, bunbase: Bunbase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platform.system", lambda: "Linux")
    for name in ("ada-laptop", "bäckerei (1)", ""):
        monkeypatch.setattr("platform.node", lambda name=name: name)
        bunbase("whoami")

    names = ("ada-laptop", "b?ckerei ?1?", "unnamed machine")
    assert signed_in.agents == {f"bunbase-cli/{__version__} ({name}; Linux)" for name in names}


def test_no_proxy_is_used_for_a_server_on_this_machine(
    signed_in: FakeApi, bunbase: Bunbase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")

    assert bunbase("whoami").code == 0


def test_an_expired_access_token_is_renewed_and_the_command_continues(signed_in: FakeApi, bunbase: Bunbase) -> None:
    signed_in.expire()
    forget_expiry(signed_in)

    said = bunbase("whoami")

    assert said.code == 0
    assert signed_in.refreshes == 1
    assert kept().server(signed_in.url).refresh_token == "rt_2"


def test_an_access_token_about_to_expire_is_renewed_before_it_is_used(signed_in: FakeApi, bunbase: Bunbase) -> None:
    with credentials_file().changing() as credentials:
        credentials.server(signed_in.url).expires_at = time.time() + 5

    assert bunbase("whoami").code == 0

    assert signed_in.refreshes == 1


def test_simultaneous_commands_use_the_refresh_token_once(signed_in: FakeApi) -> None:
    signed_in.expire()
    forget_expiry(signed_in)

    commands = [subprocess.Popen([EXECUTABLE, "whoami", "--json"], stdout=subprocess.PIPE) for _ in range(4)]
    answers = [command.communicate(timeout=60)[0] for command in commands]

    assert [command.returncode for command in commands] == [0, 0, 0, 0]
    assert all(msgspec.json.decode(answer)["user"]["email"] == EMAIL for answer in answers)
    assert signed_in.refreshes == 1


def test_the_tokens_of_an_ended_session_are_deleted_and_the_keys_kept(in_project: FakeApi, bunbase: Bunbase) -> None:
    in_project.expire()
    in_project.fresh.clear()
    forget_expiry(in_project)

    said = bunbase("whoami", "--json")

    assert said.code == 3
    assert said.problem["request_id"] == REQUEST_ID
    known = kept().server(in_project.url)
    assert (known.access_token, known.refresh_token) == ("", "")
    assert known.key_of("guestbook") is not None


def test_a_token_can_be_used_in_place_of_a_password(api: FakeApi, bunbase: Bunbase) -> None:
    api.access.add("bpt_1")

    said = bunbase("login", "--token", "bpt_1")

    assert (said.code, "(by a token with the scopes data:read in prj_1)" in said.err + said.out) == (0, True)
    assert kept().server(api.url) == KnownServer(email=EMAIL, access_token="bpt_1")
    assert f"{EMAIL} (by a token with the scopes data:read in prj_1)" in bunbase("whoami").out


def test_a_refused_token_is_not_kept(api: FakeApi, bunbase: Bunbase) -> None:
    said = bunbase("login", "--token", "bpt_wrong")

    assert (said.code, "The token from --token is not valid" in said.err) == (3, True)
    assert kept().server(api.url).access_token == ""


def test_a_key_in_place_of_a_token_is_recognized(
    api: FakeApi, bunbase: Bunbase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUNBASE_TOKEN", "sk_hidden")

    said = bunbase("projects", "list")

    assert said.code == 3
    assert "BUNBASE_TOKEN is a key of a project (sk_…)" in said.err
    assert "hidden" not in said.err


def test_a_token_from_the_environment_needs_no_credentials_file(
    api: FakeApi, bunbase: Bunbase, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.access.add("bpt_ci")
    monkeypatch.setenv("BUNBASE_TOKEN", "bpt_ci")

    assert bunbase("whoami").code == 0

    assert not credentials_file().path.exists()


def login(email: str = EMAIL, password: str = PASSWORD) -> Said:
    return executable("login", "--email", email, "--password-stdin", input=password)


@pytest.mark.parametrize("expired", [False, True])
def test_a_second_login_of_the_same_account_ends_the_session_before(signed_in: FakeApi, expired: bool) -> None:
    if expired:
        signed_in.expire()

    said = login()

    assert said.code == 0
    assert signed_in.access == {kept().server(signed_in.url).access_token}
    assert signed_in.fresh == {kept().server(signed_in.url).refresh_token}


def test_a_failed_login_and_a_login_of_another_account_leave_the_session_open(signed_in: FakeApi) -> None:
    failed = login(password="wrong")
    after_failure = set(signed_in.access)
    other = login("bob@example.com")

    assert (failed.code, other.code) == (1, 0)
    assert after_failure == {"at_1"}
    assert "at_1" in signed_in.access


def test_a_personal_token_stays_valid_after_a_login(api: FakeApi, bunbase: Bunbase) -> None:
    api.access.add("bpt_1")
    assert bunbase("login", "--token", "bpt_1").code == 0

    assert login().code == 0

    assert "bpt_1" in api.access


def test_logout_ends_the_session_and_deletes_all_credentials_of_the_server(
    in_project: FakeApi, bunbase: Bunbase
) -> None:
    assert bunbase("logout", "--json").document == {"url": in_project.url, "signed_in": False}

    assert in_project.access == set()
    assert in_project.url not in kept().servers
    assert bunbase("whoami").code == 3


def test_logout_deletes_the_tokens_even_if_the_server_is_unreachable(bunbase: Bunbase) -> None:
    url = "http://127.0.0.1:9"
    with credentials_file().changing() as credentials:
        credentials.server(url).sign_in(EMAIL, "at_1", "rt_1", time.time() + 3600)

    said = bunbase("logout", "--url", url)

    assert said.code == 0
    assert "may stay valid" in said.err
    assert url not in kept().servers


def test_another_persons_login_does_not_inherit_projects_and_keys(in_project: FakeApi) -> None:
    executable("login", "--email", "bob@example.com", "--password-stdin", input=PASSWORD)

    known = kept().server(in_project.url)
    assert known.project is None
    assert known.keys == []


def test_a_damaged_credentials_file_is_named(bunbase: Bunbase) -> None:
    path = credentials_file().path
    path.parent.mkdir(parents=True)
    path.write_text("{")

    said = bunbase("whoami")

    assert said.code == 1
    assert str(path) in said.err


def test_a_registration_that_needs_a_confirmation_tells_of_the_mail(api: FakeApi, bunbase: Bunbase) -> None:
    api.verifies_signups = True

    said = executable("register", "--email", EMAIL, "--password-stdin", "--json", input=PASSWORD + "\n")

    assert said.document == {"status": "confirmation_sent", "email": EMAIL}
    assert kept().server(api.url).access_token == ""
    assert kept().current == api.url


def test_nobody_types_a_password_that_the_server_would_not_use(api: FakeApi, bunbase: Bunbase) -> None:
    api.verifies_signups, api.any_password = True, True

    said = bunbase("register", "--email", EMAIL, "--name", "Ada")

    assert said.code == 0
    assert f"bunbase login --url {api.url}" in said.err


def test_a_link_names_its_server_unless_a_token_from_the_environment_would_be_sent_there(
    api: FakeApi, bunbase: Bunbase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BUNBASE_URL")
    monkeypatch.setenv("BUNBASE_PASSWORD", PASSWORD)
    link = f"{api.url}/account/invite?token=biv_abc"

    assert bunbase("register", "--email", EMAIL, "--invite", link).code == 0
    assert (api.invite, kept().current) == ("biv_abc", api.url)

    monkeypatch.setenv("BUNBASE_TOKEN", "bpt_secret")
    with open_session(ServerFlags(), "https://attacker.example/invite#token=x") as session:
        assert session.url == api.url


@pytest.mark.parametrize("invite", ["biv_abc", "https://api.example.com/account/invite?token=biv_abc"])
def test_an_invitation_is_given_as_a_link_or_as_its_token(
    api: FakeApi, bunbase: Bunbase, monkeypatch: pytest.MonkeyPatch, invite: str
) -> None:
    monkeypatch.setenv("BUNBASE_PASSWORD", PASSWORD)

    assert bunbase("register", "--email", EMAIL, "--invite", invite).code == 0

    assert api.invite == "biv_abc"


def test_sessions_are_listed_and_ended(signed_in: FakeApi, bunbase: Bunbase) -> None:
    for id in ("ses_1", "ses_2", "ses_3"):
        signed_in.own_sessions[id] = AccountSession(id, "203.0.113.7", "Firefox", NOW, NOW, NOW, current=id == "ses_1")

    listed = bunbase("sessions", "list")
    assert bunbase("sessions", "end", "ses_2").code == 0
    assert set(signed_in.own_sessions) == {"ses_1", "ses_3"}
    assert bunbase("sessions", "end", "--others").code == 0

    assert set(signed_in.own_sessions) == {"ses_1"}
    assert "203.0.113.7" in listed.out
    assert "application" in listed.out
    assert bunbase("sessions", "end", "ses_2").code == 1
    assert "not both" in bunbase("sessions", "end", "ses_1", "--others").err
    assert bunbase("sessions", "end").code == bunbase("sessions", "end", "ses_1", "--others").code == 2
