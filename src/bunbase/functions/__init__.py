"""Functions: deploys and runs TypeScript on Bun.

BunBase stores the versions of each function, the variables that functions see, and the lines that they log. Worker
processes run the active version. Each worker serves one version of one function. A call of a warm worker (one that has
loaded its function) needs no query to the database.
"""
