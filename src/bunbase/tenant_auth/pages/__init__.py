"""The pages for the users of projects, at `/v1/auth/ui`. Pure functions build them."""
