"""tenant-auth: the end users of each project.

Every project has a pool of users that knows nothing of any other's: the same address in two projects is two people.
Access tokens are signed with the project's own key in BunKMS, so that a token is worth nothing in another project.
"""
