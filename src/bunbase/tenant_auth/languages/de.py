"""The German texts."""

from __future__ import annotations

from typing import Final

from bunbase.tenant_auth.languages.texts import Texts

TEXTS: Final = Texts(
    language="de",
    your_account="Ihr Konto",
    email="E-Mail-Adresse",
    password="Passwort",
    code="Code",
    go_on="Weiter",
    back_to_sign_in="Zurück zur Anmeldung",
    back_to_app="Zurück zu {app}",
    close_page="Sie können diese Seite schließen und zur App zurückkehren.",
    password_hint="Mindestens {least} Zeichen.",
    sign_in="Anmelden",
    forgot_password="Passwort vergessen?",
    alternatives="oder",
    with_provider="Weiter mit {name}",
    use_passkey="Passkey verwenden",
    passkey_failed="Der Passkey konnte nicht verwendet werden. Versuchen Sie es noch einmal oder auf anderem Weg.",
    by_email="Per E-Mail anmelden, ohne Passwort",
    no_account="Neu hier?",
    create_account="Konto anlegen",
    have_account="Sie haben schon ein Konto?",
    by_email_title="Per E-Mail anmelden",
    by_email_text="Wir senden Ihnen einen Code aus sechs Ziffern oder einen Link. Beide gelten einmal.",
    send_code="Code senden",
    send_link="Link senden",
    code_title="Code eingeben",
    code_text="Wenn sich {email} hier anmelden darf, ist eine E-Mail mit einem Code aus sechs Ziffern unterwegs.",
    new_code="Neuen Code senden",
    link_title="Sehen Sie in Ihr Postfach",
    link_text="Wenn sich {email} hier anmelden darf, ist eine E-Mail mit einem Link unterwegs. Öffnen Sie ihn in "
    "diesem Browser.",
    reset_title="Neues Passwort setzen",
    reset_text="Wir senden Ihnen einen Link, mit dem Sie ein neues Passwort wählen.",
    send_reset="Link senden",
    reset_sent="Wenn {email} ein Konto hat, ist eine E-Mail mit einem Link unterwegs.",
    sign_up_sent="Eine E-Mail an {email} sagt Ihnen, wie es weitergeht.",
    sign_up_by_mail="Wir senden Ihnen einen Link. Dort wählen Sie das Passwort.",
    look_in_mail="Sehen Sie in Ihr Postfach",
    second_factor="Zweiter Faktor",
    second_factor_text="Ihr Konto hat einen zweiten Faktor. Geben Sie einen Code Ihrer Authenticator-App ein oder "
    "einen Wiederherstellungscode.",
    enrol_title="Zweiten Faktor einrichten",
    enrol_text="{app} verlangt einen zweiten Faktor. Fügen Sie diesen Schlüssel einer Authenticator-App hinzu und "
    "geben Sie dann den Code ein, den sie zeigt.",
    enrol_link="Authenticator-App auf diesem Gerät öffnen",
    turn_on="Einschalten",
    recovery_title="Bewahren Sie Ihre Wiederherstellungscodes auf",
    recovery_text="Mit jedem Code können Sie sich einmal anmelden, wenn Sie Ihre Authenticator-App verlieren. Die "
    "Codes werden nur hier gezeigt.",
    unverified_title="Adresse bestätigen",
    unverified_text="{email} ist noch nicht bestätigt. Benutzen Sie den Link in unserer E-Mail und melden Sie sich "
    "dann an.",
    send_again="E-Mail noch einmal senden",
    verification_sent="Eine neue E-Mail an {email} ist unterwegs.",
    verify_title="Adresse bestätigen",
    verify_text="Bestätigen Sie, dass diese E-Mail-Adresse Ihnen gehört.",
    confirm="Bestätigen",
    verified_title="Ihre Adresse ist bestätigt",
    change_title="Adresse ändern",
    change_text="Bestätigen Sie die neue Adresse Ihres Kontos.",
    confirm_change="Änderung bestätigen",
    change_pending_title="Ein Schritt fehlt noch",
    change_pending_text="Auch die andere Adresse muss die Änderung bestätigen: mit dem Link der E-Mail, die dorthin "
    "gesendet wurde.",
    changed_title="Ihre Adresse ist geändert",
    changed_text="Melden Sie sich von jetzt an mit der neuen Adresse an.",
    new_password_title="Neues Passwort setzen",
    new_password_text="Wählen Sie ein neues Passwort. Sie werden auf allen Geräten abgemeldet.",
    set_password="Passwort setzen",
    password_set_title="Ihr Passwort ist gesetzt",
    password_set_text="Sie sind auf allen Geräten abgemeldet. Melden Sie sich mit dem neuen Passwort an.",
    sign_up_title="Passwort wählen",
    sign_up_text="Wählen Sie ein Passwort. Damit wird Ihr Konto angelegt und Ihre Adresse bestätigt.",
    signed_up_title="Ihr Konto ist bereit",
    signed_up_text="Sie können diese Seite schließen und sich in der App anmelden.",
    link_sign_in_text="In diesem Browser bei {app} anmelden.",
    captcha_needs_script="Schalten Sie JavaScript für diese Seite ein: Sie muss prüfen, dass Sie ein Mensch sind.",
    problem_title="Das hat nicht geklappt",
    problem="Etwas ist schiefgegangen. Versuchen Sie es noch einmal.",
    open_again="Gehen Sie zurück zur App und beginnen Sie noch einmal. Wenn Sie den Link einer E-Mail benutzt haben, "
    "lassen Sie sich eine neue senden.",
    wrong_email="Geben Sie eine ganze E-Mail-Adresse ein, zum Beispiel ada@example.com.",
    password_length="Ein Passwort hat {least} bis {most} Zeichen.",
    problems={
        "access_denied": "Die Anmeldung wurde beim anderen Dienst abgelehnt.",
        "captcha_refused": "Die Prüfung, dass Sie ein Mensch sind, ist gescheitert. Versuchen Sie es noch einmal.",
        "captcha_required": "Zeigen Sie zuerst, dass Sie ein Mensch sind.",
        "captcha_unavailable": "Die Prüfung, dass Sie ein Mensch sind, antwortet nicht. Versuchen Sie es gleich noch "
        "einmal.",
        "challenge_expired": "Das hat zu lange gedauert oder wurde zu oft versucht. Melden Sie sich noch einmal an.",
        "email_domain_not_allowed": "Diese App ist nur für Adressen bestimmter Domains.",
        "email_not_verified": "Diese Adresse ist noch nicht bestätigt.",
        "email_taken": "Ein Konto mit dieser Adresse gibt es schon. Melden Sie sich stattdessen an.",
        "external_email_not_verified": "Der andere Dienst hat Ihre Adresse nicht geprüft. Melden Sie sich auf anderem "
        "Weg an.",
        "external_login_expired": "Diese Anmeldung ist vorbei oder begann in einem anderen Browser. Melden Sie sich "
        "noch einmal an.",
        "identity_taken": "Diese Identität gehört zu einem anderen Konto.",
        "invalid_code": "Dieser Code ist falsch oder gilt nicht mehr. Lassen Sie sich nach fünf falschen Codes einen "
        "neuen senden.",
        "invalid_credentials": "E-Mail-Adresse oder Passwort ist falsch.",
        "link_expired": "Dieser Link wurde schon benutzt oder ist abgelaufen. Lassen Sie sich eine neue E-Mail senden.",
        "provider_error": "Der andere Dienst hat nicht wie erwartet geantwortet. Versuchen Sie es noch einmal oder auf "
        "anderem Weg.",
        "provider_not_found": "Diesen Anmeldedienst hat die App nicht.",
        "provider_unavailable": "Der andere Dienst hat nicht wie erwartet geantwortet. Versuchen Sie es noch einmal "
        "oder auf anderem Weg.",
        "rate_limited": "Das waren zu viele Versuche. Warten Sie eine Weile, bevor Sie es noch einmal versuchen.",
        "sign_in_busy": "Gerade melden sich zu viele Menschen an. Versuchen Sie es in ein paar Sekunden noch einmal.",
        "signups_closed": "Diese App nimmt keine neuen Konten an. Fragen Sie die Betreiber.",
        "too_many_users": "Diese App kann keine weiteren Konten annehmen. Sagen Sie es den Betreibern.",
        "unreachable": "Ein Teil des Servers ist nicht erreichbar. Versuchen Sie es gleich noch einmal.",
        "user_banned": "Dieses Konto ist gesperrt. Fragen Sie die Betreiber der App.",
        "weak_password": "Dieses Passwort ist leicht zu erraten, aus einem Datenleck bekannt oder ein früheres. Wählen "
        "Sie ein anderes.",
        "wrong_code": "Dieser Code ist falsch oder wurde schon benutzt.",
        "wrong_passkey": "Dieser Passkey wurde nicht angenommen. Versuchen Sie es noch einmal oder auf anderem Weg.",
    },
)
