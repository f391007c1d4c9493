"""If BunBase cannot start, it prints the reason in one line before it starts anything."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from bunbase.house.data_dir import DataDirectory
from bunbase.house.modules import ROOMS
from bunbase.house.run import run_dev, run_serve
from bunbase.house.settings import ALIASES
from bunbase.house.terminal import Terminal
from bunbase.pkg.serve import listen
from tests.rooms import site

SECRET = "the secret of this test process alone"
KEY = "A" * 43 + "="
ANY_PORT = {"gateway.port": "0", "house.internal_port": "0", "house.data_dir": "data"}


@pytest.fixture(autouse=True)
def _in_a_place_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("bunbase.house.run.configure_logging", lambda **_: None)
    for name in (*ALIASES, *ALIASES.values()):
        monkeypatch.delenv(name, raising=False)


def test_an_unknown_room_is_refused_with_the_list_of_rooms(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_serve(["bunkms", "cellar"]) == 1
    assert capsys.readouterr().err == f"bunbase: there is no room cellar; choose from: {', '.join(ROOMS)}\n"


def test_an_invalid_setting_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_dev({"gateway.port": "many"}) == 1
    assert capsys.readouterr().err.startswith("bunbase: --set gateway.port: gateway.port = 'many': ")
    assert not Path("data").exists()


def test_settings_of_mail_that_would_reveal_the_password_stop_the_start(capsys: pytest.CaptureFixture[str]) -> None:
    mail = {"host": "smtp.example.com", "sender": "a@example.com", "username": "a", "password": SECRET}
    flags = {f"mail.{name}": value for name, value in mail.items()}

    assert run_serve(flags=ANY_PORT | flags | {"mail.security": "none"}) == 1

    said = capsys.readouterr().err
    assert "mail.security = none would send the password to smtp.example.com" in said
    assert SECRET not in said
    assert not Path("data").exists()


def test_production_without_mail_says_so_once(capsys: pytest.CaptureFixture[str]) -> None:
    with capture_logs() as logs:
        run_serve(["bunauth", "platform"], ANY_PORT)  # This start fails, because the secrets are missing.
        run_serve(["bundoc"], ANY_PORT)

    capsys.readouterr()
    assert sum("mail is not configured" in line["event"] for line in logs) == 1


def test_a_data_directory_in_use_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    holder = DataDirectory(Path("data"))
    holder.hold()

    assert run_dev(ANY_PORT) == 1

    assert f"another BunBase (process {os.getpid()}) runs on" in capsys.readouterr().err
    holder.release()


def test_a_taken_port_stops_the_start_and_frees_the_data_directory(capsys: pytest.CaptureFixture[str]) -> None:
    with listen("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        assert run_dev(ANY_PORT | {"gateway.port": str(port)}) == 1

    taken = f"bunbase: cannot listen on 127.0.0.1:{port}: Address already in use"
    advice = "stop what listens there, or choose another port with --port or BUNBASE_PORT"
    assert capsys.readouterr().err == f"{taken}; {advice}\n"
    again = DataDirectory(Path("data"))
    again.hold()
    again.release()


def test_rooms_in_several_processes_need_one_postgresql_and_one_secret(capsys: pytest.CaptureFixture[str]) -> None:
    keyed = ANY_PORT | {"bunkms.master_key": KEY}

    assert run_serve(["bunkms"], keyed) == 1
    assert "need a common secret: set BUNBASE_HOUSE__SERVICE_SECRET, or keys" in capsys.readouterr().err

    assert run_serve(["bunkms"], keyed | {"house.service_secret": SECRET}) == 1
    assert capsys.readouterr().err.endswith("needs a shared PostgreSQL: set DATABASE_URL\n")


def test_a_start_with_a_weak_service_secret_fails_before_postgresql_starts(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A start with `BUNBASE_HOUSE__SERVICE_SECRET=x` once succeeded."""
    assert run_serve([], ANY_PORT | {"house.service_secret": "x", "bunkms.master_key": KEY}) == 1

    assert "BUNBASE_HOUSE__SERVICE_SECRET has 1 bytes, but it needs at least 32" in capsys.readouterr().err
    assert not Path("data/postgres").exists()


def test_production_does_not_start_without_a_master_key_and_leaves_nothing_behind(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run_serve([], ANY_PORT) == 1

    assert "set BUNBASE_MASTER_KEY" in capsys.readouterr().err
    assert not Path("data").exists()


def test_an_unreachable_postgresql_is_named_without_its_password(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bunbase.house.build.OPENING_SECONDS", 0.0)
    alone = ANY_PORT | {
        "house.database_url": "postgresql://nobody:hidden@127.0.0.1:1/none",
        "house.service_secret": SECRET,
        "bunkms.master_key": KEY,
    }

    assert run_serve(["bunkms"], alone) == 1

    error = capsys.readouterr().err
    assert error.startswith("bunbase: PostgreSQL at 127.0.0.1:1/none cannot be reached: ")
    assert "hidden" not in error


@pytest.mark.parametrize("json", [False, True])
def test_the_setup_token_is_printed_with_the_command_that_uses_it(
    capsys: pytest.CaptureFixture[str], json: bool
) -> None:
    Terminal(json).setup_token("setup_abc", url="https://api.example.com")

    told = capsys.readouterr().out
    if json:
        assert msgspec.json.decode(told) == {"event": "setup_token", "token": "setup_abc"}
    else:
        assert "register --url https://api.example.com --setup-token setup_abc\n" in told


def test_the_banner_shows_no_next_step_if_the_setup_line_is_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The next step is `register`, which the server refuses without the setup token."""
    for told in (False, True):
        terminal = Terminal(False)
        if told:
            terminal.setup_token("setup_abc", url="https://api.example.com")
        terminal.ready("production", site(tmp_path), None)

        assert ("  next  " in capsys.readouterr().out) is not told


def test_the_banner_says_login_if_there_is_an_account(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal(False)
    terminal.ready("dev", site(tmp_path), None)
    before = capsys.readouterr().out

    terminal.has_account = True
    terminal.ready("dev", site(tmp_path), None)

    assert "register --url" in before
    assert "login --url" in capsys.readouterr().out


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_that_python_drops_during_the_start_still_stops_the_server(
    monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    """Python drops an exception in a destructor, and also in a callback after a fork, as when PostgreSQL starts."""

    class Destroyed:
        def __del__(self) -> None:
            signal.raise_signal(number)

    def start_cluster(data_dir: Path) -> Any:
        Destroyed()
        url = "postgresql://nobody@127.0.0.1:1/none"  # The start would wait for this server for a minute.
        return SimpleNamespace(url=url, data_dir=data_dir, running=True, stop=lambda: None)

    monkeypatch.setattr("bunbase.house.run.start_cluster", start_cluster)
    monkeypatch.setattr("sys.unraisablehook", lambda _: None)

    assert run_dev(ANY_PORT) == 0
