from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import httpx
import msgspec
import pytest

from bunbase.contracts.bunkms import Kms
from bunbase.house.build import Said, needed_by, open_rooms
from bunbase.house.internal import internal_app
from bunbase.house.modules import GATEWAY, MODULES, ROOMS
from bunbase.house.ready import readiness
from bunbase.pkg.errors import CannotStart, Forbidden, Unreachable
from bunbase.pkg.modules import Module, Rooms, Site
from bunbase.pkg.rpc.room_keys import derived_keys
from bunbase.pkg.rpc.tokens import ServiceTokens
from bunbase.pkg.serve import listen, serving
from tests.rooms import SECRET, site


class Cellar(Protocol):
    async def fetch(self, what: str) -> str: ...


class Hall(Protocol):
    async def serve(self, what: str) -> str: ...


class Attic(Protocol):
    async def dust(self) -> str: ...


TABLE = {"cellar": {"hall": frozenset({"fetch"})}}
TOKENS = ServiceTokens(derived_keys([SECRET], ("hall", GATEWAY), ()))


class Settings(msgspec.Struct, frozen=True):
    name: str = ""


class Story:
    """Three fake rooms that record in `happened` when each opens and closes.

    The room `broken` cannot open. The hall fails to reach another room for the first `lonely` attempts.
    """

    def __init__(self, broken: str = "", lonely: int = 0) -> None:
        self.happened: list[str] = []
        self.servants: dict[str, Servant] = {}
        self.broken = broken
        self.lonely = lonely
        self.modules = (
            self.module("attic", Attic, Hall, Cellar),
            self.module("hall", Hall, Cellar),
            self.module("cellar", Cellar),
        )

    def module(self, name: str, provides: type, *needs: type) -> Module:
        @asynccontextmanager
        async def opening(settings: Settings, rooms: Rooms, _site: Site) -> AsyncIterator[Any]:
            assert settings.name == name
            if name == self.broken:
                raise CannotStart(f"{name} is broken")
            if name == "hall" and self.lonely:
                self.lonely -= 1
                raise Unreachable("The cellar is not there yet.")
            self.happened.append(f"{name} opens")
            try:
                yield self.servants.setdefault(name, Servant(rooms))
            finally:
                self.happened.append(f"{name} closes")

        return Module(name, provides, needs, Settings, opening)


class Servant:
    """Implements all three contracts."""

    def __init__(self, rooms: Rooms) -> None:
        self.rooms = rooms

    async def fetch(self, what: str) -> str:
        return f"{what} from the cellar"

    async def serve(self, what: str) -> str:
        return f"{await self.rooms[Cellar].fetch(what)}, served"

    async def dust(self) -> str:
        return "dust"


@pytest.fixture
def here(tmp_path: Path) -> Site:
    return replace(site(tmp_path), service_tokens=TOKENS)


async def test_two_rooms_may_call_each_other_if_one_of_them_opens_without_the_other(here: Site) -> None:
    """The cellar calls the hall, which needs the cellar. The test tries one process, and then two."""
    story = Story()
    attic, hall, cellar = story.modules
    circle = (attic, hall, replace(cellar, calls=(Hall,)))

    async with open_rooms(("cellar", "hall"), Settings, here, {}, circle):
        of_cellar = story.servants["cellar"].rooms
        assert story.happened == ["cellar opens", "hall opens"]
        assert await of_cellar[Hall].serve("wine") == "wine from the cellar, served"

    table = TABLE | {"hall": {"cellar": frozenset({"serve"})}}
    tokens = ServiceTokens(derived_keys([SECRET], ("hall", "cellar", GATEWAY), ()))
    there = replace(here, service_tokens=tokens)
    sockets = {name: listen("127.0.0.1", 0) for name in ("cellar", "hall")}
    addresses = {name: f"http://127.0.0.1:{socket.getsockname()[1]}" for name, socket in sockets.items()}
    async with (
        open_rooms(("cellar",), Settings, there, {"hall": addresses["hall"]}, circle) as low,
        serving(internal_app(low, tokens, readiness(low, ""), table), sockets["cellar"]),
        open_rooms(("hall",), Settings, there, {"cellar": addresses["cellar"]}, circle) as high,
        serving(internal_app(high, tokens, readiness(high, ""), table), sockets["hall"]),
    ):
        assert await story.servants["cellar"].rooms[Hall].serve("wine") == "wine from the cellar, served"


async def test_a_room_that_is_called_before_it_has_opened_is_unreachable(here: Site) -> None:
    story = Story(broken="hall")
    attic, hall, cellar = story.modules

    with pytest.raises(CannotStart):
        async with open_rooms(("cellar", "hall"), Settings, here, {}, (attic, hall, replace(cellar, calls=(Hall,)))):
            pass
    called = story.servants["cellar"].rooms

    with pytest.raises(Unreachable, match="hall has not opened yet"):
        await called[Hall].serve("wine")


async def test_a_room_tries_to_open_until_the_room_it_needs_is_reachable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bunbase.house.build.PAUSE_SECONDS", 0.001)
    story = Story(lonely=3)

    async with open_rooms(("cellar", "hall"), Settings, site(tmp_path), {}, story.modules):
        assert story.happened == ["cellar opens", "hall opens"]

    assert story.lonely == 0


async def test_a_room_stops_waiting_for_an_unreachable_room_after_the_deadline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bunbase.house.build.OPENING_SECONDS", 0.0)
    story = Story(lonely=1_000_000)

    with pytest.raises(Unreachable):
        async with open_rooms(("cellar", "hall"), Settings, site(tmp_path), {}, story.modules):
            pass

    assert story.happened[-1] == "cellar closes"


async def test_rooms_open_after_those_they_need_and_close_in_reverse(here: Site) -> None:
    story = Story()

    async with open_rooms(["attic", "hall", "cellar"], Settings, here, {}, story.modules) as house:
        assert await house.rooms[Hall].serve("wine") == "wine from the cellar, served"
        assert set(house.methods) == {"cellar.fetch", "hall.serve", "attic.dust"}

    assert story.happened == [
        "cellar opens",
        "hall opens",
        "attic opens",
        "attic closes",
        "hall closes",
        "cellar closes",
    ]


async def test_if_a_room_cannot_open_the_rooms_opened_before_it_are_closed(here: Site) -> None:
    story = Story(broken="attic")

    with pytest.raises(CannotStart, match="attic is broken"):
        async with open_rooms(["attic", "hall", "cellar"], Settings, here, {}, story.modules):
            pass

    assert story.happened == ["cellar opens", "hall opens", "hall closes", "cellar closes"]


async def test_a_room_in_another_process_is_called_over_http(here: Site) -> None:
    there, story = Story(), Story()
    async with (
        open_rooms(["cellar"], Settings, here, {}, there.modules) as elsewhere,
        serving(internal_app(elsewhere, TOKENS, readiness(elsewhere, ""), TABLE), listen("127.0.0.1", 0)) as address,
        open_rooms(["hall"], Settings, here, {"cellar": address}, story.modules) as house,
    ):
        assert await house.rooms[Hall].serve("wine") == "wine from the cellar, served"
        assert (there.happened, story.happened) == (["cellar opens"], ["hall opens"])
        assert set(house.methods) == {"hall.serve"}
        assert Attic not in house.rooms


async def test_each_room_of_a_process_calls_other_rooms_with_its_own_key_only(here: Site) -> None:
    """The attic runs in the process of the hall, but may not call the methods that the hall may call."""
    there, story = Story(), Story()
    async with (
        open_rooms(["cellar"], Settings, here, {}, there.modules) as elsewhere,
        serving(internal_app(elsewhere, TOKENS, readiness(elsewhere, ""), TABLE), listen("127.0.0.1", 0)) as address,
        open_rooms(["hall", "attic"], Settings, here, {"cellar": address}, story.modules) as house,
    ):
        assert await house.rooms[Hall].serve("wine") == "wine from the cellar, served"
        with pytest.raises(CannotStart, match="does not have the key of attic"):
            await story.servants["attic"].rooms[Cellar].fetch("wine")
        with pytest.raises(Forbidden, match=r"gateway may not call cellar\.fetch"):
            await house.rooms[Cellar].fetch("wine")
        assert Attic not in story.servants["attic"].rooms


async def test_a_needed_room_without_an_address_is_named_with_the_setting_to_change(here: Site) -> None:
    with pytest.raises(
        CannotStart, match=r"""^cellar is needed but does not run .*BUNBASE_HOUSE__PEERS='\{"cellar":"http"""
    ):
        async with open_rooms(["hall"], Settings, here, {"attic": "http://127.0.0.1:1"}, Story().modules):
            pass


async def test_readiness_reports_each_peer_as_reachable_or_unreachable(here: Site) -> None:
    there, story = Story(), Story()
    known = replace(here, service_tokens=ServiceTokens(derived_keys([SECRET], ("attic", GATEWAY), ())))
    async with (
        open_rooms(["cellar"], Settings, here, {}, there.modules) as elsewhere,
        serving(
            internal_app(elsewhere, known.service_tokens, readiness(elsewhere, "")), listen("127.0.0.1", 0)
        ) as address,
    ):
        with listen("127.0.0.1", 0) as taken:
            nobody = f"http://127.0.0.1:{taken.getsockname()[1]}"
        peers = {"cellar": address, "hall": nobody}
        async with open_rooms(["attic"], Settings, known, peers, story.modules) as house:
            report, good = await readiness(house, "").report()

            with pytest.raises(Unreachable):
                await house.rooms[Hall].serve("wine")

    assert not good
    assert report == {
        "status": "unavailable",
        "checks": {
            "cellar": {"status": "ok"},
            "hall": {"status": "unavailable", "detail": f"{nobody} cannot be reached."},
        },
    }


@pytest.mark.parametrize(
    ("secret", "rooms", "why"),
    [
        (SECRET, ("attic",), ""),
        ("the secret of another installation", ("attic",), "The key of this service token is not known here"),
        (SECRET, ("hall",), "this process does not have the key of attic"),
    ],
)
async def test_readiness_fails_if_a_peer_refuses_the_token_of_this_process(
    tmp_path: Path, secret: str, rooms: tuple[str, ...], why: str
) -> None:
    """The peer answers load balancers without a token, so only a call with a token can detect the refusal."""
    theirs = replace(site(tmp_path), service_tokens=ServiceTokens(derived_keys([SECRET], (), ("attic", "hall"))))
    ours = replace(theirs, service_tokens=ServiceTokens(derived_keys([secret], rooms, ())))
    async with (
        open_rooms(["cellar", "hall"], Settings, theirs, {}, Story().modules) as elsewhere,
        serving(
            internal_app(elsewhere, theirs.service_tokens, readiness(elsewhere, "")), listen("127.0.0.1", 0)
        ) as address,
        open_rooms(["attic"], Settings, ours, {"cellar": address, "hall": address}, Story().modules) as house,
        httpx.AsyncClient(base_url=address, trust_env=False) as balancer,
    ):
        report, good = await readiness(house, "").report()
        assert (await balancer.get("/api/ready/own")).status_code == 200

    assert good is (not why)
    for room in ("cellar", "hall"):
        assert why in report["checks"][room].get("detail", "")


async def test_readiness_fails_if_a_room_does_not_run_at_its_configured_address(here: Site) -> None:
    async with (
        open_rooms(["cellar"], Settings, here, {}, Story().modules) as elsewhere,
        serving(internal_app(elsewhere, TOKENS, readiness(elsewhere, "")), listen("127.0.0.1", 0)) as address,
    ):
        peers = dict.fromkeys(ROOMS, address) | {"cellar": address, "attic": address, "hall": address}
        async with open_rooms([GATEWAY], Settings, here, peers, Story().modules) as house:
            report, good = await readiness(house, "").report()

    assert not good
    assert report["checks"]["cellar"] == {"status": "ok"}
    assert "attic does not run here" in report["checks"]["attic"]["detail"]


def test_the_log_names_postgresql_and_repeats_a_message_only_after_some_seconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lines: list[str] = []
    monkeypatch.setattr("bunbase.house.build.log.warning", lambda event, **_: lines.append(event))
    now = {"at": 0.0}
    said = Said(lambda: now["at"])

    for at in (100.0, 101.0, 104.9, 105.1):
        now["at"] = at
        said.waits("bunkms", Unreachable("PostgreSQL cannot be reached: refused."))
    said.waits("bunkms", Unreachable("bunkms.seal could not be called."))

    assert lines == ["waiting for PostgreSQL", "waiting for PostgreSQL", "waiting for another room"]


async def test_readiness_checks_postgresql_if_it_is_used(here: Site, database_url: str) -> None:
    async with open_rooms(["cellar"], Settings, here, {}, Story().modules) as house:
        well = await readiness(house, database_url).report()
        ill = await readiness(house, "postgresql://nobody@127.0.0.1:1/none").report()

    assert well == ({"status": "ok", "checks": {"postgres": {"status": "ok"}}}, True)
    assert ill[0]["checks"]["postgres"]["status"] == "unavailable"


async def test_the_internal_port_serves_health_readiness_and_metrics_without_a_token(here: Site) -> None:
    async with (
        open_rooms(["cellar"], Settings, here, {}, Story().modules) as house,
        serving(internal_app(house, TOKENS, readiness(house, "")), listen("127.0.0.1", 0)) as address,
        httpx.AsyncClient(base_url=address, trust_env=False) as http,
    ):
        answers = {path: await http.get(path) for path in ("/api/health", "/api/ready", "/metrics", "/rpc")}
        heads = {path: await http.head(path) for path in answers}
        called = await http.post("/rpc", json={"jsonrpc": "2.0", "id": 1, "method": "cellar.fetch", "params": ["x"]})

    assert {path: (one.status_code, one.content) for path, one in heads.items()} == {
        path: (answer.status_code, b"") for path, answer in answers.items()
    }
    assert (answers["/rpc"].headers["allow"], heads["/rpc"].headers["allow"]) == ("POST", "POST")
    assert {path: answer.status_code for path, answer in answers.items()} == {
        "/api/health": 200,
        "/api/ready": 200,
        "/metrics": 200,
        "/rpc": 405,
    }
    assert answers["/api/health"].json()["status"] == "ok"
    assert "bunbase_http_requests_total" in answers["/metrics"].text
    assert called.status_code == 401


def test_the_gateway_needs_every_room_and_a_room_needs_those_it_declares() -> None:
    assert needed_by([GATEWAY]) == {module.provides for module in MODULES}
    assert needed_by(["bunkms"]) == set()
    assert needed_by(["bunauth"]) == {Kms}
    assert needed_by(["hall", "attic"], Story().modules) == {Hall, Cellar}


def test_the_list_of_rooms_has_every_room_once() -> None:
    assert set(ROOMS) == {
        "bunkms",
        "bunauth",
        "tenant_auth",
        "bundoc",
        "buncast",
        "storage",
        "functions",
        "platform",
        "gateway",
    }
    assert len(set(ROOMS)) == len(ROOMS)
