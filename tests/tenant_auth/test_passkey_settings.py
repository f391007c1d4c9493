from __future__ import annotations

import pytest

from bunbase.contracts.tenant_auth.settings import PasskeySettings, ProjectAuth
from bunbase.pkg.errors import InvalidInput
from bunbase.tenant_auth.passkey_settings import check_passkeys
from tests.tenant_auth.factors import APP

ID, ORIGINS = "/passkeys/rp_id", "/passkeys/origins"
HOST = "bakery.example"


def chosen(rp_id: str, *origins: str, redirect_urls: tuple[str, ...] = (f"{APP}/signed-in",)) -> ProjectAuth:
    return ProjectAuth(redirect_urls=redirect_urls, passkeys=PasskeySettings(rp_id, origins))


def test_the_site_of_passkeys_is_that_of_the_app_or_of_the_installation() -> None:
    check_passkeys(chosen(""))
    check_passkeys(chosen(HOST, APP))
    check_passkeys(chosen("localhost", "http://localhost:3000", redirect_urls=("http://localhost:3000/done",)))


@pytest.mark.parametrize(
    ("path", "settings"),
    [
        (ID, chosen("", APP)),
        (ID, chosen("127.0.0.1", "http://127.0.0.1")),
        (ID, chosen("example", "https://app.example")),
        (ID, chosen("Bakery.example", APP)),
        (ORIGINS, chosen(HOST)),
        (f"{ORIGINS}/0", chosen(HOST, "http://app.bakery.example")),
        (f"{ORIGINS}/0", chosen(HOST, f"{APP}/")),
        (f"{ORIGINS}/0", chosen(HOST, "https://notbakery.example")),
        (f"{ORIGINS}/1", chosen(HOST, APP, "https://bakery.example")),
    ],
    ids=["no host", "address", "one label", "case", "no origin", "no https", "path", "other host", "not of the app"],
)
def test_a_site_that_browsers_or_the_app_do_not_know_is_refused(path: str, settings: ProjectAuth) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_passkeys(settings)

    assert refused.value.extra["errors"][0]["path"] == path
