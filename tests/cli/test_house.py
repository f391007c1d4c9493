from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from bunbase.house.settings import HouseSettings
from bunbase.house.trust import CALLING_ROOMS, room_keys
from tests.cli.conftest import Bunbase


def test_config_names_each_setting_with_its_origin(
    bunbase: Bunbase, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "bunbase.toml").write_text('[server.house]\nlog_level = "debug"\n')
    monkeypatch.setenv("BUNBASE_DATA_DIR", "/somewhere")

    items = bunbase("config", "--json", "--port", "8080").document["items"]

    found = {f"{item['room']}.{item['name']}": (item["value"], item["origin"]) for item in items}
    assert found["house.log_level"] == ("debug", "bunbase.toml [server.house]")
    assert found["house.data_dir"] == ("/somewhere", "BUNBASE_DATA_DIR")
    assert found["gateway.port"] == (8080, "--set gateway.port")
    assert "gateway.port" in bunbase("config").out


def test_config_explains_each_setting_and_names_its_default(bunbase: Bunbase, home: Path) -> None:
    said = bunbase("config", "--port", "8080")
    items = bunbase("config", "--port", "8080", "--json").document["items"]

    (port,) = (item for item in items if (item["room"], item["name"]) == ("gateway", "port"))
    assert (port["default"], port["value"]) == (7070, 8080)
    assert f"gateway.port = 8080  # --set gateway.port\n    {port['description']}\n" in said.out
    assert all(item["description"] for item in items)
    assert str(home) in said.err


def test_config_masks_secrets(bunbase: Bunbase, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUNBASE_HOUSE__SERVICE_SECRET", "hush hush")

    assert "hush" not in bunbase("config").out
    assert "hush" not in bunbase("config", "--json").out


def test_config_names_every_invalid_setting(bunbase: Bunbase) -> None:
    said = bunbase("config", "--set", "gateway.prot=1", "--set", "nowhere.port=2", "--json")

    assert said.code == 2
    assert said.problem["code"] == "invalid_config"
    assert "gateway.prot" in said.problem["detail"] or "prot" in said.problem["detail"]
    assert "nowhere" in said.problem["detail"]


def test_service_secrets_prints_settings_that_a_process_starts_with(
    bunbase: Bunbase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process of the room functions gets only the secret of this room."""
    monkeypatch.setenv("BUNBASE_HOUSE__SERVICE_SECRET", "the secret of this installation alone")

    every = bunbase("service-secrets", "--json").document
    said = bunbase("service-secrets", "functions")

    settings = dict(line.split("=", 1) for line in said.out.splitlines())
    keys = msgspec.json.decode(settings["BUNBASE_HOUSE__ROOM_KEYS"].strip("'"))
    secrets = msgspec.json.decode(settings["BUNBASE_HOUSE__ROOM_SECRETS"].strip("'"))
    assert secrets == {"functions": every["room_secrets"]["functions"]}
    assert keys == every["room_keys"]
    house = HouseSettings(room_secrets=secrets, room_keys=keys)
    assert set(room_keys(house, ["functions"], str).own) == {"functions"}
    assert "for no other" in said.err


def test_service_secrets_without_a_secret_makes_new_keys_for_all_rooms(bunbase: Bunbase) -> None:
    first, second = (bunbase("service-secrets", "--json").document for _ in range(2))

    assert first["room_keys"].keys() == second["room_keys"].keys() == first["room_secrets"].keys()
    assert first["room_keys"]["functions"] != second["room_keys"]["functions"]
    assert len(bunbase("service-secrets").out.splitlines()) == 1 + len(first["room_secrets"])
    assert bunbase("service-secrets", "attic").code == 2
    assert bunbase("service-secrets", "--set", "house.service_secret=x").code == 2


def started_with(lines: list[str], *rooms: str) -> set[str]:
    """Return the rooms for which a process of `rooms` can sign tokens if `lines` are its whole environment."""
    settings = dict(line.split("=", 1) for line in lines)
    read = {name: msgspec.json.decode(text.strip("'")) for name, text in settings.items()}
    secrets = read.get("BUNBASE_HOUSE__ROOM_SECRETS", {})
    house = HouseSettings(room_secrets=secrets, room_keys=read["BUNBASE_HOUSE__ROOM_KEYS"])
    return set(room_keys(house, rooms, str).own)


def test_service_secrets_prints_complete_settings_for_a_process_of_several_rooms(
    bunbase: Bunbase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a service secret, the command prints all rooms' secrets, because a second run would make new ones."""
    said = bunbase("service-secrets", "bundoc", "functions")
    keys, own, *others = said.out.splitlines()
    document = bunbase("service-secrets", "bundoc", "functions", "--json").document

    assert started_with([keys, own], "bundoc", "functions") == {"bundoc", "functions"}
    assert [started_with([keys, one], room) for one, room in zip(others, CALLING_ROOMS[:2], strict=False)] == [
        {room} for room in CALLING_ROOMS[:2]
    ]
    assert "runs bundoc and functions, and for no other" in said.err
    assert document["room_secrets"].keys() == {"bundoc", "functions"}
    assert document["other_room_secrets"].keys() == {*CALLING_ROOMS} - {"bundoc", "functions"}

    monkeypatch.setenv("BUNBASE_HOUSE__SERVICE_SECRET", "the secret of this installation alone")
    derived = bunbase("service-secrets", "bundoc", "bunkms").out.splitlines()
    assert len(derived) == 2
    assert started_with(derived, "bundoc", "bunkms") == {"bundoc"}
    assert started_with(bunbase("service-secrets", "bunkms").out.splitlines(), "bunkms") == set()


def test_serve_with_json_reports_the_reason_of_a_failed_start(bunbase: Bunbase) -> None:
    said = bunbase("serve", "attic", "--json")

    assert said.code == 1
    assert msgspec.json.decode(said.err)["event"] == "refused"
    assert "attic" in said.err
