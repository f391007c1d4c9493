"""`bunbase mcp`: offer one project to programs with a language model, over the Model Context Protocol.

`command` reads the command line, `server` speaks the protocol with the official library, and `tools` lists the tools.
Each tool sends one or a few requests to the HTTP API. The tools are in `reading`, `collections`, `operation` and
`writing`.
"""
