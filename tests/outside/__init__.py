"""Run conformance suites of other projects against BunBase. See docs/conformance.md."""
