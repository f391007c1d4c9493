"""The URLs to which a sign-in may send a browser with its result. Every other URL is refused."""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import ip_address
from typing import Final
from urllib.parse import SplitResult, urlencode, urlsplit

from bunbase.pkg.errors import InvalidInput

MAX_URL_LENGTH: Final = 500
UNSAFE: Final = frozenset(' \\"<>@#')
UNSETTLED: Final = ("..", "%", "//")  # A server could read such a path as a path outside of the allowed folder.
DEFAULT_PORTS: Final = {"http": 80, "https": 443}
# Functions answer below this path, so a developer would get the codes of other people's sign-ins.
OF_PROJECTS: Final = "/v1/"
HERE: Final = re.compile(r"/(?:\./)+")  # Browsers remove `/./` from a path.
# This path is refused at every host, because not all names of an installation are known.
OF_FUNCTIONS: Final = "/v1/functions/"


def checked_redirect(url: str, public_url: str) -> str:
    """Return a URL of this installation, or of a program on the same machine (RFC 8252 §7.3).

    Raises: InvalidInput for every other URL, and for URLs below `/v1`, which projects answer.
    """
    parts = _parsed(url)
    ours = parts is not None and _origin(parts) == _origin(urlsplit(public_url))
    if parts is None or not (_is_of_no_project(parts) if ours else _is_program(parts)):
        raise _refused(f"Send an address below {public_url} but not /v1, or http://127.0.0.1:<port>/… of a program.")
    return url


def listed_redirect(url: str, allowed: Sequence[str], public_url: str) -> str:
    """Return a URL that has the origin of an entry, and the path of the entry or a path below it.

    An entry has no wildcards. The entry http://127.0.0.1 allows every port of this machine. `public_url`: the URL of
    this installation. Raises: InvalidInput, also for a URL that projects of this installation answer.
    """
    parts = _parsed(url)
    if (
        parts is None
        or _is_of_a_project(parts, public_url)
        or not any(_is_below(parts, urlsplit(entry)) for entry in allowed)
    ):
        raise _refused("Send an address that the project allows (auth.redirect_urls).")
    return url


def fault_in_entry(entry: str, public_url: str) -> str | None:
    """Return the fault in an entry of a list of allowed URLs, or None.

    The scheme of an app contains a domain that the app's makers own (RFC 8252 §7.1), and therefore a dot. So no
    entry can have a scheme that runs code in a browser, such as `javascript`.
    """
    parts = _parsed(entry)
    if parts is None or parts.query or "*" in entry or any(part in parts.path for part in UNSETTLED):
        return "Send a whole address such as https://example.com/signed-in, without ? and #. There are no wildcards."
    if _is_of_a_project(parts, public_url):
        return "Addresses below /v1 of a server are answered by the functions of projects. Send one of your app."
    if parts.scheme == "https" or "." in parts.scheme or (parts.scheme == "http" and _is_this_machine(parts.hostname)):
        return None
    return "Send an https address, http://localhost:<port>, or an app's own scheme such as com.example.app://signed-in."


def with_parameters(url: str, **parameters: str) -> str:
    """Return a URL with more parameters."""
    return f"{url}{'&' if urlsplit(url).query else '?'}{urlencode(parameters)}"


def _parsed(url: str) -> SplitResult | None:
    """Return the parts of a URL that browsers and this server read in the same way, or None."""
    if len(url) > MAX_URL_LENGTH or not url.isascii() or not url.isprintable() or UNSAFE & set(url):
        return None
    try:
        parts = urlsplit(url)
        _origin(parts)  # This raises an error if the port is not a number.
    except ValueError:
        return None
    return parts if parts.hostname else None


def _origin(parts: SplitResult) -> tuple[str, str | None, int | None]:
    return parts.scheme, parts.hostname, parts.port


def _is_of_no_project(parts: SplitResult) -> bool:
    """True if the installation itself answers this path. Browsers drop a `.` in a path, and servers decode a `%`."""
    path = parts.path.lower()
    return not any(part in path for part in (*UNSETTLED, "/.")) and OF_PROJECTS not in f"{path}/"


def _is_of_a_project(parts: SplitResult, public_url: str) -> bool:
    """True if this URL is below `/v1` of this installation, where projects answer, or could be read as such a URL."""
    ours = urlsplit(public_url)
    here = _is_this_machine(parts.hostname) and _is_this_machine(ours.hostname) and _port(parts) == _port(ours)
    if here or _place(parts) == _place(ours):
        return not _is_of_no_project(parts)
    return OF_FUNCTIONS in HERE.sub("/", f"{parts.path.lower()}/")


def _place(parts: SplitResult) -> tuple[str, int | None]:
    """Return the host and the port to which a browser connects."""
    return (parts.hostname or "").rstrip("."), _port(parts)


def _port(parts: SplitResult) -> int | None:
    return parts.port or DEFAULT_PORTS.get(parts.scheme)


def _is_program(parts: SplitResult) -> bool:
    return parts.scheme == "http" and parts.port is not None and _is_loopback(parts.hostname)


def _is_below(parts: SplitResult, entry: SplitResult) -> bool:
    any_port = entry.port is None and _is_program(parts)
    if parts.scheme != entry.scheme or parts.hostname != entry.hostname or not (any_port or parts.port == entry.port):
        return False
    folder = entry.path.rstrip("/")
    plain = not any(part in parts.path for part in UNSETTLED)
    return parts.path == folder or (plain and parts.path.startswith(f"{folder}/"))


def _is_loopback(host: str | None) -> bool:
    try:
        return host is not None and ip_address(host).is_loopback
    except ValueError:
        return False


def _is_this_machine(host: str | None) -> bool:
    name = (host or "").rstrip(".")
    return name == "localhost" or name.endswith(".localhost") or _is_loopback(name)


def _refused(message: str) -> InvalidInput:
    return InvalidInput.at("/redirect_to", message)
