from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio

from bunbase.contracts.audit import ALL_ENTRIES, ActEnd, AuditedAct, AuditFilter, AuditOutcome
from bunbase.contracts.caller import Caller, CallerKind, Developer, Role
from bunbase.contracts.keys import KeyChanges, KeyLimits, UsedKey
from bunbase.contracts.platform import (
    ConfirmationNeeded,
    InvalidKey,
    LastOwner,
    MemberNotFound,
    OrganisationNotEmpty,
    OrganisationNotFound,
    PersonalOrganisation,
    Platform,
    ProjectChanges,
    ProjectDeleted,
    ProjectKeyNotFound,
    ProjectNotFound,
    RoleFromOrganisation,
)
from bunbase.contracts.project_administration import ProjectSuspended
from bunbase.contracts.revocations import RevokedKind
from bunbase.contracts.s3_credentials import NewS3Credential, S3CredentialNotFound
from bunbase.contracts.service_accounts import (
    NewServiceAccount,
    ServiceAccountNotFound,
    TokenRefused,
    TokenRequest,
)
from bunbase.contracts.storage import BucketNotFound
from bunbase.pkg.cursors import InvalidCursor
from bunbase.pkg.errors import Forbidden, InvalidInput
from bunbase.pkg.identity.problems import LinkExpired
from bunbase.platform.module import MODULE
from tests.bunauth.feeds import feed_of
from tests.platform.fake_rooms import PASSWORD, FakeRooms
from tests.platform.people import ADA, ADA_ID, BOB, BOB_ID, at, token_of, value_of
from tests.rooms import ANYONE, opened, site


@pytest_asyncio.fixture(params=["local", "remote"])
async def platform(request: pytest.FixtureRequest, tmp_path: Path, database_url: str) -> AsyncIterator[Platform]:
    async with opened(MODULE, FakeRooms().rooms(), site(tmp_path, database_url), request.param) as service:
        yield service


async def test_a_project_is_created_renamed_and_deleted(platform: Platform) -> None:
    made = await platform.create_project(ADA, "Bakery")
    found = await platform.project(at(made))
    assert (found.id, found.name, found.slug, found.role) == (made.id, "Bakery", "bakery", Role.OWNER)
    assert found.created_at == made.created_at
    assert (await platform.projects(ADA, 20, None)).items == (found,)
    assert (await platform.update_project(at(made), ProjectChanges("Patisserie"))).name == "Patisserie"
    assert (await platform.membership(ADA_ID, "bakery")).project == made.id

    await platform.delete_project(at(made), "bakery")

    assert (await platform.projects(ADA, 20, None)).items == ()


async def test_keys_are_made_listed_rotated_and_revoked(platform: Platform) -> None:
    made = await platform.create_project(ADA, "Bakery")

    new = await platform.create_key(at(made), CallerKind.SECRET, "ci", 3600)
    rotated = await platform.rotate_key(at(made), new.id, 60)

    assert (await platform.key_holder(value_of(rotated))).kind is CallerKind.SECRET
    listed = (await platform.keys(at(made))).items
    assert [key.id for key in listed] == [rotated.id, new.id, made.keys[1].id, made.keys[0].id]
    assert listed[0].expires_at == new.expires_at
    await platform.revoke_key(at(made), rotated.id)
    with pytest.raises(InvalidKey):
        await platform.key_holder(value_of(rotated))


async def test_a_deleted_project_is_listed_and_restored(platform: Platform) -> None:
    made = await platform.create_project(ADA, "Bakery")
    before = await platform.project(at(made))

    await platform.delete_project(at(made), "bakery")

    (listed,) = (await platform.projects(ADA, 20, None, deleted=True)).items
    assert listed.destroyed_after is not None
    assert (await platform.custody(ADA_ID, "bakery")).project == made.id
    with pytest.raises(ProjectDeleted):
        await platform.membership(ADA_ID, "bakery")
    assert await platform.restore_project(at(made)) == before


async def test_an_organisation_has_members_invitations_and_projects(platform: Platform) -> None:
    org = await platform.create_org(ADA, "Guild")
    assert (await platform.rename_org(ADA, org.slug, "Crew")).name == "Crew"
    made = await platform.create_project(ADA, "Bakery", org.id)
    invite = await platform.create_invite(ADA, org.id, "bob@example.com", Role.VIEWER)
    assert [one.id for one in (await platform.invites(ADA, org.id, 20, None)).items] == [invite.id]
    invite = await platform.resend_invite(ADA, org.id, invite.id)

    accepted = await platform.accept_invite(BOB, token_of(invite))

    assert accepted.org == msgspec.structs.replace(org, name="Crew", role=Role.VIEWER)
    assert (await platform.membership(BOB_ID, made.id)).role is Role.VIEWER
    assert (await platform.add_member(at(made), BOB_ID, Role.ADMIN)).role is Role.ADMIN
    assert (await platform.change_member(ADA, org.id, BOB_ID, Role.DEVELOPER)).role is Role.DEVELOPER
    assert [one.user.id for one in (await platform.members(BOB, org.id, 20, None)).items] == [ADA_ID, BOB_ID]
    await platform.remove_member(BOB, org.id, BOB_ID)
    assert [one.id for one in (await platform.orgs(BOB, 20, None)).items] == []
    assert (await platform.transfer_project(at(made), "personal")).org != org.id
    await platform.create_invite(ADA, org.id, "fay@example.com", Role.VIEWER)
    (mail,) = await platform.dev_mails("fay@example.com", "", 2, "")
    link = mail.text.partition("/invite?token=")[2].split()[0]
    opened = (await platform.register_by_invite(ANYONE, link, "Fay", PASSWORD)).signed_in
    assert opened is not None
    assert (opened.user.id, opened.joined.role) == ("usr_fay", Role.VIEWER)
    await platform.remove_member(ADA, org.id, "usr_fay")
    unused = await platform.create_invite(ADA, org.id, "eve@example.com", Role.VIEWER)
    await platform.delete_invite(ADA, org.id, unused.id)
    await platform.delete_org(ADA, org.id, org.slug)
    with pytest.raises(OrganisationNotFound):
        await platform.org(ADA, org.id)


async def test_problems_of_platform_keep_their_class_over_http(platform: Platform) -> None:
    made, guild = await platform.create_project(ADA, "Bakery"), await platform.create_org(ADA, "Guild")
    await platform.create_project(ADA, "Mill", guild.id)

    for problem, attempt in (
        (InvalidInput, platform.create_project(ADA, "")),
        (InvalidCursor, platform.projects(ADA, 20, "nonsense")),
        (ProjectNotFound, platform.membership(BOB_ID, made.id)),
        (ConfirmationNeeded, platform.delete_project(at(made), "")),
        (Forbidden, platform.delete_project(at(made, Role.ADMIN), "bakery")),
        (ProjectKeyNotFound, platform.revoke_key(at(made), "key_unknown")),
        (ProjectKeyNotFound, platform.rotate_key(at(made), "key_unknown", 0)),
        (InvalidKey, platform.key_holder("sk_unknown")),
        (OrganisationNotFound, platform.org(ADA, "org_unknown")),
        (PersonalOrganisation, platform.remove_member(ADA, "personal", ADA_ID)),
        (LastOwner, platform.remove_member(ADA, guild.id, ADA_ID)),
        (OrganisationNotEmpty, platform.delete_org(ADA, guild.id, guild.slug)),
        (MemberNotFound, platform.remove_member(at(made), None, BOB_ID)),
        (RoleFromOrganisation, platform.remove_member(at(made), None, ADA_ID)),
        (LinkExpired, platform.accept_invite(ADA, "binv_unknown")),
    ):
        with pytest.raises(problem):
            await attempt


async def test_the_mailbox_of_dev_mode_is_empty_at_first(platform: Platform) -> None:
    assert await platform.dev_mails("", "", 20, "") == ()


async def test_the_feed_of_revocations_contains_a_revoked_key(platform: Platform) -> None:
    made = await platform.create_project(ADA, "Bakery")
    async with feed_of(platform) as feed:
        assert (await feed.next()).kind is RevokedKind.READY

        await platform.revoke_key(at(made), made.keys[0].id)

        news = await feed.next()
    assert (news.kind, news.id) == (RevokedKind.KEY, made.keys[0].id)


async def test_an_act_begins_ends_and_is_read_and_exported(platform: Platform) -> None:
    made = await platform.create_project(ADA, "Bakery")
    root = Caller(CallerKind.DEVELOPER, developer=Developer("usr_root", "", admin=True, session="ses_root"))

    id = await platform.begin_act(at(made), AuditedAct("key.create", request_id="req_1"))
    await platform.end_act(id, ActEnd(201, {"name": "ci"}, target="key_1"))
    await platform.note_refusals(at(made), AuditedAct("key.delete"), 5)

    page = await platform.audit(at(made), AuditFilter(action="key.create"), 20, None)
    (entry,) = page.items
    assert (entry.id, entry.target, entry.after, entry.outcome) == (id, "key_1", {"name": "ci"}, AuditOutcome.DONE)
    whole = await platform.installation_audit(root, ALL_ENTRIES, 20, None)
    assert [(one.action, one.count) for one in whole.items] == [("key.delete", 5), ("key.create", 1)]
    for exported in (
        platform.export_audit(at(made), ALL_ENTRIES),
        platform.export_installation_audit(root, ALL_ENTRIES),
    ):
        assert [one async for batch in exported for one in batch] == list(whole.items)
    with pytest.raises(Forbidden):
        await anext(platform.export_audit(at(made, Role.VIEWER), ALL_ENTRIES))
    await platform.begin_act(ADA, AuditedAct("org.update", org="personal"))
    of_org = (await platform.audit(ADA, ALL_ENTRIES, 20, None, "personal")).items
    assert [one.action for one in of_org] == ["org.update"]
    assert await anext(platform.export_audit(ADA, ALL_ENTRIES, "personal")) == of_org


async def test_a_project_is_suspended_resumed_and_inspected(platform: Platform) -> None:
    made = await platform.create_project(ADA, "Bakery")
    root = Caller(CallerKind.DEVELOPER, developer=Developer("usr_root", "", admin=True, session="ses_root"))

    suspended = await platform.suspend_project(root, made.id)
    for refused in (platform.check_active(made.id), platform.key_holder(value_of(made.keys[0]))):
        with pytest.raises(ProjectSuspended):
            await refused
    await platform.resume_project(root, made.slug)

    assert suspended.suspended_at is not None
    assert (await platform.inspection("usr_root", "bakery")).role is Role.VIEWER
    shown = await platform.managed_project(root, made.id)
    assert (await platform.installation_projects(root, "", 20, None)).items == (shown,)
    assert (await platform.installation_usage(root)).projects == 1


async def test_a_service_account_gets_a_token_until_it_is_deleted(platform: Platform) -> None:
    made = await platform.create_project(ADA, "Bakery")
    account = await platform.create_service_account(at(made), NewServiceAccount("report", ("data:read",)))
    asked = TokenRequest("client_credentials", account.client_id, account.client_secret or "", scope="data:posts:read")

    token = await platform.exchange_token(asked)
    holder = await platform.service_holder(made.id, account.client_id)

    assert (token.scope, token.expires_in, holder.limits.scopes) == ("data:posts:read", 600, ("data:read",))
    assert [one.client_id for one in (await platform.service_accounts(at(made))).items] == [account.client_id]
    await platform.delete_service_account(at(made), account.client_id)
    with pytest.raises(TokenRefused) as refused:
        await platform.exchange_token(asked)
    assert refused.value.extra["error"] == "invalid_client"
    with pytest.raises(InvalidKey):
        await platform.service_holder(made.id, account.client_id)
    with pytest.raises(ServiceAccountNotFound):
        await platform.delete_service_account(at(made), account.client_id)


async def test_a_credential_for_s3_names_only_buckets_that_exist(platform: Platform) -> None:
    made = await platform.create_project(ADA, "Bakery")

    with pytest.raises(BucketNotFound, match="'nosuch'"):
        await platform.create_s3_credential(at(made), NewS3Credential("sync", "read", ("photos", "nosuch")))
    assert (await platform.s3_credentials(at(made))).items == ()


async def test_a_credential_for_s3_has_a_secret_until_it_is_deleted(platform: Platform) -> None:
    made, other = await platform.create_project(ADA, "Bakery"), await platform.create_project(ADA, "Mill")
    new = await platform.create_s3_credential(at(made), NewS3Credential("sync", "read", ("photos",)))

    holder = await platform.s3_holder(new.access_key_id)
    await platform.keys_used((UsedKey(new.access_key_id, 60.0),))

    assert (holder.project, holder.access, holder.buckets) == (made.id, "read", ("photos",))
    assert holder.secret == new.secret_access_key
    (listed,) = (await platform.s3_credentials(at(made))).items
    assert (listed.access_key_id, listed.secret_access_key) == (new.access_key_id, None)
    assert listed.last_used_at is not None
    with pytest.raises(S3CredentialNotFound):
        await platform.delete_s3_credential(at(other), new.access_key_id)
    await platform.delete_s3_credential(at(made), new.access_key_id)
    for unknown in (new.access_key_id, "BBAKAAAAAAAAAAAAAAAA", "AKIA'--", ""):
        with pytest.raises(InvalidKey):
            await platform.s3_holder(unknown)


async def test_a_key_is_changed_and_its_use_is_stored(platform: Platform) -> None:
    made = await platform.create_project(ADA, "Bakery")
    limits = KeyLimits(scopes=("read",))
    key = await platform.create_key(at(made), CallerKind.SECRET, "ci", None, limits)

    changed = await platform.update_key(at(made), key.id, KeyChanges(scopes=("data:read",)))
    await platform.keys_used((UsedKey(key.id, 60.0),))

    assert changed.scopes == ("data:read",)
    (listed,) = [one for one in (await platform.keys(at(made))).items if one.id == key.id]
    assert (listed.name, listed.scopes) == ("ci", ("data:read",))
    assert listed.last_used_at is not None
    assert listed.last_used_at.timestamp() == 60.0
