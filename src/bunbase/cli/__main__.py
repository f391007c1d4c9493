"""`python -m bunbase.cli`, for when it is not certain that `bunbase` is on PATH."""

from __future__ import annotations

from bunbase.cli.main import main

if __name__ == "__main__":
    main()
