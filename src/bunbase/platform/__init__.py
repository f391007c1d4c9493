"""Platform: the control plane.

Platform stores the projects of the installation, their keys, the developers who work on them, and the organisations
that own them. A new project gets its own encryption key. When a project has been deleted for 7 days, Platform destroys
this key, and tells the other rooms to delete the project's data.
"""
