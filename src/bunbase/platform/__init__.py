"""Platform: the control plane.

Platform stores the projects of the installation, their keys, and the developers who work on them. A new project gets
its own encryption key. When a project is deleted, Platform destroys this key, and tells the other rooms to delete the
project's data.
"""
