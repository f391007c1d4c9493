"""The pages for the users of projects, at `/v1/auth/ui`, as pure functions."""
