"""BunAuth as an OpenID Provider: clients, the sign-in page, codes, tokens, and the authorizations by people."""
