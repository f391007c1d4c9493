"""Settings: one frozen Struct per room. The order of precedence is: flags, environment, bunbase.toml, defaults."""
