"""The name that the pages of Platform show."""

from __future__ import annotations

from functools import partial
from typing import Final

from bunbase.pkg.web_pages import layout

APP: Final = "BunBase"

page = partial(layout.page, APP)
