"""Credentials of projects for the S3 port."""
