"""The ASGI app that ends entries of the audit log: it sees the status and the bodies of each audited request."""

from __future__ import annotations

from typing import Final

from bunbase.gateway.audit.auditor import AUDITED, Auditor, Begun
from bunbase.gateway.frame import App, Message, Receive, Scope, Send

# At most this many bytes of a request's body are read for the log. A longer body shows nothing.
MAX_SENT: Final = 256 << 10
MAX_ANSWER: Final = 64 << 10  # At most this many bytes of an answer are held back until the entry has its outcome.


class AuditedApp:
    def __init__(self, app: App, auditor: Auditor) -> None:
        self.app = app
        self.auditor = auditor

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = Exchange(scope, receive, send, self.auditor)
        await self.app(scope, exchange.receive, exchange.send)


class Exchange:
    """One request and its answer. The answer to an audited act is held back until the entry has its outcome. So a
    client that has the answer finds the outcome in the log. A longer answer is not held back.
    """

    def __init__(self, scope: Scope, receive: Receive, send: Send, auditor: Auditor) -> None:
        self.scope = scope
        self.receive_next = receive
        self.send_on = send
        self.auditor = auditor
        self.status = 0
        self.held: list[Message] | None = []
        self.parts: list[bytes] = []
        self.sent_parts: list[bytes] = []
        self.held_bytes = self.sent_bytes = 0

    def begun(self) -> Begun | None:
        found: Begun | None = self.scope.get("state", {}).get(AUDITED)
        return found

    def sent(self) -> bytes:
        return b"".join(self.sent_parts) if self.sent_bytes <= MAX_SENT else b""

    def answer(self) -> bytes:
        return b"".join(self.parts) if self.held is not None else b""

    async def receive(self) -> Message:
        message = await self.receive_next()
        body = message.get("body", b"")
        if body and self.begun() is not None:
            self.sent_bytes += len(body)
            if self.sent_bytes <= MAX_SENT:
                self.sent_parts.append(body)
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        begun = self.begun()
        if begun is None:
            await self.send_on(message)
            return
        await self._hold(message)
        if message["type"] == "http.response.body" and not message.get("more_body"):
            await self.auditor.end(begun, self.status, self.sent(), self.answer())
            await self._release()

    async def _hold(self, message: Message) -> None:
        """Hold a message back, or send it if the answer is long or a stream."""
        if self.held is None:
            await self.send_on(message)
            return
        self.held.append(message)
        self.parts.append(message.get("body", b""))
        self.held_bytes += len(self.parts[-1])
        if self.held_bytes > MAX_ANSWER or message.get("more_body"):
            await self._release()

    async def _release(self) -> None:
        """Send the held messages, and hold back no further messages."""
        held, self.held = self.held, None
        for message in held or ():
            await self.send_on(message)
