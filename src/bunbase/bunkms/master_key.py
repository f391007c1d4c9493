"""Load the master key from the environment or a file. In dev mode, the first start makes the file."""

from __future__ import annotations

import base64
from pathlib import Path

from bunbase.bunkms.envelope import KEY_BYTES, new_key
from bunbase.bunkms.settings import KmsSettings
from bunbase.pkg.errors import CannotStart
from bunbase.pkg.secret_files import create_secret_file

FILE_NAME = "master.key"
HOW_TO_MAKE_ONE = 'make a key with: python3 -c "import os,base64; print(base64.b64encode(os.urandom(32)).decode())"'


class MasterKeyMissing(CannotStart):
    """BunKMS cannot start, because the master key is missing or not valid."""


def load_master_key(settings: KmsSettings, data_dir: Path, dev: bool) -> bytes:
    """Return the 32 bytes of the master key. Raises: MasterKeyMissing, which tells the operator what to do."""
    if settings.master_key:
        return _decoded(settings.master_key, "BUNBASE_MASTER_KEY")
    if settings.master_key_file:
        return _from_file(Path(settings.master_key_file))
    if not dev:
        raise MasterKeyMissing(
            "set BUNBASE_MASTER_KEY (or bunkms.master_key_file) to 32 bytes in base64, and keep a copy elsewhere: "
            f"without this key nobody can ever read the data again; {HOW_TO_MAKE_ONE}"
        )
    path = data_dir / FILE_NAME
    create_secret_file(path, base64.b64encode(new_key()).decode())
    return _from_file(path)


def _from_file(path: Path) -> bytes:
    try:
        mode, text = path.stat().st_mode, path.read_text("ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise MasterKeyMissing(f"the master key cannot be read from {path}: {error}") from error
    if mode & 0o077:
        raise MasterKeyMissing(f"other users of this machine can read the master key: run chmod 600 {path}")
    return _decoded(text, str(path))


def _decoded(text: str, where: str) -> bytes:
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except ValueError:  # b64decode also raises this for characters outside ASCII
        key = b""
    if len(key) != KEY_BYTES:
        raise MasterKeyMissing(f"{where} is not 32 bytes in base64; {HOW_TO_MAKE_ONE}")
    return key
