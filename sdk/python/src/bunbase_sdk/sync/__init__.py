"""The face of the client for programs that wait: `Client`. All but the driver is written by `make gen` from `core`."""
