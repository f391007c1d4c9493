"""The table of the methods that each room may call in another process. All other calls are refused.

An attacker who takes over a process can call only the methods that this table allows its rooms. `bunkms/scopes.py` also
restricts the arguments. The gateway acts for developers and end users: each call contains their `Caller`, which the
called room checks.
"""

from __future__ import annotations

from typing import Final

from bunbase.house.modules import GATEWAY
from bunbase.pkg.rpc.admission import CLIENTS, Table

NOBODY: Final = ""  # the caller of methods that no other process may call

# for each called room: the methods that each calling room may call
MAY_CALL: Final = {
    "bunkms": {
        "bunauth": "create_keys seal unseal",
        "platform": "create_keys destroy public_keys seal sign unseal",
        "tenant_auth": "public_keys renew_signing_key replace_signing_keys seal sign unseal",
        "bundoc": "bind_directory check_macs generate_data_key make_mac rewrap_data_key unwrap_data_key",
        "storage": "bind_directory generate_data_key rewrap_data_key unwrap_data_key",
        "functions": "seal unseal",
        NOBODY: "rotate",
    },
    "bunauth": {
        GATEWAY: """accept_invite activity authorizations change_password confirm_email_change confirm_signup
                    confirm_totp create_invite create_link_ticket create_oauth_client create_token decide_device_login
                    decide_device_login_by_code decide_device_login_by_pass decide_device_login_by_password
                    delete_authorization delete_identity delete_invite delete_oauth_client delete_passkey delete_token
                    dev_mails discovery end_session end_sessions exchange exchange_code finish_external_login
                    finish_page_sign_in identities invitation invites jwks knows_address login login_providers
                    login_with_passkey login_with_second_factor logout managed_account managed_accounts me
                    need_fresh_proof new_recovery_codes note_first_uses oauth_allow oauth_authorize oauth_clients
                    oauth_continue oauth_deny oauth_introspect oauth_page oauth_revoke oauth_second_factor oauth_sign_in
                    oauth_sign_out oauth_token oauth_userinfo open_account page_passkey page_second_factor page_session
                    page_ways passkey_login_options passkey_options passkeys poll_device_login proof_options
                    reauthenticate refresh register register_passkey remove_factors remove_totp rename_passkey
                    replace_signing_keys request_email_change request_email_verification request_password_reset
                    reset_password resume_account revocations rotate_oauth_client sessions set_account_role
                    signup_address signup_state start_device_login start_external_login start_page_sign_in start_totp
                    suspend_account tokens totp_state update_me verify verify_email waiting_device""",
        "platform": """accounts activity_audited acts admits_newcomers check_account_deletion delete_account has_account
                       identify_by_code identify_by_pass identify_by_password open_invited open_invited_by_pass
                       open_invited_on_page page_ways unaudited_activity""",
        CLIENTS: "jwks verify",
    },
    "tenant_auth": {
        GATEWAY: """change_project_auth change_user_password change_users confirm_enrolment confirm_phone_change
                    confirm_totp confirm_user_email_change confirm_user_signup cookie_access cookie_mode create_user
                    create_user_link create_user_link_ticket custom_token delete_me delete_passkey delete_user
                    delete_user_identity dev_mails end_own_session end_own_sessions end_user_sessions
                    exchange_user_code export_users finish_user_login impersonate_user import_users invite_user
                    is_cookie_origin jwks knows_address login login_with_code login_with_custom_token login_with_link
                    login_with_passkey login_with_phone login_with_second_factor logout mail_link_of_page mailed_target
                    me new_recovery_codes note_first_uses open_confirmed_user own_sessions own_user_activity
                    passkey_login_options passkey_options passkey_options_on_page passkeys project_auth
                    project_user_activity proof_options reauthenticate refresh register_passkey remove_phone
                    remove_totp rename_passkey request_phone_change request_phone_code request_user_code
                    request_user_email_change request_user_link request_user_password_reset request_user_verification
                    reset_user_factors reset_user_password revocations rotate_user_keys session_alive
                    sign_in_anonymously sign_in_look sign_in_on_page signup start_enrolment start_service_on_page
                    start_totp start_user_login totp_state update_me update_user user user_activity user_identities
                    user_invites user_link_target user_login_providers user_page user_sessions users verify_user_email
                    withdraw_user_invite""",
        "platform": "active_users_of_installation drop_project",
        "bundoc": "copied_users restore_users",
        "functions": """create_user custom_token delete_user end_user_sessions hooks_of_function invite_user me
                        monthly_active_users update_me update_user user users""",
    },
    "bundoc": {
        GATEWAY: """aggregate backup backup_job backup_schedule backups changes collection collections commit create
                    create_backup data_key delete delete_backup drop_collection export_documents get import_documents
                    list live misfits patch put put_collection query recheck restore_backup results
                    rotate_data_key set_backup_schedule test_rules unwatch verify_backup watch""",
        "platform": "drop_project stored_bytes stored_sizes",
        "functions": "aggregate changes collection collections commit create delete get list patch put query",
        "tenant_auth": "commit query",
        "buncast": "changes get",
        "storage": "get",
    },
    "storage": {
        GATEWAY: """abort_multipart abort_upload begin_chunk begin_multipart begin_part begin_resumable begin_upload
                    bucket buckets complete_multipart copy_object create_bucket delete_bucket delete_object
                    delete_objects end_resumable feed_chunk feed_upload files_key finish_chunk finish_part
                    finish_upload multiparts object_parts objects parts read resumable rotate_files_key set_tags
                    sign stored update_bucket""",
        "platform": "buckets drop_project",
        "bundoc": """abort_restore begin_restore commit_restore copied_blob copied_files feed_blob feed_list
                     file_projects files_state lacking_blobs prepare_restore prepared_restores release_files
                     restored_list""",
        "functions": """abort_upload begin_upload changes copy_object delete_object delete_objects feed_upload
                        finish_upload objects read sign""",
    },
    "buncast": {
        GATEWAY: """add_live_usage beat channels deliver join leave publish put_channels recheck replay set_presence""",
        "platform": "drop_project",
        "functions": "live_usage publish",
    },
    "functions": {
        GATEWAY: """begin_walk bundle change_walk delete_function delete_job delete_variable deploy enqueue_once feed
                    follow_logs function functions invoke job jobs logs rehearse_walk replay_job rollback runs
                    sandbox_layers schedules set_variable stats usage variables versions walk walks""",
        "platform": "drop_project pause_project",
        "storage": "add_file_usage",
        "bundoc": "hook_state refuse_hook_answer run_hook",
        "tenant_auth": "enqueue enqueue_hook hook_state refuse_hook_answer run_hook",
    },
    "platform": {
        GATEWAY: """accept_invite accept_invite_by_code accept_invite_by_pass accept_invite_by_password add_member
                    audit begin_act change_member check_active create_invite create_key create_org create_project
                    create_s3_credential create_service_account custody delete_account delete_invite delete_org
                    delete_project delete_s3_credential delete_service_account dev_mails end_act exchange_token
                    export_audit export_installation_audit inspection installation_audit installation_projects
                    installation_usage invitation invites key_holder keys keys_used managed_project members membership
                    note_refusals open_account_by_invite open_account_by_pass org orgs project project_of projects
                    register_by_invite remove_member rename_org resend_invite restore_project resume_project
                    revocations revoke_key rotate_key s3_credentials s3_holder send_invite_mail service_accounts
                    service_holder suspend_project transfer_project update_key update_project""",
    },
}

CALLERS: Final[Table] = {
    room: {caller: frozenset(methods.split()) for caller, methods in callers.items() if caller != NOBODY}
    for room, callers in MAY_CALL.items()
}
