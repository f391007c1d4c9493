"""Choose the certificate authorities that the command trusts, and explain why a server's certificate was refused."""

from __future__ import annotations

import os
import ssl
from typing import Final

import httpx

from bunbase.cli.errors import Usage

VARIABLE: Final = "BUNBASE_CA_FILE"
# if one of these variables of OpenSSL is set, the command trusts the authorities in its file or folder instead of the
# usual authorities
FILE, FOLDER = "SSL_CERT_FILE", "SSL_CERT_DIR"
# OpenSSL's X509_V_ERR codes for a certificate that is self-signed, or whose issuer is unknown
UNKNOWN_AUTHORITY: Final = frozenset({18, 19, 20, 21})


def tls_context(ca_file: str) -> ssl.SSLContext:
    """Return a context that trusts SSL_CERT_FILE or SSL_CERT_DIR, or else the public authorities and this machine's.

    `ca_file`, or else BUNBASE_CA_FILE, is a PEM file of authorities to trust in addition. Raises: Usage.
    """
    chosen = next((name for name in (FILE, FOLDER) if os.environ.get(name)), "")
    try:
        context = httpx.create_ssl_context()
        if not chosen:
            context.load_default_certs()
    except (OSError, ssl.SSLError) as error:
        raise _unreadable(f"{chosen}: {os.environ.get(chosen, '')}", error) from None
    if ca_file := ca_file or os.environ.get(VARIABLE, ""):
        try:
            context.load_verify_locations(cafile=ca_file)
        except (OSError, ssl.SSLError) as error:
            raise _unreadable(ca_file, error) from None
    return context


def refused_certificate(error: BaseException | None) -> str:
    """Return why the server's certificate was refused and what to do, or "" if something else went wrong."""
    while error is not None and not isinstance(error, ssl.SSLCertVerificationError):
        error = error.__cause__ or error.__context__
    if error is None:
        return ""
    advice = ""
    if error.verify_code in UNKNOWN_AUTHORITY:
        advice = f" If a private authority issued it, name the authority's file: --ca-file ca.pem, or set {VARIABLE}."
    return f"its certificate is not trusted: {error.verify_message.rstrip('.')}.{advice}"


def _unreadable(name: str, error: Exception) -> Usage:
    reason = error.strerror if isinstance(error, OSError) and not isinstance(error, ssl.SSLError) else "it is not PEM"
    return Usage(f"The certificate authorities in {name} cannot be read: {reason}.", "unreadable_ca_file")
