"""The texts of all pages for end users. A language is a value of `Texts`, so every language has every text.

A text may contain the placeholders of the English text, such as `{app}`. `str.format` fills the placeholders, and the
result is escaped for HTML.
"""

from __future__ import annotations

import msgspec

from bunbase.pkg.password_rules import WeakReason


class Texts(msgspec.Struct, frozen=True, kw_only=True):
    """All texts of one language.

    `problems`: texts by the stable code of a Problem. The pages show such a text instead of the Problem's detail.
    `weak_passwords`: texts by the reason why a new password is refused.
    """

    language: str

    # Words on many pages.
    your_account: str
    email: str
    password: str
    code: str
    go_on: str
    back_to_sign_in: str
    back_to_app: str
    close_page: str
    password_hint: str

    # The page for signing in.
    sign_in: str
    forgot_password: str
    alternatives: str
    with_provider: str
    use_passkey: str
    passkey_failed: str
    by_email: str
    no_account: str
    create_account: str
    have_account: str

    # Codes and links by mail or text message.
    by_email_title: str
    by_email_text: str
    send_code: str
    send_link: str
    code_title: str
    code_text: str
    new_code: str
    by_phone: str
    by_phone_title: str
    by_phone_text: str
    phone: str
    phone_hint: str
    phone_code_text: str
    link_title: str
    link_text: str
    reset_title: str
    reset_text: str
    send_reset: str
    reset_sent: str
    sign_up_sent: str
    sign_up_by_mail: str
    look_in_mail: str

    # The second factor.
    second_factor: str
    second_factor_text: str
    enrol_title: str
    enrol_text: str
    enrol_link: str
    enrol_image: str
    turn_on: str
    recovery_title: str
    recovery_text: str
    recovery_file: str
    download: str
    copy: str
    copied: str
    copy_failed: str

    # The page that confirms an address.
    unverified_title: str
    unverified_text: str
    send_again: str
    verification_sent: str

    # The pages to which mails link.
    verify_title: str
    verify_text: str
    confirm: str
    verified_title: str
    change_title: str
    change_text: str
    confirm_change: str
    change_pending_title: str
    change_pending_text: str
    changed_title: str
    changed_text: str
    new_password_title: str
    new_password_text: str
    set_password: str
    password_set_title: str
    password_set_text: str
    sign_up_title: str
    sign_up_text: str
    signed_up_title: str
    signed_up_text: str
    link_sign_in_text: str

    # Errors.
    ask_again: str
    new_mail: str
    captcha_missing: str
    problem_title: str
    problem: str
    open_again: str
    wrong_email: str
    wrong_phone: str
    password_length: str
    weak_passwords: dict[WeakReason, str]
    problems: dict[str, str]
