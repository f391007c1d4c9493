"""Makes the requests of `fetch` for functions. Every hop is checked, and all sizes and waiting times are limited.

The life of one request:

1. The worker sends an ask `fetch`, which is a request to the server, with a FetchRequest and perhaps a body. The server
   does not trust the request (`check_asked`).
2. For each hop, which is the first request or a redirect, `check_allowed` compares the target with `allow_net` of the
   version. So a redirect cannot lead to a host that the version does not allow. If only the entry `*` allows a host,
   the host gets no secrets, and its connections are kept in a separate pool, which never leads to a private network.
3. `_sent` fills variables into the headers, takes a connection from the project's pool or opens one (`network.py` looks
   up the name once and connects to an address that it has checked), and sends the request.
4. After a redirect to another origin, `next_hop` drops the headers that were meant for the first origin. A body is sent
   again only if the whole body is still in memory.
5. `_pass_on` sends the answer to the worker part by part. The worker gives credit for each part, so a slow function
   slows down the remote server, and no parts collect in memory here.

There is no timeout for the whole request. But when a call ends, its asks are cancelled, and each call has a timeout.

Two alternatives were rejected. httpx handles cookies, proxies from the environment and redirects in its own way.
Sockets in the worker would need an address filter in the kernel, and the worker would have to know the secrets
(docs/decisions/0019-functions-ask-the-host.md).
"""

from __future__ import annotations

import asyncio
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Final

import httpcore
import msgspec

from bunbase.contracts.functions.host_calls import FetchFailed, FetchOverloaded, FetchTooLarge, HostNotAllowed
from bunbase.functions.egress.addressed import Target, follow_location, read_target
from bunbase.functions.egress.allowed import Reach, check_allowed, entry_for
from bunbase.functions.egress.hops import REDIRECTS, FetchRequest, Hop, check_asked, first_hop, next_hop
from bunbase.functions.egress.network import CheckedNetwork
from bunbase.functions.egress.secrets import filled_in, has_placeholder
from bunbase.functions.workers.answer_head import without_hop_by_hop
from bunbase.functions.workers.asks import Ask
from bunbase.pkg.numbers import whole_number

MAX_REDIRECTS: Final = 5
MAX_POOLS: Final = 256  # If there are more pools than this, the pools of projects without a running request are closed.
KEEP_ALIVE_SECONDS: Final = 15.0
MAX_IDLE_CONNECTIONS: Final = 8
NO_BODY: Final = (204, 304)
# Each part of a chunked answer costs 100 µs, even if the part has a single byte. Without these limits, one answer in
# parts of one byte delayed every request to the server by a second.
MIN_PART_BYTES: Final = 64  # A smaller part counts as if it had this size.
SMALL_PART_BYTES: Final = 1024


class FetchLimits(msgspec.Struct, frozen=True):
    max_body_bytes: int
    max_answer_bytes: int
    connect_seconds: float
    max_at_once: int
    max_per_project: int


class Fetcher:
    def __init__(self, network: CheckedNetwork, tls: ssl.SSLContext, limits: FetchLimits) -> None:
        self.network = network
        self.tls = tls
        self.limits = limits
        self.pools: dict[tuple[str, Reach], httpcore.AsyncConnectionPool] = {}
        self.under_way: Counter[str] = Counter()

    async def answer(self, ask: Ask, asked: FetchRequest, secrets: Mapping[str, str]) -> None:
        """Send the request, follow redirects, stream the answer. Raises: the Problems of `contracts.functions`."""
        check_asked(asked)
        with self._counted(ask.deployment.project):
            hop = first_hop(asked, read_target(asked.url), ask.has_body)
            for redirects in range(MAX_REDIRECTS + 1):
                async with self._sent(ask, hop, asked.length, secrets) as response:
                    location = _location(response)
                    if location is None or asked.redirect == "manual":
                        return await self._pass_on(ask, hop, response, redirects > 0)
                    if asked.redirect == "error":
                        raise FetchFailed(f"{hop.target.host} answered with a redirect.", reason="redirect")
                    hop = next_hop(hop, response.status, follow_location(hop.target, location))
                    if hop.with_body and ask.whole is None:
                        raise FetchFailed(
                            "The redirect needs the body again, but the body was streamed and cannot be repeated.",
                            reason="redirect",
                        )
            raise FetchFailed(f"There were more than {MAX_REDIRECTS} redirects.", reason="redirect")

    async def close(self) -> None:
        for pool in self.pools.values():
            await pool.aclose()
        self.network.resolver.close()

    @asynccontextmanager
    async def _sent(
        self, ask: Ask, hop: Hop, length: int | None, secrets: Mapping[str, str]
    ) -> AsyncIterator[httpcore.Response]:
        reach = check_allowed(ask.deployment.config.allow_net, hop.target)
        if reach is Reach.ANY_PUBLIC:
            _check_no_secrets(hop)
        length = len(ask.whole) if ask.whole is not None else length
        if length is not None and length > self.limits.max_body_bytes:
            raise _too_large("request", self.limits.max_body_bytes)
        headers = [(b"host", hop.target.authority.encode())]
        headers += filled_in(hop.headers, secrets)
        headers += _framing(hop, length)
        seconds = self.limits.connect_seconds
        request = httpcore.Request(
            hop.method.encode(),
            _url_of(hop.target),
            headers=headers,
            content=self._body(ask) if hop.with_body else b"",
            # Reads and writes have no timeout, because they end with the call.
            extensions={"timeout": {"connect": seconds, "pool": seconds}},
        )
        with _failures_of(hop.target):
            response = await (await self._pool(ask.deployment.project, reach)).handle_async_request(request)
            try:
                response.extensions["network_stream"].begin_body()
                if response.status < 200:
                    raise FetchFailed(f"{hop.target.host} switched to a protocol that fetch does not support.")
                yield response
            finally:
                await response.aclose()

    async def _body(self, ask: Ask) -> AsyncIterator[bytes]:
        sent = 0
        async for part in ask.parts():
            sent += len(part)
            if sent > self.limits.max_body_bytes:
                raise _too_large("request", self.limits.max_body_bytes)
            yield part

    async def _pass_on(self, ask: Ask, hop: Hop, response: httpcore.Response, redirected: bool) -> None:
        limit = self.limits.max_answer_bytes
        headers = tuple((name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in response.headers)
        # If the answer is chunked, `content-length` has no meaning.
        chunked = any(name == "transfer-encoding" for name, _ in headers)
        lengths = tuple(header for header in headers if header[0] == "content-length" and not chunked)
        # In an answer without a body, `content-length` is the length that the body would have. This length may exceed
        # the limit.
        bodiless = hop.method == "HEAD" or response.status in NO_BODY
        if not bodiless and any(whole_number(value, limit) is None for _, value in lengths):
            raise _too_large("answer", limit)
        ask.begin(
            {
                "status": response.status,
                "reason": response.extensions.get("reason_phrase", b"").decode("latin-1"),
                "headers": without_hop_by_hop(headers) + lengths,
                "url": hop.target.url,
                "redirected": redirected,
            }
        )
        received = 0
        async for part in response.aiter_stream():
            received += max(len(part), MIN_PART_BYTES)
            if len(part) < SMALL_PART_BYTES:
                # This lets other tasks run, because thousands of tiny parts may have arrived together.
                await asyncio.sleep(0)
            if received > limit:
                raise _too_large("answer", limit)
            await ask.send(part)
        ask.end()

    async def _pool(self, project: str, reach: Reach = Reach.NAMED) -> httpcore.AsyncConnectionPool:
        """Return the project's pool for requests with this reach.

        Each project has its own pools, because another project may have left a connection in a bad state. Requests that
        may reach only public hosts use a separate pool, so that they cannot get a connection to a private address that
        another request has opened.
        """
        pool = self.pools.get((project, reach))
        if pool is None:
            idle = self._take_idle_pools()
            pool = self.pools[project, reach] = httpcore.AsyncConnectionPool(
                ssl_context=self.tls,
                max_connections=self.limits.max_per_project,
                max_keepalive_connections=MAX_IDLE_CONNECTIONS,
                keepalive_expiry=KEEP_ALIVE_SECONDS,
                network_backend=self.network.for_another(reach),
            )
            await asyncio.gather(*(one.aclose() for one in idle))
        return pool

    def _take_idle_pools(self) -> list[httpcore.AsyncConnectionPool]:
        """If there are too many pools, remove the idle pools from `pools`, and return them. The caller closes them.

        All idle pools are removed before the first pool is closed. Before, each pool was removed just before its own
        close. Closing takes time, and meanwhile a project could begin a request with a pool that would be closed next.
        So the pool was closed during the request.
        """
        if len(self.pools) < MAX_POOLS:
            return []
        return [self.pools.pop(key) for key in list(self.pools) if key[0] not in self.under_way]

    @contextmanager
    def _counted(self, project: str) -> Iterator[None]:
        if self.under_way.total() >= self.limits.max_at_once:
            raise FetchOverloaded("The functions on this server have too many outgoing requests open. Try again soon.")
        if self.under_way[project] >= self.limits.max_per_project:
            raise FetchOverloaded(
                f"The project has {self.limits.max_per_project} running requests, which is the limit. Await some first."
            )
        self.under_way[project] += 1
        try:
            yield
        finally:
            self.under_way[project] -= 1
            if not self.under_way[project]:
                del self.under_way[project]


def _check_no_secrets(hop: Hop) -> None:
    """Refuse to fill secrets into a request whose host is not named in `allow_net`.

    The person who has chosen the host would receive the secrets.
    """
    if any(has_placeholder(value) for _, value in hop.headers):
        needed = entry_for(hop.target)
        raise HostNotAllowed(
            f"Variables are inserted into headers only for hosts that allow_net names, and {needed} is allowed by '*' "
            f"only. Add {needed!r} to allow_net in bunbase.toml, and deploy the function.",
            host=needed,
        )


def _url_of(target: Target) -> httpcore.URL:
    return httpcore.URL(
        scheme=target.scheme.encode(), host=target.host.encode(), port=target.port, target=target.target.encode()
    )


def _framing(hop: Hop, length: int | None) -> list[tuple[bytes, bytes]]:
    if hop.with_body:
        return [(b"transfer-encoding", b"chunked") if length is None else (b"content-length", b"%d" % length)]
    return [(b"content-length", b"0")] if hop.method in ("POST", "PUT", "PATCH") else []


def _location(response: httpcore.Response) -> bytes | None:
    if response.status not in REDIRECTS:
        return None
    return next((value for name, value in response.headers if name.lower() == b"location"), None)


def _too_large(what: str, limit: int) -> FetchTooLarge:
    return FetchTooLarge(f"The body of a function's {what} may have at most {limit} bytes.")


@contextmanager
def _failures_of(target: Target) -> Iterator[None]:
    """Convert errors of the connection to FetchFailed."""
    try:
        yield
    except httpcore.TimeoutException as error:
        raise FetchFailed(f"{target.host} did not answer in time.", reason="timeout") from error
    except httpcore.ConnectError as error:
        reason = "tls" if any(isinstance(one, ssl.SSLError) for one in _causes(error)) else "connection"
        raise FetchFailed(f"{target.host} could not be reached: {error}.", reason=reason) from error
    except httpcore.NetworkError as error:
        raise FetchFailed(f"The connection to {target.host} was lost.", reason="connection") from error
    # The message of the error quotes headers, which may contain secrets. So the message is not passed on.
    except httpcore.LocalProtocolError:
        raise FetchFailed("HTTP does not allow this request.", reason="protocol") from None
    except (httpcore.ProtocolError, httpcore.UnsupportedProtocol) as error:
        raise FetchFailed(
            f"{target.host} did not follow the protocol: {str(error).rstrip('.')}.", reason="protocol"
        ) from error


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
