"""The rules of tenant-auth, one file per verb: who gets into a project, when a session ends, who manages the users."""

from __future__ import annotations

from bunbase.tenant_auth.service.profile import Profile
from bunbase.tenant_auth.service.sessions import Sessions
from bunbase.tenant_auth.service.sign_in import SigningIn
from bunbase.tenant_auth.service.upkeep import Upkeep
from bunbase.tenant_auth.service.users import Administration


class TenantAuthService(SigningIn, Sessions, Profile, Administration, Upkeep):
    """The whole contract."""
