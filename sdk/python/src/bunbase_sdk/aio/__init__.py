"""The face of the client for asyncio: `AsyncClient`. All but the driver is written by `make gen` from `core`."""
