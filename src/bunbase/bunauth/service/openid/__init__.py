"""BunAuth as an OpenID Provider: clients, the sign-in page, codes, tokens, and what people have allowed."""
