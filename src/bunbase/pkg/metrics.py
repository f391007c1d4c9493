"""Prometheus metrics. All names begin with `bunbase_`.

Labels have few values: they are route templates and outcomes, but never paths, ids or projects.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections.abc import Iterator
from functools import cache
from itertools import accumulate
from types import TracebackType
from typing import Final

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from bunbase.pkg.errors import Problem

LATENCY_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Answered:
    """The requests of one method, route and status. Only the event loop counts them, so they need no lock."""

    __slots__ = ("buckets", "seconds")

    def __init__(self) -> None:
        self.buckets = [0] * (len(LATENCY_SECONDS) + 1)
        self.seconds = 0.0

    @property
    def count(self) -> int:
        return sum(self.buckets)

    def add(self, seconds: float) -> None:
        self.buckets[bisect_left(LATENCY_SECONDS, seconds)] += 1
        self.seconds += seconds


class Requests(Collector):
    """Counts requests by method, route and status, in a fifth of the time of a Counter and a Histogram."""

    def __init__(self) -> None:
        self.series: dict[tuple[str, str, str], Answered] = {}
        REGISTRY.register(self)

    def of(self, method: str, route: str, status: int) -> Answered:
        return self.series.setdefault((method, route, str(status)), Answered())

    def collect(self) -> Iterator[CounterMetricFamily | HistogramMetricFamily]:
        requests = CounterMetricFamily(
            "bunbase_http_requests", "Requests answered", labels=("method", "route", "status")
        )
        by_route: dict[tuple[str, str], list[Answered]] = {}
        for (method, route, status), answered in self.series.copy().items():
            requests.add_metric((method, route, status), answered.count)
            by_route.setdefault((method, route), []).append(answered)
        yield requests
        seconds = HistogramMetricFamily(
            "bunbase_http_request_duration_seconds", "From request to last byte", labels=("method", "route")
        )
        for labels, all_answered in by_route.items():
            buckets = accumulate(map(sum, zip(*[answered.buckets for answered in all_answered], strict=True)))
            named = list(zip(UP_TO, buckets, strict=True))
            seconds.add_metric(labels, named, sum(answered.seconds for answered in all_answered))
        yield seconds


UP_TO: Final = (*(str(float(bound)) for bound in LATENCY_SECONDS), "+Inf")

http_requests = Requests()
http_refused = Counter("bunbase_http_refused", "Connections and requests that reached no route", ["code"])
logins = Counter("bunbase_auth_login_total", "Sign-in attempts", ["pool", "outcome"])
breached_checks = Counter("bunbase_auth_breached_password_checks", "New passwords looked up in the list", ["outcome"])
bundoc_ops = Counter("bunbase_bundoc_ops_total", "Document operations", ["op", "outcome"])
before_writes = Counter("bunbase_bundoc_before_writes_total", "Calls of functions before writes", ["outcome"])
bundoc_open = Gauge("bunbase_bundoc_active_instances", "Project files open now")
bundoc_kms_fetches = Counter("bunbase_bundoc_kms_fetches_total", "Data keys asked of BunKMS", ["outcome"])
bundoc_scan_documents = Histogram(
    "bunbase_bundoc_scan_documents", "Documents that a query examined", buckets=(1, 10, 100, 1_000, 10_000, 100_000)
)
bundoc_scan_seconds = Histogram(
    "bunbase_bundoc_scan_seconds", "Queries, with their wait for a turn", buckets=LATENCY_SECONDS
)
bundoc_commit_writes = Histogram(
    "bunbase_bundoc_commit_writes",
    "Pieces of work that shared one fsync",
    buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256, 1_000),
)
bundoc_commit_bytes = Histogram(
    "bunbase_bundoc_commit_bytes", "Bodies in one commit", buckets=(1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8)
)
bundoc_commit_seconds = Histogram(
    "bunbase_bundoc_commit_seconds", "COMMIT of a batch: the log written and synced", buckets=LATENCY_SECONDS
)
bundoc_live_groups = Gauge("bunbase_bundoc_live_groups", "Groups of live queries now, by class of view", ["kind"])
bundoc_live_evaluations = Counter("bunbase_bundoc_live_evaluations_total", "Changes applied to a group without a query")
bundoc_live_queries = Counter(
    "bunbase_bundoc_live_queries_total", "Queries that ran again for groups of live queries", ["why"]
)
bundoc_live_behind = Counter(
    "bunbase_bundoc_live_behind_total", "Watches that became late, because their queries are too dear for a round"
)
bundoc_live_diffs = Counter("bunbase_bundoc_live_diffs_total", "Diffs of groups of live queries")
bundoc_live_waiting = Gauge("bunbase_bundoc_live_waiting_changes", "Changes that live queries have not followed yet")
bundoc_live_barrier_seconds = Histogram(
    "bunbase_bundoc_live_barrier_seconds",
    "From a commit to the barrier after its diffs",
    buckets=LATENCY_SECONDS,
)
bundoc_live_gaps = Counter(
    "bunbase_bundoc_live_gaps_total", "Changes or events that were lost, so that queries had to run again", ["where"]
)
buncast_published = Counter("bunbase_buncast_published_total", "Messages published in channels")
buncast_lost = Counter("bunbase_buncast_lost_total", "Subscriptions that were told that messages are lost")
buncast_members = Gauge("bunbase_buncast_members", "Members of channels now")
buncast_streams_ended = Counter(
    "bunbase_buncast_streams_ended_total",
    "Streams of channels that ended: without a sign of life, or read too slowly",
    ["why"],
)
storage_bytes = Counter("bunbase_storage_bytes_total", "Bytes of objects that came in or went out", ["direction"])
storage_writes = Counter("bunbase_storage_writes_total", "Objects written, by the way", ["by"])
storage_damaged = Counter("bunbase_storage_damaged_total", "Reads of objects whose stored bytes are damaged or missing")
bundoc_backups_without_files = Counter(
    "bunbase_bundoc_backups_without_files_total", "Scheduled backups whose files could not be copied"
)
storage_swept = Counter("bunbase_storage_swept_total", "Blobs that the sweeper deleted, by the reason", ["why"])
storage_images = Counter(
    "bunbase_storage_images_total", "Variants of images: kept, made, unreadable, large, late, died, busy", ["outcome"]
)
storage_image_seconds = Histogram(
    "bunbase_storage_image_seconds", "The making of a variant of an image", buckets=LATENCY_SECONDS
)
storage_uploads = Gauge("bunbase_storage_uploads", "Uploads that run now")
s3_requests = Counter("bunbase_s3_requests_total", "Requests to the S3 port", ["command", "code"])
bundoc_live_resumes = Counter("bunbase_bundoc_live_resumes_total", "Resumed live queries, by what was sent", ["with"])
live_connections = Gauge("bunbase_live_connections", "Live connections now", ["transport"])
live_messages = Counter("bunbase_live_messages_total", "Messages written to live connections")
live_frames = Counter("bunbase_live_frames_total", "Writes to live connections")
live_bytes = Counter("bunbase_live_bytes_total", "Bytes written to live connections")
live_behind = Counter("bunbase_live_behind_total", "Times that the client of a live connection read too slowly")
live_late = Gauge(
    "bunbase_live_late", "Live connections whose results come apart, because their queries take much time"
)
live_slow_closes = Counter("bunbase_live_slow_closes_total", "Live connections closed because the client did not read")
live_repairs = Counter(
    "bunbase_live_repairs_total", "Watches that clients repeated: a difference was lost, or a digest was wrong", ["why"]
)
live_commit_seconds = Histogram(
    "bunbase_live_commit_seconds",
    "From a commit to the last write of its differences to connections",
    buckets=LATENCY_SECONDS,
)
live_silence_seconds = Histogram(
    "bunbase_live_silence_seconds",
    "From a revocation to the silence of the live connections that it concerns",
    buckets=LATENCY_SECONDS,
)
live_event_seconds = Histogram(
    "bunbase_live_event_seconds", "Events of live queries, handed to the connections", buckets=LATENCY_SECONDS
)
invocations = Counter("bunbase_fn_invocations_total", "Function calls", ["outcome"])
trigger_runs = Counter("bunbase_fn_trigger_runs_total", "Runs of functions by triggers", ["kind", "outcome"])
execution_seconds = Histogram(
    "bunbase_fn_execution_duration_seconds",
    "Function calls, from a worker that has it to its end",
    buckets=LATENCY_SECONDS,
)
queue_seconds = Histogram(
    "bunbase_fn_queue_duration_seconds", "Function calls that had to wait for a worker", buckets=LATENCY_SECONDS
)
cold_starts = Counter("bunbase_fn_cold_starts_total", "Workers started because calls waited")
workers = Gauge("bunbase_fn_active_workers", "Function workers running now")
prewarmed = Gauge("bunbase_fn_prewarmed_workers", "Workers that wait for a bundle")
worker_memory = Gauge("bunbase_fn_largest_worker_memory_bytes", "Most memory that one worker holds for itself now")
counts_dropped = Counter(
    "bunbase_fn_counts_dropped_total", "Calls missing in a function's statistics: too many functions"
)
usage_dropped = Counter(
    "bunbase_usage_dropped_total", "Usage that was not counted, as there was no room for it", ["dimension"]
)
usage_dropped_batches = Counter("bunbase_usage_dropped_batches_total", "Batches of usage that the store never took")
mails = Counter("bunbase_mails_total", "Mails, and attempts to send them", ["room", "outcome"])
text_messages = Counter("bunbase_text_messages_total", "Text messages, and attempts to send them", ["outcome"])
mails_waiting = Gauge("bunbase_mails_waiting", "Mails that wait to be sent", ["room"])
mails_oldest_seconds = Gauge("bunbase_mails_oldest_waiting_seconds", "Age of the mail that waits longest", ["room"])
mails_dead = Gauge("bunbase_mails_dead", "Mails that were given up in the last 30 days", ["room"])
kms_ops = Counter("bunbase_kms_ops_total", "Key operations", ["op", "outcome"])

TEXT_TYPE = CONTENT_TYPE_LATEST


class Counted:
    """A context manager that counts each block by its outcome.

    The outcome is `ok`, the code of a Problem, `cancelled`, or `failed` for any other exception. The object has no
    state, so one object serves all calls.
    """

    __slots__ = ("counter", "labels", "ok")

    def __init__(self, counter: Counter, *labels: str) -> None:
        self.counter = counter
        self.labels = labels
        self.ok = counter.labels(*labels, "ok")

    def __enter__(self) -> None:
        return

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.ok.inc()
        else:
            self.counter.labels(*self.labels, _outcome(error)).inc()


counted: Final = cache(Counted)  # The arguments are the counter, and all its labels except the last label, `outcome`.


def _outcome(error: BaseException) -> str:
    match error:
        case Problem():
            return error.code
        case asyncio.CancelledError():
            return "cancelled"
        case _:
            return "failed"


def metrics_text() -> bytes:
    """Return all metrics of this process in Prometheus' text format."""
    return generate_latest()
