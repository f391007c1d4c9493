"""Problems of host calls. In the function, each problem becomes a JavaScript error."""

from __future__ import annotations

from bunbase.pkg.errors import Problem


class CallOver(Problem):
    status, code, title = 409, "call_over", "This call of the function has ended"


class UnknownHostCall(Problem):
    status, code, title = 400, "unknown_host_call", "This BunBase does not know this host call"


class HostNotAllowed(Problem):
    """`host`: the entry that `allow_net` must contain."""

    status, code, title = 403, "host_not_allowed", "The function may not reach this host"


class AddressNotAllowed(Problem):
    """The name resolves to an address in a private network. Machines in private networks often trust every caller."""

    status, code, title = 403, "address_not_allowed", "This host has no public address"


class SecretNotFound(Problem):
    status, code, title = 422, "secret_not_found", "There is no variable with this name"


class InvalidFetch(Problem):
    status, code, title = 422, "invalid_fetch", "This request is not valid"


class FetchTooLarge(Problem):
    status, code, title = 413, "fetch_too_large", "The body is larger than a function may send or receive"


class FetchFailed(Problem):
    """`reason`: name, connection, tls, timeout, protocol or redirect."""

    status, code, title = 502, "fetch_failed", "The host could not be reached or did not answer properly"


class FetchOverloaded(Problem):
    status, code, title = 503, "fetch_overloaded", "Too many requests from functions are running"
