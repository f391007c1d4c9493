"""Reading from a connection stays paused while data that came before waits to be parsed."""

from __future__ import annotations

from uvicorn.protocols.http.flow_control import FlowControl


class HeldFlow(FlowControl):
    """`held`: nothing resumes reading, or a piece of 256 KiB could come with every answer to what is parsed slowly."""

    held = False

    def hold(self) -> None:
        self.held = True
        self.pause_reading()

    def resume_reading(self) -> None:
        if not self.held:
            super().resume_reading()
