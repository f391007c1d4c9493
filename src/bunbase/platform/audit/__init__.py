"""The audit log of the installation: entries, their outcomes, pages, exports and retention."""
