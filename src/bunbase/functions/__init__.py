"""Functions: deploys and runs TypeScript on Bun.

It stores the versions of each function, the variables they see and the lines they log. Worker processes run the active
version; each worker serves one version of one function. A call of a warm worker needs no query to the database.
"""
