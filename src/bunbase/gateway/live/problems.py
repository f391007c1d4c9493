"""Problems of live connections."""

from __future__ import annotations

from bunbase.pkg.errors import Problem


class UnknownMessage(Problem):
    status, code, title = 422, "unknown_message", "This server does not know the message"


class LiveIdTaken(Problem):
    status, code, title = 409, "live_id_taken", "The id belongs to another watch of this connection"


class TooManyWatches(Problem):
    status, code, title = 429, "too_many_watches", "The connection watches too many queries"


class TooManyChannels(Problem):
    """`limit`: the number of channels that a connection can join."""

    status, code, title = 429, "too_many_channels", "The connection has joined too many channels"


class AlreadyJoined(Problem):
    status, code, title = 409, "already_joined", "The connection has joined the channel already"


class TooManyWaitingMessages(Problem):
    """`limit`: the number of messages to channels that can wait at once in one connection."""

    status, code, title = 429, "too_many_waiting_messages", "Too many messages of this connection wait"


class TooManyLiveConnections(Problem):
    status, code, title = 429, "too_many_live_connections", "Too many live connections are open"


class UnknownLiveConnection(Problem):
    status, code, title = 404, "live_connection_not_found", "This server has no such live connection of this caller"


class EventsNotAccepted(Problem):
    status, code, title = 406, "events_not_accepted", "The answer of this route is a stream of server-sent events"


class LiveTicketInvalid(Problem):
    status, code, title = 401, "live_ticket_invalid", "The ticket was used, or it is too old"


class TooManyLiveTickets(Problem):
    """`limit`: the number of tickets that can wait at once, for one user, address or project, or for all together."""

    status, code, title = 429, "too_many_live_tickets", "Too many tickets for live connections wait to be used"


class StateNotReached(Problem):
    status, code, title = 503, "state_not_reached", "The results do not contain this state yet"


class UserChanged(Problem):
    status, code, title = 401, "user_changed", "Another user has signed in on this connection"


class NoLiveSignIn(Problem):
    status, code, title = 401, "no_live_sign_in", "The connection has not sent a key"


class LiveOriginRefused(Problem):
    status, code, title = 403, "live_origin_refused", "Pages of this origin may not open a live connection"
