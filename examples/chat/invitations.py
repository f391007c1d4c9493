"""The worker: sends invitations. New people get a mail. People who already have an account join the room at once."""

from __future__ import annotations

from typing import Any

from bunbase_sdk import Client, NotFound, Problem


def send(client: Client, invite: dict[str, Any]) -> None:
    """Invite one person. If the worker stops meanwhile, its next start repeats this and adds nobody twice."""
    try:
        user = client.users.get_by_email(invite["email"])
    except NotFound:
        client.users.invites.create(invite["email"])
    else:
        client.functions.invoke("rooms", {"act": "join", "room": invite["room"], "uid": user["id"]})
    client.data.collection("invites").patch(invite["_id"], {"sent": True})


def main() -> None:
    """Send invitations that are not sent yet, and wait for new ones, forever."""
    with Client.from_env() as client:
        for result in client.data.collection("invites").live({"sent": {"$ne": True}}, limit=50):
            for invite in result.items:
                try:
                    send(client, invite)
                except Problem as problem:
                    if problem.code != "invalid_input":  # for example an invalid address
                        raise
                    client.data.collection("invites").delete(invite["_id"])


if __name__ == "__main__":
    main()
