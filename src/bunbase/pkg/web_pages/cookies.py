"""Cookies of pages. They survive a redirect from another site (Lax), and no script reads them."""

from __future__ import annotations

from typing import Any

from litestar import Request
from litestar.datastructures import Cookie

from bunbase.pkg.modules import Site
from bunbase.pkg.own_cookies import is_https, own_cookie


def sent_cookie(request: Request[Any, Any, Any], name: str, site: Site) -> str:
    """Return the value of one of BunBase's cookies; empty if the browser has not sent it."""
    return request.cookies.get(own_cookie(name, site.public_url), "")


def new_cookie(name: str, value: str, seconds: int, site: Site) -> Cookie:
    secure = is_https(site.public_url)
    full_name = own_cookie(name, site.public_url)
    return Cookie(full_name, "/", value, max_age=seconds, httponly=True, secure=secure, samesite="lax")
