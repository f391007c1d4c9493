"""Workers: starts Bun processes, sends calls to them, watches their use of the machine, and ends them.

This package does not use HTTP or SQL.
"""
