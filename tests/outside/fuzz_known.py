"""The findings of schemathesis that our docs describe."""

from __future__ import annotations

from typing import Final

from tests.outside.fuzz_report import Known

KNOWN: Final[tuple[Known, ...]] = ()
