from __future__ import annotations

import base64
import stat
from pathlib import Path

import pytest

from bunbase.bunkms.master_key import FILE_NAME, MasterKeyMissing, load_master_key
from bunbase.bunkms.settings import KmsSettings

KEY = bytes(range(32))
TEXT = base64.b64encode(KEY).decode()


def a_file(path: Path, text: str = TEXT, mode: int = 0o600) -> Path:
    path.write_text(text, "utf-8")
    path.chmod(mode)
    return path


def test_dev_mode_makes_a_master_key_once_and_private_to_its_owner(tmp_path: Path) -> None:
    first = load_master_key(KmsSettings(), tmp_path, dev=True)
    again = load_master_key(KmsSettings(), tmp_path, dev=True)

    assert len(first) == 32
    assert again == first
    assert stat.S_IMODE((tmp_path / FILE_NAME).stat().st_mode) == 0o600


def test_production_does_not_start_without_a_configured_master_key(tmp_path: Path) -> None:
    a_file(tmp_path / FILE_NAME)  # A file left over from dev mode must not be used.

    with pytest.raises(MasterKeyMissing, match="set BUNBASE_MASTER_KEY"):
        load_master_key(KmsSettings(), tmp_path, dev=False)


@pytest.mark.parametrize("dev", [True, False])
def test_the_master_key_comes_from_the_settings_or_from_a_file(tmp_path: Path, dev: bool) -> None:
    file = a_file(tmp_path / "key", f"{TEXT}\n")

    assert load_master_key(KmsSettings(master_key=TEXT), tmp_path, dev) == KEY
    assert load_master_key(KmsSettings(master_key_file=str(file)), tmp_path, dev) == KEY
    assert not (tmp_path / FILE_NAME).exists()


@pytest.mark.parametrize("text", ["x", "not base64 at all", TEXT[:-4], TEXT + TEXT, "schlüssel", "A" * 43])
def test_a_malformed_master_key_is_refused_with_the_command_that_makes_one(tmp_path: Path, text: str) -> None:
    file = a_file(tmp_path / "key", text)

    with pytest.raises(MasterKeyMissing, match=r"BUNBASE_MASTER_KEY is not 32 bytes in base64; make a key with"):
        load_master_key(KmsSettings(master_key=text), tmp_path, dev=False)
    with pytest.raises(MasterKeyMissing, match=str(file)):
        load_master_key(KmsSettings(master_key_file=str(file)), tmp_path, dev=False)


def test_the_error_does_not_contain_the_master_key(tmp_path: Path) -> None:
    with pytest.raises(MasterKeyMissing) as refused:
        load_master_key(KmsSettings(master_key=f"{TEXT}x"), tmp_path, dev=False)

    assert TEXT not in str(refused.value)


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660])
def test_a_key_file_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    file = a_file(tmp_path / "key", mode=mode)

    with pytest.raises(MasterKeyMissing, match=f"chmod 600 {file}"):
        load_master_key(KmsSettings(master_key_file=str(file)), tmp_path, dev=False)


@pytest.mark.parametrize("name", ["missing", "."])
def test_a_key_file_that_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(MasterKeyMissing, match="cannot be read from"):
        load_master_key(KmsSettings(master_key_file=str(tmp_path / name)), tmp_path, dev=False)
