"""Platform: the control plane.

It knows the projects of the installation, their keys, and the developers who work on them. A new project gets its own
encryption key. When a project is deleted, that key is destroyed, and every other room is told to delete its data.
"""
