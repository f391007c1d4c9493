"""Builds the fetcher from the settings."""

from __future__ import annotations

import ssl

import httpx

from bunbase.functions.egress.addresses import networks
from bunbase.functions.egress.fetcher import Fetcher, FetchLimits
from bunbase.functions.egress.network import CheckedNetwork
from bunbase.functions.egress.own_addresses import OwnAddresses, own_names
from bunbase.functions.settings import FunctionsSettings
from bunbase.pkg.errors import CannotStart
from bunbase.pkg.resolver import Resolver, SystemResolver


def open_fetcher(settings: FunctionsSettings, resolver: Resolver | None = None, public_url: str = "") -> Fetcher:
    """Return a fetcher. `public_url`: the URL of this installation.

    Raises: CannotStart for an invalid network, or a file that cannot be read.
    """
    try:
        also = networks(settings.allow_private_networks)
    except ValueError as error:
        raise CannotStart(f"functions.allow_private_networks: {error}; write networks such as 10.1.0.0/16") from None
    limits = FetchLimits(
        settings.max_fetch_body_bytes,
        settings.max_fetch_answer_bytes,
        settings.fetch_connect_seconds,
        settings.max_fetches,
        settings.max_fetches_per_project,
    )
    resolver = resolver or SystemResolver(settings.fetch_connect_seconds, "functions-dns")
    own = OwnAddresses(resolver, own_names(public_url, settings.host))
    network = CheckedNetwork(resolver, also, own)
    return Fetcher(network, _tls(settings.ca_file), limits)


def _tls(ca_file: str) -> ssl.SSLContext:
    """Return a context that trusts the public authorities and the authorities in `ca_file`."""
    tls = httpx.create_ssl_context(trust_env=False)
    if ca_file:
        try:
            tls.load_verify_locations(ca_file)
        except (OSError, ssl.SSLError) as error:
            raise CannotStart(
                f"functions.ca_file {ca_file}: {error}; it must be a file of certificates in PEM form"
            ) from None
    return tls
