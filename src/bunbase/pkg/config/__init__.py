"""Settings: one frozen Struct per room. Flags go before the environment, bunbase.toml and defaults, in this order."""
