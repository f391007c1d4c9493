"""The core of the client: it builds requests and interprets answers. It does no input or output itself."""
