"""Run BunBase: `bunbase dev` for development, and `bunbase serve` for production, with all rooms or with named ones."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import (
    AbstractContextManager,
    AsyncExitStack,
    ExitStack,
    asynccontextmanager,
    contextmanager,
    nullcontext,
    suppress,
)
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import uvloop

from bunbase.bunkms.master_key import load_master_key
from bunbase.bunkms.module import MODULE as BUNKMS
from bunbase.bunkms.settings import KmsSettings
from bunbase.contracts.bunauth.service import BunAuth
from bunbase.contracts.storage import Storage
from bunbase.functions.module import MODULE as FUNCTIONS
from bunbase.functions.settings import FunctionsSettings
from bunbase.gateway.live.settings import LiveSettings
from bunbase.gateway.module import limits_of, open_gateway
from bunbase.gateway.settings import GatewaySettings
from bunbase.house.build import House, open_rooms
from bunbase.house.data_dir import DataDirectory
from bunbase.house.internal import internal_app, internal_limits
from bunbase.house.modules import GATEWAY, MODULES, ROOMS
from bunbase.house.ready import SEND_MAIL, readiness
from bunbase.house.settings import HOUSE, LIVE, MAIL, S3, HouseSettings, load_settings
from bunbase.house.terminal import Terminal
from bunbase.house.trust import room_keys
from bunbase.pkg.clock import SystemClock
from bunbase.pkg.config.load import Config
from bunbase.pkg.errors import CannotStart, Problem
from bunbase.pkg.http1.limits import raise_descriptors
from bunbase.pkg.logger import configure_logging, logger
from bunbase.pkg.mail.settings import MailSettings, check_mail
from bunbase.pkg.modules import Site
from bunbase.pkg.postgres.cluster import Cluster, start_cluster
from bunbase.pkg.rpc.tokens import ServiceTokens
from bunbase.pkg.serve import base_url, listen, serving
from bunbase.storage.routes.s3.app import S3App
from bunbase.storage.routes.s3.settings import S3PortSettings

log = logger("house")

DEV, PRODUCTION = "dev", "production"
FAILED: Final = 1
STOPPING: Final = (signal.SIGINT, signal.SIGTERM)
WATCH_SECONDS: Final = 1.0
# garbage is collected after this number of new objects; with Python's default of 700, a busy process spent 10 % of its
# time on it
GARBAGE_AFTER: Final = 20_000

HOW_PORT: Final = "--port or BUNBASE_PORT"
HOW_S3_PORT: Final = "--set s3.port=… or BUNBASE_S3__PORT"
HOW_INTERNAL_PORT: Final = "--set house.internal_port=… or BUNBASE_HOUSE__INTERNAL_PORT"

Beside = Callable[[str], AbstractContextManager[None]]


def _nothing(_url: str) -> AbstractContextManager[None]:
    return nullcontext()


@dataclass(frozen=True)
class Plan:
    """The mode, the rooms and the settings of this process. `beside`: see `run_dev`."""

    mode: str
    targets: tuple[str, ...]
    config: Config
    house: HouseSettings
    gateway: GatewaySettings
    mail: MailSettings
    terminal: Terminal
    beside: Beside

    @property
    def front(self) -> bool:
        return GATEWAY in self.targets

    @property
    def whole(self) -> bool:
        return set(self.targets) == set(ROOMS)

    @property
    def internal(self) -> bool:
        return self.mode == PRODUCTION

    @property
    def needs_database(self) -> bool:
        return any(module.needs_database for module in MODULES if module.name in self.targets)


def run_dev(flags: dict[str, str] | None = None, json: bool = False, beside: Beside = _nothing) -> int:
    """Run all rooms in this process until Ctrl-C, and return the exit code. `json`: write JSON lines for a program.

    `beside(url)`: a context manager that is entered when the server is ready at `url`, and left when the server stops.
    """
    return _run(DEV, ROOMS, flags or {}, Terminal(json), beside)


def run_serve(rooms: Sequence[str] = (), flags: dict[str, str] | None = None, json: bool = False) -> int:
    """Run all rooms, or the named ones, for production, and return the exit code."""
    return _run(PRODUCTION, tuple(rooms) or ROOMS, flags or {}, Terminal(json))


def _run(
    mode: str, targets: Sequence[str], flags: dict[str, str], terminal: Terminal, beside: Beside = _nothing
) -> int:
    try:
        _check_rooms(targets)
        config = load_settings(flags)
        house = config.of(HOUSE, HouseSettings)
        gateway, mail = config.of(GATEWAY, GatewaySettings), config.of(MAIL, MailSettings)
        plan = Plan(mode, tuple(targets), config, house, gateway, mail, terminal, beside)
        configure_logging(human=mode == DEV and not terminal.json, level=house.log_level)
        with _stoppable() as early, ExitStack() as stack:
            _prepare(plan, stack, early)
    except CannotStart as reason:
        terminal.refuse(str(reason))
        return FAILED
    except Problem as problem:
        terminal.refuse(problem.detail)
        return FAILED
    except KeyboardInterrupt:
        return 130
    return 0


@dataclass
class Early:
    """Records a signal. `heard`: True if Ctrl-C or SIGTERM arrived before the event loop handled signals."""

    heard: bool = False


@contextmanager
def _stoppable() -> Iterator[Early]:
    """Let Ctrl-C or SIGTERM end this block until the event loop handles the signals (`_stop_signal`).

    The first process of a container would otherwise ignore SIGTERM, for example while PostgreSQL recovers.

    Hard place: Python drops an exception that is raised in a destructor, in the callback of a weak reference, or after
    a fork (`logging` has such a callback). Symptom: a server kept running after SIGTERM. Therefore `Early` also records
    the signal, and the event loop checks `Early.heard` as soon as it runs.
    """
    early = Early()

    def stop(number: int, _frame: object) -> None:
        early.heard = True
        raise KeyboardInterrupt if number == signal.SIGINT else _StoppedEarly

    before = {number: signal.signal(number, stop) for number in STOPPING}
    try:
        yield early
    except _StoppedEarly:
        log.info("stopping")
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _StoppedEarly(BaseException):
    """SIGTERM arrived before the event loop started. No `except Exception` may catch this exception."""


def _check_rooms(targets: Sequence[str]) -> None:
    unknown = [room for room in targets if room not in ROOMS]
    if unknown:
        raise CannotStart(f"there is no room {unknown[0]}; choose from: {', '.join(ROOMS)}")


def _prepare(plan: Plan, stack: ExitStack, early: Early) -> None:
    """Do everything that must happen before the first thread and the event loop start. Then serve."""
    raise_descriptors()
    _check_mail(plan)
    _check_master_key(plan)
    directory = DataDirectory(plan.house.data_path())
    directory.hold()
    stack.callback(directory.release)
    keys = room_keys(plan.house, plan.targets, directory.service_secret)
    listeners = {}
    if plan.front:
        listeners[GATEWAY] = stack.enter_context(listen(plan.gateway.host, plan.gateway.port, HOW_PORT))
    s3 = plan.config.of(S3, S3PortSettings)
    if plan.front and s3.enabled:
        listeners[S3] = stack.enter_context(listen(s3.host, s3.port, HOW_S3_PORT))
    if plan.internal:
        internal = listen(plan.house.internal_host, plan.house.internal_port, HOW_INTERNAL_PORT)
        listeners[HOUSE] = stack.enter_context(internal)
    database_url, cluster = _database(plan, directory.path, stack)
    tokens = ServiceTokens(keys)
    host, port = listeners[GATEWAY].getsockname()[:2] if plan.front else (plan.gateway.host, plan.gateway.port)
    public_url = plan.gateway.public_url.rstrip("/") or base_url(host, port)
    tell = partial(plan.terminal.setup_token, url=public_url)
    functions_host = plan.config.of(FUNCTIONS.name, FunctionsSettings).host
    clock = SystemClock()
    site = Site(plan.mode, directory.path, database_url, public_url, tokens, clock, tell, functions_host, plan.mail)
    uvloop.run(_serve(plan, site, listeners, cluster, early))


def _check_mail(plan: Plan) -> None:
    """Refuse settings of mail that cannot work. Tell the operator once if mail is not configured.

    Raises: CannotStart.
    """
    check_mail(plan.mail)
    if plan.mode == PRODUCTION and not plan.mail.configured and SEND_MAIL & set(plan.targets):
        log.warning("mail is not configured: set mail.host; until then, mails wait for some hours and are then dropped")


def _check_master_key(plan: Plan) -> None:
    """In production, find a missing master key before PostgreSQL starts. Raises: MasterKeyMissing."""
    if plan.mode == PRODUCTION and BUNKMS.name in plan.targets:
        load_master_key(plan.config.of(BUNKMS.name, KmsSettings), plan.house.data_path(), dev=False)


def _database(plan: Plan, data_dir: Path, stack: ExitStack) -> tuple[str, Cluster | None]:
    """Return the URL of PostgreSQL, and the server itself if BunBase runs it."""
    if not plan.needs_database:
        return "", None
    if plan.house.database_url:
        return plan.house.database_url, None
    if not plan.whole:
        raise CannotStart("this process does not run all rooms, so it needs a shared PostgreSQL: set DATABASE_URL")
    plan.terminal.step("starting PostgreSQL")
    cluster = start_cluster(data_dir / "postgres")
    stack.callback(cluster.stop)
    return cluster.url, cluster


async def _serve(plan: Plan, site: Site, listeners: dict[str, Any], cluster: Cluster | None, early: Early) -> None:
    stop = _stop_signal()
    if early.heard:
        stop.set()
    async with AsyncExitStack() as stack:
        try:
            async with _unless(stop):
                house = await stack.enter_async_context(_opened(plan, site, listeners))
                plan.terminal.has_account = plan.front and await _has_account(house)
        except _StoppedEarly:
            log.info("stopping")
            return
        _spare_what_stays()
        if plan.front:
            plan.terminal.ready(plan.mode, site, cluster.data_dir if cluster else None)
        log.info("ready", rooms=list(plan.targets), seconds=plan.terminal.seconds)
        with plan.beside(_local_url(listeners)):
            await _told_to_stop(stop, cluster)
        plan.terminal.step("stopping")
        log.info("stopping")


async def _has_account(house: House) -> bool:
    """True if the first account exists. False also if BunAuth, perhaps in another process, does not answer."""
    with suppress(Problem):
        return (await house.rooms[BunAuth].signup_state()).setup_complete
    return False


@asynccontextmanager
async def _unless(stop: asyncio.Event) -> AsyncIterator[None]:
    """Interrupt the block as soon as `stop` is set, and then raise _StoppedEarly.

    Without this, a room could wait a minute for PostgreSQL or another room, while a container runtime kills the process
    ten seconds after SIGTERM.
    """
    limit = asyncio.timeout(None)
    watching = asyncio.create_task(_end_at(stop, limit))
    try:
        async with limit:
            yield
    except TimeoutError:
        if not limit.expired():
            raise
        raise _StoppedEarly from None
    finally:
        watching.cancel()


async def _end_at(stop: asyncio.Event, limit: asyncio.Timeout) -> None:
    await stop.wait()
    limit.reschedule(asyncio.get_running_loop().time())


def _spare_what_stays() -> None:
    """Exclude the objects of the program itself from garbage collection.

    The program has about 100,000 objects. Each collection would need more than 30 ms for them, while requests wait.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE_AFTER)


def _local_url(listeners: dict[str, Any]) -> str:
    """Return the gateway's URL for a process on this machine. The public URL may lead through other servers."""
    if GATEWAY not in listeners:
        return ""
    host, port = listeners[GATEWAY].getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  this compares the address and does not listen on it
    return base_url(host, port)


async def _told_to_stop(stop: asyncio.Event, cluster: Cluster | None) -> None:
    """Wait until the process must stop. Raises: CannotStart if the PostgreSQL that BunBase runs has ended."""
    while not stop.is_set():
        with suppress(TimeoutError):
            async with asyncio.timeout(WATCH_SECONDS):
                await stop.wait()
        if cluster is not None and not cluster.running:
            raise CannotStart(f"PostgreSQL has ended (see {cluster.log}): start BunBase again; no data is lost")


@asynccontextmanager
async def _opened(plan: Plan, site: Site, listeners: dict[str, Any]) -> AsyncIterator[House]:
    """Open the rooms and then the ports. At the end, close the ports and then the rooms."""
    async with AsyncExitStack() as stack:
        opening = open_rooms(plan.targets, plan.config.sections.__getitem__, site, plan.house.peers)
        house = await stack.enter_async_context(opening)
        checks = readiness(house, site.database_url, site.mail)
        if plan.internal:
            app = internal_app(house, site.service_tokens, checks)
            await stack.enter_async_context(serving(app, listeners[HOUSE], internal_limits(plan.house)))
        if plan.front:
            live = plan.config.of(LIVE, LiveSettings)
            opening_door = open_gateway(plan.gateway, house.rooms, site, MODULES, checks, live)
            door = await stack.enter_async_context(opening_door)
            await stack.enter_async_context(serving(door, listeners[GATEWAY], **door.serving))
            if S3 in listeners:
                port = S3App(house.rooms[Storage], door.s3_door, plan.config.of(S3, S3PortSettings).base_host)
                url = await stack.enter_async_context(serving(port, listeners[S3], limits_of(plan.gateway)))
                log.info("the S3 port is open", url=url)
        yield house


def _stop_signal() -> asyncio.Event:
    """Return an event that the first Ctrl-C or SIGTERM sets. The second one ends the process at once."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()

    def on_signal(number: signal.Signals) -> None:
        if stop.is_set():
            logging.shutdown()
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        stop.set()

    for number in STOPPING:
        loop.add_signal_handler(number, on_signal, number)
    return stop
