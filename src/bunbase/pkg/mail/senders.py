"""The sender of a project's mails: the name that readers see, and the address to which their answers go.

A project may always choose the name. A project may choose the address only if the operator allows the domain of the
address. There are two reasons: other mail servers check that the server of this installation may send for the domain
(SPF, DKIM, DMARC), and a project must not write in the name of somebody else.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from email.headerregistry import Address
from typing import Final

import msgspec

from bunbase.pkg.mail.headers import one_line
from bunbase.pkg.mail.settings import FOR, read_sender


class OwnSender(msgspec.Struct, frozen=True):
    """The sender of a project's mails. For each empty text, the text of the installation is used."""

    name: str = ""
    address: str = ""
    reply_to: str = ""


OF_INSTALLATION: Final = OwnSender()


def own_sender(sender: str, reply_to: str) -> OwnSender:
    """Return the sender that a project has set: `Bakery`, or `Bakery <hello@bakery.example>`.

    Raises: ValueError if any part, even the name, looks like an address but is not an address, and for two lines.
    """
    looks = unicodedata.normalize("NFKC", sender)  # Readers take a wide ＠ for an @.
    if "@" not in looks and "<" not in looks and sender.isprintable():
        return OwnSender(sender.strip(), "", reply_to)
    address = read_sender(sender)
    if "@" in unicodedata.normalize("NFKC", address.display_name):
        raise ValueError("the name of a sender is not an address")
    return OwnSender(address.display_name, address.addr_spec, reply_to)


def may_send_from(address: str, project: str, domains: Iterable[str]) -> bool:
    """True if the operator allows the project to send from an address. `domains`: the setting mail.sender_domains."""
    domain = address.rpartition("@")[2]
    return any(entry in (domain, f"{domain}{FOR}{project}") for entry in domains)


def shown_sender(own: OwnSender, installation: Address) -> Address:
    """Return the sender of a mail for its header."""
    address = own.address or installation.addr_spec
    return Address(one_line(own.name) or ("" if own.address else installation.display_name), addr_spec=address)
