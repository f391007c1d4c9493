"""The processes that make variants: their fences, their ends, their turns, and what happens when they die."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest
import pyvips

from bunbase.contracts.images import ImagesBusy, ImagesUnavailable, ImageTooLarge, NotAnImage
from bunbase.pkg.api_json import api_json
from bunbase.storage.images import fences, makers, template
from bunbase.storage.images.forks import FORK_SECONDS, START_SECONDS, Forks
from bunbase.storage.images.makers import Content, Makers
from bunbase.storage.images.orders import Order
from tests.storage.images import pictures

SMALL = Order(32, 0, "contain", "webp", 80)
DEADLINE = 30.0


@pytest.fixture
async def forks() -> AsyncIterator[Forks]:
    found = Forks()
    try:
        yield found
    finally:
        await found.close()


async def pieces(data: bytes) -> AsyncIterator[bytes]:
    for at in range(0, len(data), 1000):
        yield data[at : at + 1000]


def children(forks: Forks) -> list[int]:
    assert forks.process is not None
    pid = forks.process.pid
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


async def until_no_child(forks: Forks) -> None:
    async with asyncio.timeout(DEADLINE):
        while children(forks):
            await asyncio.sleep(0.01)


async def test_each_image_has_a_process_of_its_own_that_ends(forks: Forks) -> None:
    data = pictures.jpeg()
    for number in (1, 2, 3):
        made, variant = await forks.make(SMALL, len(data), pieces(data))

        assert (made.content_type, made.width, variant[8:12]) == ("image/webp", 32, b"WEBP")
        assert forks.made == number
    await until_no_child(forks)


async def test_an_image_of_many_pixels_is_decoded_in_memory(forks: Forks) -> None:
    flat = pyvips.Image.black(6000, 6000, bands=3).cast("uchar").copy(interpretation="srgb")
    data = bytes(flat.webpsave_buffer(Q=1, effort=0))

    made, _ = await forks.make(SMALL, len(data), pieces(data))

    assert made.width == 32


def test_the_fences_hold_on_this_machine() -> None:
    assert template.weakness() == ""


def test_a_process_without_fences_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fences, "confine", lambda _parent: None)

    assert template.weakness() != ""


@pytest.mark.parametrize("layer", ["_limit", "_filter"])
def test_a_machine_without_a_layer_makes_no_variants(monkeypatch: pytest.MonkeyPatch, layer: str) -> None:
    def missing(*_: object) -> None:
        raise OSError(38, "not here")

    monkeypatch.setattr(fences, layer, missing)

    assert "not here" in template.weakness()


async def test_a_template_that_does_not_start_is_a_clear_problem() -> None:
    forks = Forks(("-c", "print('no libvips')"))
    with pytest.raises(ImagesUnavailable, match="does not start"):
        await forks.make(SMALL, 1, pieces(b"x"))
    await forks.close()


async def test_a_weak_sandbox_refuses_all_images_without_another_try() -> None:
    weak = "import socket, sys; socket.socket(fileno=int(sys.argv[1])).send(b'ready read a file')"
    forks = Forks(("-c", weak))
    for _ in range(2):
        with pytest.raises(ImagesUnavailable, match="the fences do not stop: read a file"):
            await forks.make(SMALL, 1, pieces(b"x"))
    assert forks.process is None
    await forks.close()


async def test_a_process_that_is_killed_is_replaced_and_its_image_is_made(forks: Forks) -> None:
    data, killed = pictures.jpeg(), 0

    async def content() -> AsyncIterator[bytes]:
        nonlocal killed
        yield data[:100]
        if not killed:
            for pid in children(forks):
                os.kill(pid, signal.SIGKILL)
                killed += 1
        yield data[100:]

    made, _ = await Makers(forks, 1).make("a", SMALL, len(data), content)

    assert (killed, forks.made, made.width) == (1, 2, 32)


async def test_an_image_that_kills_each_process_is_no_image(forks: Forks) -> None:
    async def content() -> AsyncIterator[bytes]:
        yield b"x"
        for pid in children(forks):
            os.kill(pid, signal.SIGKILL)

    with pytest.raises(NotAnImage):
        await Makers(forks, 1).make("a", SMALL, 1000, content)
    assert forks.made == 2


async def test_a_killed_template_is_replaced(forks: Forks) -> None:
    data = pictures.jpeg()
    await forks.make(SMALL, len(data), pieces(data))
    assert forks.process is not None
    forks.process.kill()
    forks.process.wait()

    made, _ = await Makers(forks, 1).make("a", SMALL, len(data), lambda: pieces(data))

    assert made.width == 32


async def test_a_template_that_hangs_is_replaced_before_the_deadline_of_the_image(
    forks: Forks, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert START_SECONDS < makers.WORK_SECONDS
    assert 2 * FORK_SECONDS < makers.WORK_SECONDS
    monkeypatch.setattr("bunbase.storage.images.forks.FORK_SECONDS", 0.5)
    data = pictures.jpeg()
    await forks.make(SMALL, len(data), pieces(data))
    assert forks.process is not None
    hanging = forks.process
    hanging.send_signal(signal.SIGSTOP)

    made, _ = await Makers(forks, 1).make("a", SMALL, len(data), lambda: pieces(data))

    assert made.width == 32
    assert hanging.returncode == -signal.SIGKILL


async def test_an_image_that_takes_too_long_is_ended(forks: Forks) -> None:
    async def endless() -> AsyncIterator[bytes]:
        yield b"x"
        await asyncio.Event().wait()

    making = Makers(forks, 1)
    making.work_seconds = 0.5
    with pytest.raises(ImageTooLarge, match=r"longer than 0\.5 seconds"):
        await making.make("a", SMALL, 1000, endless)
    await until_no_child(forks)
    assert making.turns.idle


async def test_a_caller_who_leaves_ends_the_process(forks: Forks) -> None:
    began = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        began.set()
        await asyncio.Event().wait()
        yield b""

    task = asyncio.create_task(Makers(forks, 1).make("a", SMALL, 1000, endless))
    await began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until_no_child(forks)


async def test_a_process_that_lies_about_its_answer_is_refused() -> None:
    lies = (
        b"\0\0\0\2[]",
        b'\0\0\0\x03{"a',
        b"\xff\xff\xff\xff",
        b"\0\0\x0f\xa0" + b"[" * 4000,
        b'\0\0\0\x48{"content_type": "image/webp", "width": 1, "height": 1, "size": 99999999999}',
    )
    for lie in lies:
        forks = Forks(("-c", LIAR, lie.hex()))
        with pytest.raises(NotAnImage):
            await Makers(forks, 1).make("a", SMALL, 3, lambda: pieces(b"abc"))
        await forks.close()


async def test_the_reason_of_a_process_is_text_that_can_be_sent() -> None:
    lie = b'\0\0\0\x2c{"why": "large", "detail": "no \\ud800 text"}'
    forks = Forks(("-c", LIAR, lie.hex()))
    with pytest.raises(ImageTooLarge) as refused:
        await Makers(forks, 1).make("a", SMALL, 3, lambda: pieces(b"abc"))
    await forks.close()

    assert refused.value.detail == "no ? text"
    assert b"no ? text" in api_json(refused.value.detail)


LIAR = """
import os, socket, sys
lie, control, server = bytes.fromhex(sys.argv[1]), socket.socket(fileno=int(sys.argv[2])), sys.argv[3]
control.send(b"ready ")
while True:
    message, descriptors, _, _ = socket.recv_fds(control, 64, 1)
    if not message:
        break
    pid = os.fork()
    if pid == 0:
        os.write(descriptors[0], lie)
        os._exit(0)
    socket.send_fds(control, [b"forked"], [os.pidfd_open(pid)])
    os.close(descriptors[0])
    os.waitpid(pid, 0)
"""


async def test_a_full_queue_is_busy_and_one_project_never_has_all_places(
    forks: Forks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(makers, "MOST_WAITING_OF_ONE", 2)
    making, go, data = Makers(forks, 3), asyncio.Event(), pictures.jpeg()
    running = 0

    async def held() -> AsyncIterator[bytes]:
        nonlocal running
        running += 1
        await go.wait()
        yield data

    mine = [asyncio.create_task(making.make("a", SMALL, len(data), held)) for _ in range(4)]
    async with asyncio.timeout(DEADLINE):
        while running < 2 or making.waiting.by_user["a"] < 2:
            await asyncio.sleep(0.01)
    with pytest.raises(ImagesBusy) as busy:
        await making.make("a", SMALL, len(data), held)
    other, _ = await making.make("b", SMALL, len(data), lambda: pieces(data))
    assert running == 2
    go.set()

    assert busy.value.headers()["retry-after"] == "1"
    assert other.width == 32
    assert [made.width for made, _ in await asyncio.gather(*mine)] == [32] * 4
    assert making.turns.idle
    assert not making.waiting.used


async def test_four_projects_do_not_fill_the_queue_of_all_projects(forks: Forks) -> None:
    making, go, data = Makers(forks, 3), asyncio.Event(), pictures.jpeg()

    async def held() -> AsyncIterator[bytes]:
        await go.wait()
        yield data

    async with asyncio.TaskGroup() as group:
        for project in ("a", "b", "c", "d"):
            for _ in range(20):
                group.create_task(refused_or_made(making, project, data, held))
        async with asyncio.timeout(DEADLINE):
            while making.waiting.used < 56:
                await asyncio.sleep(0.01)
        last = group.create_task(making.make("e", SMALL, len(data), lambda: pieces(data)))
        await asyncio.sleep(0)
        go.set()

    assert last.result()[0].width == 32
    assert not making.waiting.used


async def refused_or_made(making: Makers, project: str, data: bytes, content: Content) -> None:
    with suppress(ImagesBusy):
        await making.make(project, SMALL, len(data), content)


async def test_a_wait_for_a_turn_has_a_deadline(forks: Forks) -> None:
    making, go, data = Makers(forks, 1), asyncio.Event(), pictures.jpeg()

    async def held() -> AsyncIterator[bytes]:
        await go.wait()
        yield data

    first = asyncio.create_task(making.make("a", SMALL, len(data), held))
    await asyncio.sleep(0)
    making.turn_seconds = 0.05
    with pytest.raises(ImagesBusy):
        await making.make("b", SMALL, len(data), held)
    go.set()
    await first
    assert making.turns.idle


async def test_images_can_be_turned_off(forks: Forks) -> None:
    with pytest.raises(ImagesUnavailable, match="image_workers"):
        await Makers(forks, 0).make("a", SMALL, 1, lambda: pieces(b"x"))
    assert forks.process is None
