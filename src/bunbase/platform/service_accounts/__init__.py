"""Service accounts of projects. Service accounts and secret keys get tokens at `/v1/auth/token`."""
