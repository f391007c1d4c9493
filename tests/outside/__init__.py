"""Conformance suites that nobody of this project wrote, run against BunBase. See docs/conformance.md."""
