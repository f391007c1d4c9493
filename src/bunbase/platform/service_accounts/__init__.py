"""Service accounts of projects, and the tokens that service accounts and secret keys get at `/v1/auth/token`."""
