"""The core of the client: it builds requests and interprets answers. The core does no input or output itself."""
