"""The credentials file: tokens, the chosen project and project keys of each server. Only this user can read it."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from bunbase.cli.errors import Failure
from bunbase.cli.replaced_files import linked_file
from bunbase.contracts.caller import CallerKind
from bunbase.pkg.secret_files import OWNER_ONLY, replace_secret_file

VARIABLE = "BUNBASE_CREDENTIALS"
# a command waits for the lock for at most this time, because another command may hold it for 60 seconds
LOCK_SECONDS = 90.0


class ChosenProject(msgspec.Struct, frozen=True):
    id: str
    slug: str


class StoredKey(msgspec.Struct, frozen=True):
    """A project key. This machine stores the key because the server shows a key only once."""

    id: str
    kind: CallerKind
    key: str
    project: ChosenProject


class KnownServer(msgspec.Struct):
    """Everything that is stored for one server.

    `expires_at`: when the access token expires, in Unix seconds; 0 if unknown.
    """

    email: str = ""
    access_token: str = ""
    refresh_token: str = ""
    expires_at: float = 0.0
    project: ChosenProject | None = None
    keys: list[StoredKey] = []

    def key_of(self, project: str) -> StoredKey | None:
        """Return the stored key of the project with this id or slug, or None."""
        return next((kept for kept in self.keys if project in (kept.project.id, kept.project.slug)), None)

    def keep(self, new: StoredKey) -> None:
        """Store one key per project. Only a secret key replaces a secret key, since a secret key can do more."""
        old = self.key_of(new.project.id)
        if old is not None and old.kind is CallerKind.SECRET and new.kind is not CallerKind.SECRET:
            return
        self.keys = [*(kept for kept in self.keys if kept is not old), new]

    def forget_key(self, id: str) -> None:
        self.keys = [kept for kept in self.keys if kept.id != id]

    def forget_project(self, id: str) -> None:
        self.keys = [kept for kept in self.keys if kept.project.id != id]
        if self.project is not None and self.project.id == id:
            self.project = None

    def sign_in(self, email: str, access_token: str, refresh_token: str = "", expires_at: float = 0.0) -> None:
        if email != self.email:
            self.project, self.keys = None, []  # the stored project and keys belong to another account
        self.email = email
        self.access_token, self.refresh_token, self.expires_at = access_token, refresh_token, expires_at

    def sign_out(self) -> None:
        self.access_token, self.refresh_token, self.expires_at = "", "", 0.0


class Credentials(msgspec.Struct):
    """The content of the file. `servers`: the known servers by address.

    `current`: the address of the last sign-in, which stays after a sign-out. `profiles`: the same for each named
    profile (`--profile`).
    """

    current: str = ""
    servers: dict[str, KnownServer] = {}
    profiles: dict[str, Credentials] = {}

    def of(self, profile: str) -> Credentials:
        """Return the part for a profile; "" stands for the sign-in without a profile."""
        return self.profiles.setdefault(profile, Credentials()) if profile else self

    def server(self, url: str) -> KnownServer:
        return self.servers.setdefault(url, KnownServer())

    def forget(self, url: str) -> None:
        """Forget everything that is stored for a server, and keep only its address."""
        self.servers.pop(url, None)


class CredentialsFile:
    """The credentials file, or the part of the file that belongs to a profile."""

    def __init__(self, path: Path, profile: str = "") -> None:
        self.path = path
        self.profile = profile

    def read(self) -> Credentials:
        """Return the content for the profile, or empty Credentials if there is none. Raises: Failure."""
        return self._read().of(self.profile)

    def exists(self) -> bool:
        """True if the file has data of the profile. Raises: Failure."""
        return not self.profile or self.profile in self._read().profiles

    def _read(self) -> Credentials:
        try:
            with self.path.open("rb") as file:
                if sys.platform != "win32" and os.fstat(file.fileno()).st_mode & 0o077:
                    os.fchmod(file.fileno(), OWNER_ONLY)
                return msgspec.json.decode(file.read(), type=Credentials)
        except FileNotFoundError:
            return Credentials()
        except (OSError, msgspec.MsgspecError) as error:
            raise Failure(
                "credentials_unreadable", f"{self.path} cannot be read ({error}): delete it and sign in again."
            ) from error

    @contextmanager
    def changing(self) -> Iterator[Credentials]:
        """Lock the file, yield its content, and write the content back if the block has changed it.

        Raises: Failure.
        """
        with self._held():
            credentials = self._read()
            before = msgspec.json.encode(credentials)
            yield credentials.of(self.profile)
            if msgspec.json.encode(credentials) != before:
                self._write(credentials)

    @contextmanager
    def _held(self) -> Iterator[None]:
        """Hold a lock while the block runs. The kernel releases the lock if the process dies.

        The lock is on a second file, because every write replaces the credentials file itself.
        """
        # the import is here, because it takes 20 ms, and only commands that write need the module
        from filelock import FileLock, Timeout

        lock = FileLock(f"{self.path}.lock", mode=OWNER_ONLY)
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock.acquire(timeout=LOCK_SECONDS)
        except Timeout:
            raise Failure(
                "credentials_busy",
                f"Another command has held {self.path}.lock for {LOCK_SECONDS:.0f} seconds: end it, and try again.",
            ) from None
        except NotImplementedError:
            raise Failure(
                "credentials_unwritable",
                f"The file system of {self.path} has no locks: set {VARIABLE} to a path on another one.",
            ) from None
        except OSError as error:
            raise self._unwritable(error) from error
        try:
            yield
        finally:
            lock.release()

    def _write(self, credentials: Credentials) -> None:
        text = msgspec.json.format(msgspec.json.encode(credentials), indent=2).decode()
        try:
            replace_secret_file(linked_file(self.path), text)
        except OSError as error:
            if error.errno == errno.EBUSY:  # the file is a mount point, as in a container
                self.path.write_text(text, "utf-8")
                return
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> Failure:
        return Failure(
            "credentials_unwritable",
            f"{self.path} cannot be written ({error.strerror}): set {VARIABLE} to another path.",
        )


class NoCredentialsFile(CredentialsFile):
    """The credentials file of a user without a home folder, such as an unnamed user in a container.

    Nothing is stored.
    """

    def _read(self) -> Credentials:
        return Credentials()

    @contextmanager
    def _held(self) -> Iterator[None]:
        raise Failure("no_home", f"{self.path} is in no home folder: set {VARIABLE} to the path of a file.")
        yield


def credentials_file(profile: str = "") -> CredentialsFile:
    """Return the file that BUNBASE_CREDENTIALS names.

    Default: `bunbase/credentials.json` in XDG_CONFIG_HOME or else in ~/.config.
    """
    base = os.environ.get("XDG_CONFIG_HOME", "") or "~/.config"
    path = Path(os.environ.get(VARIABLE, "") or Path(base, "bunbase", "credentials.json"))
    try:
        return CredentialsFile(path.expanduser(), profile)
    except RuntimeError:
        return NoCredentialsFile(path, profile)
