"""A program that uses boto3 with THREADS threads from core LOAD_CORE. boto3 is the bottleneck of most rates.

It reads an Order as JSON from stdin and writes the number of calls a second to stdout.
"""

from __future__ import annotations

import io
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, Final

import msgspec

from bench.storage.load import run_pinned
from bench.storage.signing import THREADS, sdk
from bench.storage.work import BUCKET, HUGE, LARGE, RANGE, READ, SMALL, Target

WORK: Final = ("put small", "get small", "put large", "get large", "range")


class Order(msgspec.Struct, frozen=True):
    """`work`: one of WORK, `fill`, `stream up` or `stream down`. `round`: a number for new keys."""

    target: Target
    work: str
    seconds: float
    round: int


def calls(target: Target, work: str, seconds: float, round: int) -> float:
    """Return the calls a second, or the seconds of a stream."""
    return float(run_pinned("bench.storage.sdk_load", msgspec.json.encode(Order(target, work, seconds, round))))


def call_of(order: Order, s3: Any) -> Callable[[int], object]:
    """Return the function that makes the call with a number."""
    small, large = bytes(range(256)) * (SMALL // 256), bytes(range(256)) * (LARGE // 256)
    match order.work:
        case "put small":
            return lambda n: s3.put_object(Bucket=BUCKET, Key=f"sdk-small-{order.round}-{n}", Body=small)
        case "put large":
            return lambda n: s3.put_object(Bucket=BUCKET, Key=f"sdk-large-{order.round}-{n % READ}", Body=large)
        case "get small":
            return lambda n: s3.get_object(Bucket=BUCKET, Key=f"small{n % READ}")["Body"].read()
        case "get large":
            return lambda n: s3.get_object(Bucket=BUCKET, Key=f"large{n % READ}")["Body"].read()
        case "range":
            return lambda n: s3.get_object(Bucket=BUCKET, Key=f"large{n % READ}", Range=_range(n))["Body"].read()
        case _:
            raise ValueError(order.work)


def _range(number: int) -> str:
    start = number % (LARGE // RANGE) * RANGE
    return f"bytes={start}-{start + RANGE - 1}"


def fill(s3: Any) -> None:
    for n in range(READ):
        s3.put_object(Bucket=BUCKET, Key=f"small{n}", Body=bytes(range(256)) * (SMALL // 256))
        s3.put_object(Bucket=BUCKET, Key=f"large{n}", Body=bytes(range(256)) * (LARGE // 256))


class Zeros(io.RawIOBase):
    """A file of HUGE zeros that takes no memory."""

    def __init__(self) -> None:
        self.at = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        found = bytes(min(HUGE - self.at, HUGE if size < 0 else size))
        self.at += len(found)
        return found


class Sink(io.RawIOBase):
    """A file that counts what is written, and keeps nothing. It cannot seek, so boto3 writes in order."""

    size = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.size += len(data)
        return len(data)


def stream(order: Order, s3: Any) -> float:
    began = time.perf_counter()
    if order.work == "stream up":
        s3.upload_fileobj(Zeros(), BUCKET, "huge-sdk")
    else:
        sink = Sink()
        s3.download_fileobj(BUCKET, "huge-sdk", sink)
        assert sink.size == HUGE
        s3.delete_object(Bucket=BUCKET, Key="huge-sdk")
    return time.perf_counter() - began


def rate(order: Order, s3: Any) -> float:
    """Return the calls a second of all threads."""
    call, began = call_of(order, s3), time.perf_counter()
    counts, failed = [0] * THREADS, list[BaseException]()

    def repeat(thread: int) -> None:
        try:
            while time.perf_counter() < began + order.seconds:
                call(counts[thread] * THREADS + thread)
                counts[thread] += 1
        except BaseException as failure:
            failed.append(failure)

    threads = [threading.Thread(target=repeat, args=(thread,)) for thread in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
    return sum(counts) / (time.perf_counter() - began)


def main(order: Order) -> float:
    s3 = sdk(order.target)
    if order.work == "fill":
        fill(s3)
        return 0.0
    return stream(order, s3) if order.work.startswith("stream") else rate(order, s3)


if __name__ == "__main__":
    sys.stdout.write(str(main(msgspec.json.decode(sys.stdin.buffer.read(), type=Order))))
