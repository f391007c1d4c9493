from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

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


def test_config_masks_secrets(bunbase: Bunbase, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUNBASE_HOUSE__SERVICE_SECRET", "hush hush")

    assert "hush" not in bunbase("config").out
    assert "hush" not in bunbase("config", "--json").out


def test_config_names_every_mistake(bunbase: Bunbase) -> None:
    said = bunbase("config", "--set", "gateway.prot=1", "--set", "nowhere.port=2", "--json")

    assert said.code == 2
    assert said.problem["code"] == "invalid_config"
    assert "gateway.prot" in said.problem["detail"] or "prot" in said.problem["detail"]
    assert "nowhere" in said.problem["detail"]


def test_serve_tells_a_program_why_it_does_not_start(bunbase: Bunbase) -> None:
    said = bunbase("serve", "attic", "--json")

    assert said.code == 1
    assert msgspec.json.decode(said.err)["event"] == "refused"
    assert "attic" in said.err
