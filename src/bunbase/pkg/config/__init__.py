"""Settings: one frozen Struct per room, filled from defaults < bunbase.toml < environment < flags."""
