"""Log lines of functions on their way to the store, their stack traces, and the readers that follow them."""
