"""The active version of each function, and everything that a new worker of it loads."""
