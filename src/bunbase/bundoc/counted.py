"""Metrics that count document operations and fetched data keys, by outcome."""

from __future__ import annotations

from functools import partial

from bunbase.pkg import metrics

counted = partial(metrics.counted, metrics.bundoc_ops)
fetched = partial(metrics.counted, metrics.bundoc_kms_fetches)
