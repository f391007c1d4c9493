"""The core of the client: what it sends, and what the answers mean. It does no input or output itself."""
