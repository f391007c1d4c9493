"""Users of Supabase Auth: rows of `auth.users`, and of `auth.identities`.

    id, email, encrypted_password, email_confirmed_at, phone, phone_confirmed_at, raw_app_meta_data,
    raw_user_meta_data, created_at, last_sign_in_at, banned_until, is_anonymous, is_sso_user, deleted_at
    user_id, provider, provider_id, identity_data, email

The columns: https://supabase.com/docs/guides/auth/managing-user-data and github.com/supabase/auth, migrations.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from bunbase.pkg.user_imports.lines import Line, Record, identity, line_of, moment, object_in, role_in, truth

OWN_NAMES: Final = ("full_name", "name", "user_name", "preferred_username")
NO_SERVICE: Final = ("email", "phone", "anonymous")
# Supabase stores the sign-in methods together with the developer's claims.
NO_CLAIMS: Final = ("provider", "providers")


def from_row(row: Record, identities: Sequence[Record] = ()) -> Line | None:
    """Return the line of a user, or None for a deleted user. Raises: CannotRead.

    `identities`: the rows of this user in `auth.identities`. `raw_app_meta_data` becomes the claims,
    `raw_user_meta_data` the data.
    """
    if row.get("deleted_at"):
        return None
    data = object_in(row.get("raw_user_meta_data"))
    role, claims = role_in(object_in(row.get("raw_app_meta_data")))
    phone = str(row.get("phone") or "")
    return line_of(
        id=row.get("id"),
        email=row.get("email"),
        email_verified=bool(row.get("email_confirmed_at") or row.get("confirmed_at")) and bool(row.get("email")),
        phone=f"+{phone.lstrip('+')}" if phone else None,  # Supabase stores numbers without the plus
        phone_verified=bool(phone and row.get("phone_confirmed_at")),
        name=next((data[name] for name in OWN_NAMES if isinstance(data.get(name), str)), None),
        password_hash=row.get("encrypted_password"),
        role=role,
        claims={name: value for name, value in claims.items() if name not in NO_CLAIMS},
        data=data,
        anonymous=truth(row.get("is_anonymous")) or None,
        banned_until=moment(row.get("banned_until")),
        created_at=moment(row.get("created_at")),
        last_sign_in_at=moment(row.get("last_sign_in_at")),
        identities=[_identity(one) for one in identities if _is_service(one)],
    )


def _is_service(row: Record) -> bool:
    provider = str(row.get("provider") or "")
    return bool(provider) and provider not in NO_SERVICE and not provider.startswith("sso:")


def _identity(row: Record) -> Line:
    """Return an identity. Older versions of Supabase have the subject in `id`, newer versions in `provider_id`."""
    data: dict[str, Any] = object_in(row.get("identity_data"))
    subject = row.get("provider_id") or data.get("sub") or row.get("id")
    return identity(str(row["provider"]), subject, row.get("email") or data.get("email"))
