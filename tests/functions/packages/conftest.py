"""The packages call the site on loopback that the tests of `fetch` use."""

from tests.functions.egress.conftest import authority, net, resolver, resolver_of_the_file, rooms, settings

__all__ = ["authority", "net", "resolver", "resolver_of_the_file", "rooms", "settings"]
