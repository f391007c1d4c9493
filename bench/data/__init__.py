"""Documents over HTTP, side by side with servers that do the same: point reads, lists, durable creates."""
