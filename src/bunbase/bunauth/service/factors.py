"""Create the objects that check second factors for the accounts of the installation."""

from __future__ import annotations

from functools import partial
from typing import Final

from bunbase.bunauth.service.letters import APP
from bunbase.bunauth.store import Stores
from bunbase.bunauth.store.accounts import Credentials
from bunbase.contracts.bunauth.problems import PasskeysUnavailable
from bunbase.contracts.bunkms import INSTANCE, Kms
from bunbase.pkg.identity.factor_checks import FactorChecks
from bunbase.pkg.identity.holders import Vault
from bunbase.pkg.mail.account_letters import AccountLetters
from bunbase.pkg.modules import Site
from bunbase.pkg.passkeys import relying_party

# The contexts of sealed secrets begin with this text. The owner of the secrets is the instance.
CONTEXT: Final = "bunauth:"
UNAVAILABLE: Final = (
    "Browsers allow passkeys only at a host name with https, or at localhost. The operator of this server sets its "
    "address with gateway.public_url."
)


def factor_checks(stores: Stores, kms: Kms, letters: AccountLetters, site: Site) -> FactorChecks[Credentials]:
    vault = Vault(CONTEXT, partial(kms.seal, INSTANCE), partial(kms.unseal, INSTANCE))
    party = relying_party(APP, site.public_url) or PasskeysUnavailable(UNAVAILABLE)
    return FactorChecks(stores.pool, stores.holders, vault, party, letters, site.clock)
