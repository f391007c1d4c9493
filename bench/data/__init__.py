"""Documents over HTTP, side by side with servers that do the same: reads, lists, durable writes, rules, counters."""
