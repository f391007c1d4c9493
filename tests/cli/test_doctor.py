from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from bunbase.functions.sandbox.layers import Layers
from bunbase.house import doctor
from tests.cli.conftest import Bunbase
from tests.pkg.mail.smtp_server import SENDER, SmtpStub, running_in_thread


@pytest.fixture
def smtp_in_thread() -> Iterator[SmtpStub]:
    with running_in_thread(SmtpStub(signs_in=True)) as stub:
        yield stub


def test_doctor_prints_every_check_as_text_and_json(bunbase: Bunbase) -> None:
    document = bunbase("doctor", "--json").document
    shown = bunbase("doctor").out

    names = [check["name"] for check in document["checks"]]
    assert {"python", "bun", "sandbox: landlock", "sandbox: seccomp", "sandbox: rlimits", "postgresql"} <= set(names)
    assert all(name in shown for name in names)
    assert document["ok"] == all(check["health"] != "bad" for check in document["checks"])


def test_doctor_fails_on_a_machine_that_cannot_confine_functions(
    bunbase: Bunbase, monkeypatch: pytest.MonkeyPatch
) -> None:
    layers = Layers(0, {"landlock": "the kernel has no Landlock", "seccomp": "", "rlimits": ""})
    monkeypatch.setattr(doctor, "layers_here", lambda *_, **_wanted: layers)

    said = bunbase("doctor", "--json")

    assert said.code == 1
    checks = {check["name"]: check for check in msgspec.json.decode(said.out)["checks"]}
    assert checks["sandbox: landlock"]["health"] == "bad"
    assert "lsm=landlock" in checks["sandbox: landlock"]["advice"]
    assert checks["sandbox: seccomp"]["health"] == "ok"


def test_bubblewrap_may_replace_landlock(bunbase: Bunbase, monkeypatch: pytest.MonkeyPatch) -> None:
    found = {"landlock": "the kernel has no Landlock", "bubblewrap": "", "seccomp": "", "rlimits": ""}
    monkeypatch.setattr(doctor, "layers_here", lambda *_, **_wanted: Layers(0, found, "/usr/bin/bwrap"))

    checks = {check["name"]: check for check in bunbase("doctor", "--json").document["checks"]}

    assert (checks["sandbox: landlock"]["health"], checks["sandbox: bubblewrap"]["health"]) == ("note", "ok")
    assert checks["sandbox: bubblewrap"]["detail"] == "works"


def test_a_missing_bubblewrap_is_only_a_note_if_landlock_holds(
    bunbase: Bunbase, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = {"landlock": "", "bubblewrap": "bwrap is not installed", "seccomp": "", "rlimits": ""}
    monkeypatch.setattr(doctor, "layers_here", lambda *_, **_wanted: Layers(7, found))

    checks = {check["name"]: check for check in bunbase("doctor", "--json").document["checks"]}

    assert checks["sandbox: bubblewrap"]["health"] == "note"
    assert "install bubblewrap" in checks["sandbox: bubblewrap"]["advice"]


def test_a_missing_layer_that_needs_root_is_only_a_note(bunbase: Bunbase, monkeypatch: pytest.MonkeyPatch) -> None:
    layers = Layers(7, {"landlock": "", "seccomp": "", "rlimits": "", "user": "only root", "namespaces": "only root"})
    monkeypatch.setattr(doctor, "layers_here", lambda *_, **_wanted: layers)

    checks = {check["name"]: check["health"] for check in bunbase("doctor", "--json").document["checks"]}

    assert (checks["sandbox: user"], checks["sandbox: namespaces"]) == ("note", "note")


def test_doctor_finds_a_taken_port_and_an_unusable_data_directory(bunbase: Bunbase, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])

        said = bunbase("doctor", "--json", "--port", port, "--data-dir", str(tmp_path / "file"))

    checks = {check["name"]: check["health"] for check in msgspec.json.decode(said.out)["checks"]}
    assert (checks["port"], checks["data directory"], said.code) == ("note", "bad", 1)


def test_doctor_signs_in_to_the_smtp_server(
    bunbase: Bunbase, monkeypatch: pytest.MonkeyPatch, smtp_in_thread: SmtpStub
) -> None:
    """Without settings of mail this is a note, and a server that refuses the password is an error."""

    def mail() -> tuple[str, str]:
        document = msgspec.json.decode(bunbase("doctor", "--json").out)
        (check,) = (check for check in document["checks"] if check["name"] == "mail")
        return check["health"], check["detail"]

    assert mail() == ("note", "not configured: BunBase sends no mail")
    for name, value in smtp_in_thread.environment().items():
        monkeypatch.setenv(name, value)
    assert mail() == ("ok", f"127.0.0.1:{smtp_in_thread.port} accepts mails of {SENDER}")
    monkeypatch.setenv("BUNBASE_MAIL__PASSWORD", "another password")
    health, detail = mail()
    assert (health, "refused mail.username and mail.password: 535" in detail) == ("bad", True)
    monkeypatch.setenv("BUNBASE_MAIL__SENDER", "")
    assert mail()[0] == "bad"


def test_doctor_finds_an_unreachable_database(bunbase: Bunbase, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://ada@127.0.0.1:1/none")

    said = bunbase("doctor", "--json")

    assert {check["name"]: check["health"] for check in msgspec.json.decode(said.out)["checks"]}["postgresql"] == "bad"
    assert said.code == 1
