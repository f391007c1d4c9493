"""The usage of live connections counts time and deliveries, and never too much."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bunbase.gateway.live.usage import ConnectionTime
from bunbase.pkg.usage.dimensions import Dimension
from tests.gateway.live.others import PROJECT, hall, until


class Hands:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_the_time_of_connections_is_added_up_while_they_are_open() -> None:
    clock = Hands()
    time = ConnectionTime(clock)
    time.enter("prj_a")
    clock.now += 10
    time.enter("prj_a")
    time.enter("prj_b")
    clock.now += 5

    assert time.take() == {"prj_a": 20, "prj_b": 5}
    clock.now += 1
    time.leave("prj_a")
    clock.now += 1

    assert time.take() == {"prj_a": 3, "prj_b": 2}


@given(
    st.lists(
        st.tuples(st.sampled_from(["enter", "leave", "take"]), st.integers(0, 5000), st.sampled_from("ab")),
        max_size=60,
    )
)
def test_the_counted_time_is_never_above_the_real_time(acts: list[tuple[str, int, str]]) -> None:
    clock, open_since = Hands(), dict[str, list[float]]()
    time = ConnectionTime(clock)
    real, counted = {"a": 0.0, "b": 0.0}, {"a": 0, "b": 0}

    for act, milliseconds, project in acts:
        clock.now += milliseconds / 1000
        began = open_since.setdefault(project, [])
        if act == "enter":
            time.enter(project)
            began.append(clock.now)
        elif act == "leave" and began:
            time.leave(project)
            real[project] += clock.now - began.pop()
        else:
            for name, seconds in time.take().items():
                counted[name] += seconds
    for name, seconds in time.take().items():
        counted[name] += seconds

    for name, began in open_since.items():
        total = real[name] + sum(clock.now - one for one in began)
        assert counted[name] <= total + 1e-6
        if began and not any(act == "leave" for act, _, _ in acts):
            assert counted[name] > total - 1 - 1e-6


def test_a_project_without_connections_takes_no_memory() -> None:
    clock = Hands()
    time = ConnectionTime(clock)
    for number in range(100):
        time.enter(f"prj_{number}")
        time.leave(f"prj_{number}")

    time.take()

    assert time.projects == {}


async def test_each_delivery_of_a_result_or_a_difference_counts_once() -> None:
    async with hall() as opened:
        clients = [await (await opened.client(f"u{number}")).watching() for number in range(3)]
        clients[2].session.read_slowly()
        opened.bundoc.write("for two")
        await until(lambda: all("for two" in client.texts for client in clients[:2]))
        await opened.server.usage.writer.flush()

        assert opened.buncast.used[PROJECT, Dimension.RT_MESSAGES] == 3 + 2


async def test_the_end_of_the_server_writes_what_was_counted() -> None:
    async with hall() as opened:
        await (await opened.client()).watching()

    assert opened.buncast.used[PROJECT, Dimension.RT_MESSAGES] == 1


async def test_a_connection_counts_for_the_project_of_its_sign_in_until_it_ends() -> None:
    async with hall() as opened:
        client = await opened.client()
        time = opened.server.usage.time
        assert time.projects[PROJECT].count == 1
        await client.signed_in("eve")
        assert time.projects[PROJECT].count == 1

        opened.server.end(client.session)

        assert time.projects[PROJECT].count == 0
