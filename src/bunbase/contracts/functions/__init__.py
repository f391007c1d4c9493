"""Functions: deployments, invocations, triggers, logs."""
