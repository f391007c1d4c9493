"""tenant-auth: the end users of each project, in separate pools."""
