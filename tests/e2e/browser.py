"""A real Chromium. Tests that need it are skipped on machines without it, except in CI."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, sync_playwright

CHROMIUM = shutil.which("chromium") or ""
QUIET = [
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-gpu",
]


@contextmanager
def chromium() -> Iterator[Browser]:
    """Yield a browser without a profile. Each of its contexts has separate cookies and storage."""
    if not CHROMIUM:
        missing = "Chromium is not installed here; on Debian: apt-get install chromium"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, headless=True, chromium_sandbox=False, args=QUIET
        )
        try:
            yield browser
        finally:
            browser.close()
