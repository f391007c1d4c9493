"""Settings of the S3 port."""

from __future__ import annotations

from typing import Annotated

import msgspec

Port = Annotated[int, msgspec.Meta(ge=0, le=65535)]


class S3PortSettings(msgspec.Struct, frozen=True):
    """The port for clients of S3. Limits of connections are those of the gateway.

    `enabled`: true to open the port, in the process that runs the gateway.
    `host`: the address that the port listens on; `0.0.0.0` and `::` listen on all interfaces.
    `port`: the number of the port; 0 takes any free port.
    `base_host`: a host such as `s3.example.com`. Requests to `<bucket>.s3.example.com` are then for this bucket. If
    empty, the bucket is always the first part of the path.
    """

    enabled: bool = False
    host: str = "127.0.0.1"
    port: Port = 7073
    base_host: str = ""
