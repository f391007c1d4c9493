"""`bunbase mcp`: offer one project to programs with a language model, over the Model Context Protocol.

`command` reads the command line, `server` speaks the protocol with the official library, `tools` lists the tools, and
each tool is one request or a few requests to the HTTP API: `reading`, `collections`, `operation`, `writing`.
"""
