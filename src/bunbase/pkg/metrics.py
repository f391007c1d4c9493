"""Prometheus metrics. Labels are bounded: route templates and outcomes, never paths, ids or projects."""

from __future__ import annotations

from prometheus_client import CONTENT_TYPE_LATEST, Counter, Gauge, Histogram, generate_latest

LATENCY_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)

http_requests = Counter("http_requests_total", "Requests answered", ["method", "route", "status"])
http_seconds = Histogram(
    "http_request_duration_seconds", "From request to last byte", ["method", "route"], buckets=LATENCY_SECONDS
)
logins = Counter("auth_login_total", "Sign-in attempts", ["pool", "outcome"])
bundoc_ops = Counter("bundoc_ops_total", "Document operations", ["op", "outcome"])
bundoc_open = Gauge("bundoc_active_instances", "Project files open now")
bundoc_kms_fetches = Counter("bundoc_kms_fetches_total", "Data keys asked of BunKMS", ["outcome"])
bundoc_scan_documents = Histogram(
    "bundoc_scan_documents", "Documents that a query examined", buckets=(1, 10, 100, 1_000, 10_000, 100_000)
)
bundoc_scan_seconds = Histogram("bundoc_scan_seconds", "Queries, with their wait for a turn", buckets=LATENCY_SECONDS)
bundoc_commit_writes = Histogram(
    "bundoc_commit_writes", "Pieces of work that shared one fsync", buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256, 1_000)
)
bundoc_commit_bytes = Histogram(
    "bundoc_commit_bytes", "Bodies in one commit", buckets=(1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8)
)
bundoc_commit_seconds = Histogram(
    "bundoc_commit_seconds", "COMMIT of a batch: the log written and synced", buckets=LATENCY_SECONDS
)
invocations = Counter("fn_invocations_total", "Function calls", ["outcome"])
workers = Gauge("fn_active_workers", "Function workers running now")
kms_ops = Counter("kms_ops_total", "Key operations", ["op", "outcome"])

TEXT_TYPE = CONTENT_TYPE_LATEST


def metrics_text() -> bytes:
    """Give all metrics of this process in Prometheus' text format."""
    return generate_latest()
