"""Values that several examples of answers share."""

from __future__ import annotations

from typing import Any, Final

AT: Final = "2026-01-05T06:00:00.000Z"
LATER: Final = "2026-01-05T07:00:00.000Z"
USER: Final = "usr_01jd7qv8x2r4m6t0w9c3e5g7ha"
ISSUER: Final = "https://api.example.com"
DEVELOPER: Final = "usr_01jd7qv8x2r4m6t0w9c3e5g7hd"
COLLEAGUE: Final = "usr_01jd7qv8x2r4m6t0w9c3e5g7hk"
ORG: Final = "org_01jd7qv8x2r4m6t0w9c3e5g7hm"
PROJECT: Final = "prj_01jd7qv8x2r4m6t0w9c3e5g7he"
BACKUP: Final = "bkp_01jd7qv8x2r4m6t0w9c3e5g7hb"
INVOCATION: Final = "inv_01jd7qv8x2r4m6t0w9c3e5g7hf"
SHA256: Final = "9f93fc1d14ea5578e50999c35ae62be28f58cccaf131cb5fa1b30da9fa3e6b72"

POST: Final = {"title": "Rye bread", "author": USER, "published": True}
DOCUMENT: Final = {"_id": "rye", "_rev": 1, "_created": AT, "_updated": AT, **POST}
BUCKET: Final = {
    "name": "photos",
    "public": False,
    "max_bytes": 10485760,
    "mime": ["image/*"],
    "cache_control": "max-age=3600",
    "rules": {
        "list": "object.owner == auth.uid",
        "get": "object.owner == auth.uid",
        "create": "next.key.startsWith(auth.uid + '/')",
        "delete": "object.owner == auth.uid",
    },
}
CHANNELS: Final = {
    "channels": {
        "rooms/{room}": {
            "rules": {
                "subscribe": "auth != null",
                "publish": "auth != null && size(message.text) <= 1000",
                "presence": "auth != null",
            },
            "history": {"messages": 100, "seconds": 300},
            "presence": True,
        }
    }
}
ACCOUNT: Final = {
    "id": DEVELOPER,
    "email": "ada@example.com",
    "name": "Ada",
    "role": "admin",
    "created_at": AT,
    "email_verified": True,
    "avatar_url": "https://example.com/ada.png",
}
END_USER: Final = {
    "id": USER,
    "email": "eve@example.com",
    "email_verified": False,
    "role": "user",
    "claims": {},
    "data": {"name": "Eve"},
    "created_at": AT,
    "name": "",
    "phone": None,
    "phone_verified": False,
    "anonymous": False,
    "language": "en-GB",
}
TOKENS: Final = {
    "access_token": "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.…",
    "refresh_token": "rt_…",
    "expires_in": 900,
    "token_type": "Bearer",
}
OWN_PROJECT: Final = {"id": PROJECT, "name": "Bakery", "slug": "bakery", "role": "owner", "created_at": AT, "org": ORG}
OWN_ORG: Final = {
    "id": ORG,
    "slug": "bakers-guild",
    "name": "Bakers' Guild",
    "role": "owner",
    "created_at": AT,
    "personal": False,
}
KEY: Final = {
    "id": "key_01jd7qv8x2r4m6t0w9c3e5g7hg",
    "kind": "secret",
    "name": "server",
    "hint": "sk_F7r6…",
    "created_at": AT,
    "expires_at": None,
}
HOUR: Final[dict[str, Any]] = {
    "calls": 120,
    "errors": 1,
    "refused": 0,
    "cold_starts": 2,
    "p50_ms": 4.5,
    "p95_ms": 18.0,
    "cpu_ms": 640.0,
    "memory_peak_mb": 61.5,
}
USED: Final[dict[str, Any]] = {
    "invocations": 120,
    "gb_seconds": 0.4,
    "cpu_ms": 640.0,
    "live_connection_seconds": 7200,
    "live_messages_delivered": 950,
    "live_messages_published": 40,
    "file_byte_hours": 1572864000,
    "file_bytes_downloaded": 48213,
}
OBJECT: Final = {
    "key": "bakery/rye.jpg",
    "bucket": "photos",
    "size": 48213,
    "etag": "9e107d9d372bb6826bd81d3542a419d6",
    "content_type": "image/jpeg",
    "cache_control": "",
    "metadata": {"title": "Rye bread"},
    "owner": "usr_01jd7qv8x2r4m6t0w9c3e5g7hn",
    "created_at": AT,
    "updated_at": AT,
}
