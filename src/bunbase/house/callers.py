"""The table of the methods that each room may call in another process. All other calls are refused.

An attacker who takes over a process can call only the methods that this table allows its rooms. `bunkms/scopes.py` also
restricts the arguments. The gateway acts for developers and end users: each call contains their `Caller`, which the
called room checks.
"""

from __future__ import annotations

from typing import Final

from bunbase.house.modules import GATEWAY
from bunbase.pkg.rpc.admission import CLIENTS, Table

NOBODY: Final = ""  # for methods that no other process may call

# called room → calling room → methods
MAY_CALL: Final = {
    "bunkms": {
        "bunauth": "create_keys seal unseal",
        "platform": "create_keys destroy",
        "tenant_auth": "public_keys sign",
        "bundoc": "bind_directory check_macs generate_data_key make_mac rewrap_data_key unwrap_data_key",
        "functions": "seal unseal",
        NOBODY: "rotate",
    },
    "bunauth": {
        GATEWAY: """change_password confirm_email_change confirm_signup create_invite create_link_ticket create_token
                    delete_account delete_identity delete_invite delete_token dev_mails discovery end_session
                    end_sessions exchange exchange_code finish_external_login identities invites jwks knows_address
                    login login_providers logout me note_first_uses reauthenticate refresh register
                    request_email_change request_email_verification request_password_reset reset_password revocations
                    sessions signup_state start_external_login tokens update_me verify verify_email""",
        CLIENTS: "jwks verify",
        NOBODY: "need_fresh_proof",
    },
    "tenant_auth": {
        GATEWAY: """create_user custom_token delete_user end_user_sessions jwks knows_address login
                    login_with_custom_token logout me refresh revocations session_alive signup update_me update_user
                    user user_sessions users""",
        "platform": "drop_project",
        "functions": "create_user custom_token delete_user end_user_sessions me update_me update_user user users",
    },
    "bundoc": {
        GATEWAY: """aggregate backup backup_job backup_schedule backups changes collection collections commit create
                    create_backup data_key delete delete_backup drop_collection export_documents get import_documents
                    list misfits patch put put_collection query restore_backup rotate_data_key set_backup_schedule
                    test_rules verify_backup""",
        "platform": "drop_project",
        "functions": "aggregate changes commit create delete get list patch put query",
    },
    "functions": {
        GATEWAY: """bundle delete_function delete_job delete_variable deploy enqueue feed follow_logs function functions
                    invoke job jobs logs replay_job rollback runs sandbox_layers schedules set_variable stats usage
                    variables versions""",
        "platform": "drop_project",
    },
    "platform": {
        GATEWAY: """create_key create_project delete_project dev_mails key_holder keys membership project project_of
                    projects rename_project revocations revoke_key rotate_key""",
    },
}

CALLERS: Final[Table] = {
    room: {caller: frozenset(methods.split()) for caller, methods in callers.items() if caller != NOBODY}
    for room, callers in MAY_CALL.items()
}
