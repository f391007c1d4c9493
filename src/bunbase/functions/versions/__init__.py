"""What a call runs: the active version of a function, its code, and the variables it sees.

Each of them is remembered in memory, so a warm call asks no database. `rollout.py` makes what is remembered follow
what the database says.
"""
