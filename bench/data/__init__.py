"""Measure documents over HTTP, compared with similar servers: reads, lists, durable writes, rules and counters."""
