"""The credentials of a request: token, key, address."""

from __future__ import annotations

from collections.abc import Container, Mapping
from functools import lru_cache
from typing import Any, Final

import msgspec
from litestar import Request
from litestar.datastructures import Headers, MultiDict

from bunbase.contracts.bunauth.problems import InvalidToken
from bunbase.contracts.caller import Caller, CallerKind
from bunbase.contracts.platform import InvalidKey
from bunbase.pkg.errors import Malformed
from bunbase.pkg.ip_addresses import canonical_address

KEY_HEADER: Final = "x-bunbase-key"
FORWARDED_HEADER: Final = "x-forwarded-for"
PROJECT_HEADER: Final = "x-bunbase-project"
EXPLAIN_HEADER: Final = "x-bunbase-explain"
AS_HEADER: Final = "x-bunbase-as"
KEY_PARAMETER: Final = "key"
PROJECT_PARAMETER: Final = "project"
SECRET_PREFIX: Final = "sk_"
KEY_PREFIXES: Final = ("pk_", SECRET_PREFIX)
KNOWN_PEERS: Final = 4096
MAX_AGENT: Final = 200
MAX_LENGTH: Final = 8192  # A token has at most this many characters. Longer texts would only fill caches.


class Sender(msgspec.Struct, frozen=True):
    """The program that sent a request. `ip`: its address in canonical spelling. `agent`: the first characters of its
    User-Agent header.
    """

    ip: str
    agent: str

    def caller(self, kind: CallerKind, **known: Any) -> Caller:
        """Return a Caller at this address. `known`: the other fields of Caller."""
        return Caller(kind, **known, ip=self.ip, agent=self.agent)


def sent_once(sent: Mapping[str, str], name: str, what: str = "header") -> str:
    """Return a header or a parameter, or "" if there is none. Raises: Malformed if the request has it twice.

    Programs disagree on which of two credentials counts: a proxy could check one of them, and this server the other.
    """
    if isinstance(sent, Headers | MultiDict) and len(sent.getall(name, ())) > 1:
        raise Malformed(f"Send the {what} {name} only once.")
    return str(sent.get(name, ""))


def bearer_token(headers: Mapping[str, str]) -> str:
    """Return the Bearer token, or "" if there is none.

    Raises: InvalidToken for another scheme and for a project key, Malformed.
    """
    header = sent_once(headers, "authorization")
    if not header:
        return ""
    scheme, _, token = header.partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token or len(token) > MAX_LENGTH:
        raise InvalidToken("Send the header in this form: Authorization: Bearer <token>.")
    if token.startswith(KEY_PREFIXES):
        raise InvalidToken(
            "Authorization: Bearer holds a project key. Send a project key only in the header X-Bunbase-Key; "
            "Authorization is for the token of a user or a developer."
        )
    return token


def project_key(headers: Mapping[str, str], query: Mapping[str, Any]) -> str:
    """Return the project key, or "" if there is none. Raises: InvalidKey for a secret key in the URL, Malformed."""
    key = sent_once(headers, KEY_HEADER)
    if not key:
        key = sent_once(query, KEY_PARAMETER, "parameter")
        if key.startswith(SECRET_PREFIX):
            raise InvalidKey(
                "A secret key in a URL ends up in logs: send it in the header X-Bunbase-Key, and rotate this key."
            )
    return key[:MAX_LENGTH]


def sender_of(request: Request[Any, Any, Any], trusted_proxies: Container[str]) -> Sender:
    return Sender(client_ip(request, trusted_proxies), request.headers.get("user-agent", "")[:MAX_AGENT])


def sender_in(headers: Mapping[bytes, bytes], peer: str, trusted_proxies: Container[str]) -> Sender:
    """Return the sender of a request in the fast lane. `headers`: the headers, with names in lower case.

    The request has each of them only once.
    """
    forwarded = [str(headers.get(b"x-forwarded-for", b""), "latin-1")]
    agent = str(headers.get(b"user-agent", b""), "latin-1")[:MAX_AGENT]
    return Sender(caller_address(peer, forwarded, trusted_proxies), agent)


def client_ip(request: Request[Any, Any, Any], trusted_proxies: Container[str]) -> str:
    """Return the caller's address in its canonical spelling; "" for a peer without one."""
    peer = request.client.host if request.client else ""
    return caller_address(peer, request.headers.getall(FORWARDED_HEADER, []), trusted_proxies)


def caller_address(peer: str, forwarded: list[str], trusted_proxies: Container[str]) -> str:
    """Return the address of the caller: the last address in X-Forwarded-For that is not a trusted proxy.

    A caller can invent this header, and a proxy may then add a second header line below. So all lines are read as one
    list, from the end. If an entry is not an address, or the peer is not a trusted proxy, return the address of the
    peer.
    """
    peer = _peer_address(peer)
    if peer not in trusted_proxies:
        return peer
    for hop in reversed(",".join(forwarded).split(",")):
        if not hop.strip():
            continue
        address = canonical_address(hop)
        if address is None:
            return peer
        if address not in trusted_proxies:
            return address
    return peer


@lru_cache(KNOWN_PEERS)
def _peer_address(peer: str) -> str:
    return canonical_address(peer) or peer
