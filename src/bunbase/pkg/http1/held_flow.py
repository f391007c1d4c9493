"""Flow control that keeps reading from a connection paused while earlier data waits to be parsed."""

from __future__ import annotations

from uvicorn.protocols.http.flow_control import FlowControl


class HeldFlow(FlowControl):
    """While `held` is True, `resume_reading` has no effect. Without this rule, each answer to a pipelined request would
    resume reading, and up to 256 KiB more would arrive before the earlier data is parsed."""

    held = False

    def hold(self) -> None:
        self.held = True
        self.pause_reading()

    def resume_reading(self) -> None:
        if not self.held:
            super().resume_reading()
