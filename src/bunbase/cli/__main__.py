"""`python -m bunbase.cli`, the same command where `bunbase` may not be on PATH."""

from __future__ import annotations

from bunbase.cli.main import main

if __name__ == "__main__":
    main()
