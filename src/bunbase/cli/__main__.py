"""Run the command as `python -m bunbase.cli`, which also works if `bunbase` is not on PATH."""

from __future__ import annotations

from bunbase.cli.main import main

if __name__ == "__main__":
    main()
