"""The configuration of PostgreSQL, for a small machine.

Each start writes the configuration files again. Use `ALTER SYSTEM` to override a setting.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from bunbase.pkg.postgres.account import Account
from bunbase.pkg.postgres.place import Place

ROLE: Final = "bunbase"

HEADER: Final = "# overwritten at each start: change settings with ALTER SYSTEM\n"

SETTINGS: Final[dict[str, str]] = {
    "cluster_name": "bunbase",
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "64MB",
    "huge_pages": "off",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "min_wal_size": "32MB",
    "max_wal_size": "256MB",
    # This server has no replicas. Without replication, PostgreSQL needs one process less.
    "max_wal_senders": "0",
    "max_replication_slots": "0",
    "max_logical_replication_workers": "0",
    "max_worker_processes": "4",
    # The log contains starts, ends and failures of the server, but no errors of statements. The caller gets these
    # errors. In the log they could contain personal data, and the log would grow without limit.
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_checkpoints": "off",
}
SINCE_18: Final[dict[str, str]] = {"io_method": "sync"}  # The default needs three more processes.
DURABLE: Final[dict[str, str]] = {"fsync": "on", "synchronous_commit": "on"}
# With these settings, a power cut loses data.
NOT_DURABLE: Final[dict[str, str]] = {"fsync": "off", "full_page_writes": "off"}


def configure(place: Place, major: int, socket_directory: Path, durable: bool) -> Path:
    """Write the configuration, and return the path of its main file."""
    home = place.home
    settings = {
        **SETTINGS,
        **(SINCE_18 if major >= 18 else {}),
        **(DURABLE if durable else NOT_DURABLE),
        "unix_socket_directories": str(socket_directory),
        "data_directory": str(place.data),
        "hba_file": str(home / "pg_hba.conf"),
        "ident_file": str(home / "pg_ident.conf"),
    }
    lines = [f"{name} = '{value.replace(chr(39), chr(39) * 2)}'\n" for name, value in settings.items()]
    _write(home / "postgresql.conf", "".join(lines), place.account)
    _write(home / "pg_hba.conf", f"local all all peer map={ROLE}\n", place.account)
    people = {place.account.name, place.account.caller}
    _write(home / "pg_ident.conf", "".join(f'{ROLE} "{name}" {ROLE}\n' for name in sorted(people)), place.account)
    return home / "postgresql.conf"


def _write(path: Path, text: str, account: Account) -> None:
    draft = path.with_name(f".{path.name}.new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640)
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(HEADER + text)
        if account.drops_root:
            os.fchown(descriptor, -1, account.gid)
        os.fchmod(descriptor, 0o640)
    draft.rename(path)
