"""Sign-in by another service: a client of OpenID Connect providers and of GitHub.

This package knows nothing about accounts.

The life of one sign-in (OpenID Connect Core 1.0 §3.1, RFC 9700):

1. `authorization_url` makes the URL to which the browser goes, with `state`, `nonce` and a PKCE challenge.
2. The provider sends the browser back with `code`, `state` and perhaps `iss`. The caller compares `state`.
3. `person` compares `iss` (RFC 9207), exchanges the code for an ID token, checks the token, and returns a Person.
"""
