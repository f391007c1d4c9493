"""An installation that is older than organisations keeps its projects, with the same people in the same roles."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from bunbase.contracts.caller import Role
from bunbase.contracts.platform import InvalidKey, ProjectNotFound
from bunbase.pkg.db.connecting import connect
from bunbase.pkg.db.migrations import apply_migrations, migrations_in
from bunbase.pkg.ids import new_id
from bunbase.pkg.modules import Site
from bunbase.pkg.opaque import fingerprint
from bunbase.platform.module import MODULE
from tests.platform.fake_rooms import FakeRooms
from tests.platform.people import ADA, BOB
from tests.rooms import opened

BEFORE = "0001_projects.sql"
THEN = datetime(2026, 1, 1, tzinfo=UTC)
PROJECTS = {
    "alone": (("usr_ada", "owner"),),
    "shared": (("usr_ada", "owner"), ("usr_bob", "owner"), ("usr_eve", "viewer")),
    "bobs": (("usr_bob", "owner"), ("usr_ada", "admin")),
    "gone": (("usr_ada", "owner"),),
}


@pytest.fixture
def database_url(empty_database_url: str) -> str:
    return empty_database_url


async def test_projects_from_before_organisations_move_to_the_personal_one_of_their_first_owner(
    here: Site, others: FakeRooms
) -> None:
    migrations = migrations_in("bunbase.platform.migrations")
    await apply_migrations(here.database_url, "platform", [one for one in migrations if one.name <= BEFORE])
    ids = await _as_it_was(here.database_url)

    async with opened(MODULE, others.rooms(), here) as platform:
        (adas,), (bobs,) = [(await platform.orgs(who, 20, None)).items for who in (ADA, BOB)]
        assert (adas.personal, adas.role, adas.name) == (True, Role.OWNER, "Personal")
        for slug, org in (("alone", adas), ("shared", adas), ("bobs", bobs)):
            for developer, role in PROJECTS[slug]:
                found = await platform.membership(developer, slug)
                assert (found.project, found.role) == (ids[slug], Role(role))
            listed = (await platform.projects(ADA, 20, None)).items
            assert {one.slug: one.org for one in listed}[slug] == org.id
            assert (await platform.key_holder(f"sk_{slug}")).project == ids[slug]
        with pytest.raises(ProjectNotFound):
            await platform.custody("usr_ada", "gone")
        with pytest.raises(InvalidKey):
            await platform.key_holder("sk_gone")
        new = await platform.create_project(ADA, "New")
        assert new.org == adas.id
        assert (await platform.create_project(BOB, "Gone")).slug.startswith("gone-")  # The slug is still taken.
        # Ada's role as an owner comes from the organisation now, as in new projects.
        rows = await platform.stores.db.value("SELECT count(*) FROM members WHERE developer = 'usr_ada'")
        assert rows == 1  # The one row makes her an admin of Bob's project.


async def _as_it_was(url: str) -> dict[str, str]:
    """Fill the tables as an earlier version did. Return the ids of the projects by slug."""
    connection = await connect(url, server_settings={"search_path": "platform"})
    ids = {}
    try:
        for place, (slug, members) in enumerate(PROJECTS.items()):
            ids[slug], made_at = new_id("prj"), THEN + timedelta(days=place)
            deleted_at = made_at if slug == "gone" else None
            await connection.execute(
                "INSERT INTO projects (id, name, slug, created_at, deleted_at) VALUES ($1, $2, $2, $3, $4)",
                ids[slug],
                slug,
                made_at,
                deleted_at,
            )
            for later, (developer, role) in enumerate(members):
                await connection.execute(
                    "INSERT INTO members (project, developer, role, created_at) VALUES ($1, $2, $3, $4)",
                    ids[slug],
                    developer,
                    role,
                    made_at + timedelta(hours=later),
                )
            if slug != "gone":
                await connection.execute(
                    "INSERT INTO keys (id, project, kind, name, hint, hash, created_at) "
                    "VALUES ($1, $2, 'secret', 'key', 'sk_', $3, $4)",
                    new_id("key"),
                    ids[slug],
                    fingerprint(f"sk_{slug}"),
                    made_at,
                )
    finally:
        await connection.close()
    return ids
