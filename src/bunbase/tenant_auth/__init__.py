"""tenant_auth: the end users of each project.

Every project has its own pool of users: the same address in two projects belongs to two different users. BunKMS signs
access tokens with the project's own key, so a token of one project is not valid in another project.
"""
