"""Service accounts of projects, and the tokens that they and secret keys get at `/v1/auth/token`."""
