"""The normal form of email addresses. BunBase stores accounts under this form, finds them by it, and sends mail to it.

Concern: an address passes many parsers: our parser, the parser of the library that writes messages, and the parsers of
mail servers. If two parsers read an address differently, a mail can reach the wrong mailbox, and the code in this mail
confirms an address that the person does not own. So there is one strict form, which every parser reads in the same way.
The mail server gets exactly the address that is stored.

    mailbox   words with dots between them (RFC 5322 `dot-atom`), of lower-case letters, digits and some signs, in
              Unicode too (RFC 6531). No quotes, comments, groups, spaces or invisible characters. No `=?`, which begins
              an encoded word (RFC 2047). No `!`, `%` or `|`: with these signs, senders once chose the route of a mail.
    domain    labels of a host name; labels in Unicode follow IDNA (RFC 5891), and are stored in Unicode.

Older versions accepted more addresses. Accounts with such an address can still be found (`known_email`), but BunBase
sends no mail to them.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

import idna

from bunbase.pkg.errors import InvalidInput

ENCODED: Final = "xn--"
MAX_LENGTH: Final = 254  # See RFC 5321 §4.5.3.1.3, without the angle brackets.
MAX_MAILBOX: Final = 64  # The limit is in bytes (RFC 5321 §4.5.3.1.1).
MAX_SENT: Final = 4 * MAX_LENGTH  # A text with more characters is no address, and is not parsed.
# A label in ASCII has at most this many bytes (RFC 1035 §2.3.4). Python decodes longer labels in quadratic time.
MAX_LABEL: Final = 63
WORDS: Final = re.compile(r"[^.]+(\.[^.]+)*")
SIGNS: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789#$&'*+-/=?^_`{}~.")
LETTERS: Final = frozenset({"Ll", "Lo", "Lm", "Mn", "Mc", "Nd"})
# These letters and marks are not shown (Unicode: Default_Ignorable_Code_Point).
UNSEEN: Final = re.compile(r"[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef]")
LABEL: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
OLDER: Final = re.compile(r"[^\s@<>\"(),:;\\]{1,64}@[^\s@<>\"(),:;\\.]+(\.[^\s@<>\"(),:;\\.]+)*")


def normal_email(email: str) -> str:
    """Return the form in which an address is stored: trimmed, in NFC and in lower case, with a domain in Unicode.

    Raises: InvalidInput.
    """
    normal = email_or_none(email)
    if normal is None:
        raise InvalidInput.at("/email", "Send an email address such as ada@example.com.")
    return normal


def email_or_none(email: str) -> str | None:
    """Return the normal form of an email address, or None for a text that is not an email address."""
    if len(email) > MAX_SENT:
        return None
    mailbox, _, domain = unicodedata.normalize("NFC", email.strip().lower()).rpartition("@")
    found = normal_domain(domain)
    if found is None or not _is_mailbox(mailbox):
        return None
    normal = f"{mailbox}@{found}"
    return normal if max(len(one.encode()) for one in (normal, deliverable(normal))) <= MAX_LENGTH else None


def known_email(email: str) -> str | None:
    """Return the form under which an account may be stored: the normal form, or the form of older versions.

    Use this function only to look an account up. A sign-in must give the same answer for a malformed address and an
    unknown address.
    """
    return email_or_none(email) or _older_form(email)


def normal_domain(domain: str) -> str | None:
    """Return the normal form of a domain without a dot at its end, or None for a text that is not a domain."""
    labels = [_label(label) for label in unicodedata.normalize("NFC", domain.lower()).split(".")]
    return None if None in labels else ".".join([label for label in labels if label])


def compared_domain(domain: str) -> str:
    """Return the form in which two spellings of one domain are equal: in ASCII and without a dot at its end."""
    return ascii_domain(unicodedata.normalize("NFC", domain.strip().lower()).removesuffix("."))


def deliverable(address: str) -> str:
    """Return an address whose domain is in ASCII (RFC 5891).

    Python's codec `idna` follows an older standard, which turns ß into ss: the mail would go to another domain.
    """
    mailbox, _, domain = address.rpartition("@")
    return f"{mailbox}@{ascii_domain(domain)}"


def ascii_domain(domain: str) -> str:
    return ".".join([_in_ascii(label) for label in domain.split(".")])


def _is_mailbox(mailbox: str) -> bool:
    # Some programs would read "-" as the beginning of an option.
    if WORDS.fullmatch(mailbox) is None or "=?" in mailbox or mailbox.startswith("-"):
        return False
    if unicodedata.category(mailbox[0])[0] == "M":  # A combining mark has no character before it.
        return False
    if not all(one in SIGNS if one.isascii() else unicodedata.category(one) in LETTERS for one in mailbox):
        return False
    settled = unicodedata.normalize("NFKC", mailbox) == mailbox.lower() == mailbox
    return settled and UNSEEN.search(mailbox) is None and len(mailbox.encode()) <= MAX_MAILBOX


def _label(label: str) -> str | None:
    """Return the normal form of a label of a domain, or None.

    A label such as `xn--bcher-kva` becomes Unicode, because some browsers send the ASCII form and others the Unicode
    form (RFC 5890 §2.3.2). If the Unicode form cannot be converted back to the same label, the label stays in ASCII:
    otherwise two different domains could become equal.
    """
    if label.isascii():
        if LABEL.fullmatch(label) is None:
            return None
        return _in_unicode(label) if label.startswith(ENCODED) else label
    try:
        return label if idna.ulabel(idna.alabel(label)) == label else None
    except UnicodeError:
        return None


def _in_unicode(label: str) -> str:
    """Return the label in Unicode.

    Return the label unchanged if `lower` would change it, because IDNA has capitals of Cherokee.
    """
    try:
        found = idna.ulabel(label)
        settled = unicodedata.normalize("NFC", found.lower()) == found
        return found if settled and idna.alabel(found) == label.encode() else label
    except UnicodeError:
        return label


def _in_ascii(label: str) -> str:
    return label if label.isascii() else ENCODED + label.encode("punycode").decode("ascii")


def _older_form(email: str) -> str | None:
    """Return the form in which older versions stored an address, or None."""
    if len(email) > MAX_SENT:
        return None
    mailbox, at, domain = unicodedata.normalize("NFC", email.strip().lower()).rpartition("@")
    found = mailbox + at + ".".join([_older_label(label) for label in domain.split(".")])
    return found if len(found) <= MAX_LENGTH and found.isprintable() and OLDER.fullmatch(found) else None


def _older_label(label: str) -> str:
    if not label.startswith(ENCODED) or len(label) > MAX_LABEL:
        return label
    try:
        found = label.removeprefix(ENCODED).encode("ascii").decode("punycode")
        again = ENCODED + found.encode("punycode").decode("ascii")
    except UnicodeError:
        return label
    settled = unicodedata.normalize("NFC", found.lower()) == found and found.isprintable() and not found.isascii()
    return found if settled and again == label and not found.startswith(ENCODED) else label
