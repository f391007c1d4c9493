"""Measure many projects on one node: the time to create them, the first read of a cold project, and the memory."""
