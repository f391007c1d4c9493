"""The parts of an OpenID Provider that need no database: redirect URIs, requests, client credentials, claims."""
