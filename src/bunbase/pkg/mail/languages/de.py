"""Mails in German."""

from __future__ import annotations

from typing import Final

from bunbase.pkg.mail.languages.texts import Language, Texts

NOT_YOU: Final = "Wenn du das nicht wolltest, kannst du diese Mail ignorieren. Ohne den Link ändert sich nichts."
CHECK_ACCOUNT: Final = (
    "Wenn du das nicht warst, setze sofort dein Passwort zurück und prüfe, wo dein Konto angemeldet ist."
)
CHECK_FACTOR: Final = (
    f"{CHECK_ACCOUNT} Ein neues Passwort entfernt diesen Faktor nicht: Entferne ihn selbst, oder bitte die "
    "Betreiber von "
    "$app darum."
)
TELL: Final = "Wenn du das nicht warst, melde dich sofort bei den Betreibern von $app."

LANGUAGE: Final = Language(
    texts={
        "verify_email": Texts(
            "Bestätige deine E-Mail-Adresse für $app",
            "Bestätige deine E-Mail-Adresse",
            "Bitte bestätige, dass $email deine Adresse ist. Der Link gilt $valid_for.",
            "Adresse bestätigen",
            "Wenn du kein Konto bei $app hast, kannst du diese Mail ignorieren.",
        ),
        "open_account": Texts(
            "Eröffne dein Konto bei $app",
            "Eröffne dein Konto",
            "Jemand möchte bei $app ein Konto mit der Adresse $email eröffnen. Warst du das? Dann wähle ein Passwort: "
            "Damit ist dein Konto eröffnet. Der Link gilt $valid_for.",
            "Passwort wählen",
            "Wenn du das nicht wolltest, kannst du diese Mail ignorieren. Ohne den Link entsteht kein Konto.",
        ),
        "confirm_new_email": Texts(
            "Bestätige deine neue E-Mail-Adresse für $app",
            "Bestätige deine neue E-Mail-Adresse",
            "Jemand möchte $email für das Konto bei $app verwenden. Warst du das? Dann bestätige die Adresse: Danach "
            "meldest du dich mit ihr an. Der Link gilt $valid_for.",
            "Diese Adresse verwenden",
            NOT_YOU,
        ),
        "email_change_requested": Texts(
            "Bestätige die Änderung deiner E-Mail-Adresse bei $app",
            "Deine E-Mail-Adresse soll sich ändern",
            "Jemand, der mit deinem Konto angemeldet ist, möchte die Adresse von $email auf $new_email ändern. "
            "Wenn du es "
            "warst, bestätige die Änderung. Der Link gilt $valid_for.",
            "Änderung bestätigen",
            CHECK_ACCOUNT,
        ),
        "email_changed": Texts(
            "Deine E-Mail-Adresse bei $app hat sich geändert",
            "Deine E-Mail-Adresse hat sich geändert",
            "Die Adresse deines Kontos bei $app ist nicht mehr $email. Du meldest dich jetzt mit $new_email an.",
            footer=TELL,
        ),
        "already_a_user": Texts(
            "Du kannst dich bei $app schon anmelden",
            "Du kannst dich schon anmelden",
            "Jemand wollte sich bei $app mit $email registrieren, aber diese Adresse hat dort schon ein Konto. "
            "Wenn du es "
            "warst, melde dich an. Wenn du dein Passwort vergessen hast, fordere bei der Anmeldung ein neues an.",
            footer="Wenn du es nicht warst, kannst du diese Mail ignorieren. Es hat sich nichts geändert.",
        ),
        "password_reset": Texts(
            "Setze dein Passwort für $app zurück",
            "Setze dein Passwort zurück",
            "Jemand hat ein neues Passwort für das Konto von $email angefordert. Wenn du es warst, wähle jetzt "
            "eines. Der "
            "Link gilt einmal, $valid_for lang.",
            "Neues Passwort wählen",
            "Wenn du das nicht wolltest, kannst du diese Mail ignorieren. Dein Passwort bleibt, wie es ist.",
        ),
        "password_changed": Texts(
            "Dein Passwort für $app wurde geändert",
            "Dein Passwort wurde geändert",
            "Das Passwort deines Kontos bei $app ($email) wurde geändert.",
            footer=CHECK_ACCOUNT,
        ),
        "factor_added": Texts(
            "Dein Konto bei $app hat einen weiteren zweiten Faktor",
            "Ein zweiter Faktor wurde hinzugefügt",
            "Mit diesem zweiten Faktor kannst du dich jetzt bei $app anmelden: $factor.",
            footer=CHECK_FACTOR,
        ),
        "factor_replaced": Texts(
            "Ein zweiter Faktor deines Kontos bei $app wurde ersetzt",
            "Ein zweiter Faktor wurde ersetzt",
            "Ein anderes Gerät hat jetzt diesen zweiten Faktor deines Kontos bei $app: $factor. Der bisherige "
            "gilt nicht "
            "mehr, und es gibt neue Wiederherstellungscodes.",
            footer=CHECK_FACTOR,
        ),
        "factor_removed": Texts(
            "Ein zweiter Faktor deines Kontos bei $app wurde entfernt",
            "Ein zweiter Faktor wurde entfernt",
            "Dieser zweite Faktor gilt für dein Konto bei $app nicht mehr: $factor.",
            footer=CHECK_ACCOUNT,
        ),
        "recovery_code_used": Texts(
            "Bei $app wurde ein Wiederherstellungscode verwendet",
            "Ein Wiederherstellungscode wurde verwendet",
            "Jemand hat sich mit einem Wiederherstellungscode bei deinem Konto bei $app angemeldet. So viele "
            "Codes sind "
            "noch übrig: $left.",
            footer=CHECK_ACCOUNT,
        ),
        "recovery_codes_replaced": Texts(
            "Dein Konto bei $app hat neue Wiederherstellungscodes",
            "Es gibt neue Wiederherstellungscodes",
            "Für dein Konto bei $app gibt es neue Wiederherstellungscodes. Die alten gelten nicht mehr.",
            footer=CHECK_ACCOUNT,
        ),
        "identity_linked": Texts(
            "Du kannst dich bei $app jetzt auch mit $service anmelden",
            "Eine Art der Anmeldung kam hinzu",
            "Du kannst dich bei deinem Konto bei $app jetzt mit $service anmelden.",
            footer=CHECK_ACCOUNT,
        ),
        "identity_removed": Texts(
            "Du kannst dich bei $app nicht mehr mit $service anmelden",
            "Eine Art der Anmeldung wurde entfernt",
            "Du kannst dich bei deinem Konto bei $app nicht mehr mit $service anmelden.",
            footer=CHECK_ACCOUNT,
        ),
        "new_sign_in": Texts(
            "Neue Anmeldung bei deinem Konto bei $app",
            "Neue Anmeldung bei deinem Konto",
            "Jemand hat sich bei deinem Konto bei $app ($email) mit einem Gerät angemeldet, das bisher nicht verwendet "
            "wurde.\n\nZeit: $at\n\nProgramm: $agent\n\nNetzwerkadresse: $ip",
            footer="Wenn du es warst, brauchst du nichts zu tun. " + CHECK_ACCOUNT,
        ),
        "wrong_codes": Texts(
            "Bei deinem Konto bei $app wurden falsche Codes eingegeben",
            "Es wurden falsche Codes eingegeben",
            "Jemand hat für dein Konto bei $app mehrere falsche Codes der Authentifizierungs-App eingegeben. "
            "Eine Zeit lang "
            "werden keine Codes angenommen; ein Wiederherstellungscode oder ein Passkey geht weiterhin.",
            footer="Wenn du es nicht warst, kennt vielleicht jemand dein Passwort: Wähle ein neues.",
        ),
        "account_deleted": Texts(
            "Dein Konto bei $app wurde gelöscht",
            "Dein Konto wurde gelöscht",
            "Das Konto von $email bei $app wurde gelöscht, mit allen Anmeldungen.",
            footer=TELL,
        ),
        "account_suspended": Texts(
            "Dein Konto bei $app wurde gesperrt",
            "Dein Konto wurde gesperrt",
            "Das Konto von $email bei $app wurde gesperrt. Niemand kann sich damit anmelden, und alle "
            "Anmeldungen wurden "
            "beendet.",
            footer="Frage die Betreiber von $app nach dem Grund.",
        ),
        "account_resumed": Texts(
            "Dein Konto bei $app ist wieder offen",
            "Dein Konto ist wieder offen",
            "Die Sperre des Kontos von $email bei $app wurde beendet. Du kannst dich wieder anmelden.",
        ),
        "user_invite": Texts(
            "Einladung zu $target",
            "Du bist zu $target eingeladen",
            "$inviter lädt dich ein. Du kannst bei $app mit $email ein Konto eröffnen. Die Einladung gilt $valid_for.",
            "Einladung annehmen",
            "Wenn du $app nicht kennst, kannst du diese Mail ignorieren.",
        ),
        "sign_in_code": Texts(
            "Dein Code für $app",
            "Dein Code für die Anmeldung",
            "Gib diesen Code ein, um dich bei $app anzumelden. Er gilt einmal, $valid_for lang.",
            footer="Sage diesen Code niemandem. Wenn du ihn nicht angefordert hast, kannst du diese Mail ignorieren.",
        ),
        "sign_in_link": Texts(
            "Melde dich bei $app an",
            "Melde dich bei $app an",
            "Mit diesem Link meldest du dich an. Er gilt einmal, $valid_for lang.",
            "Anmelden",
            "Wenn du das nicht wolltest, kannst du diese Mail ignorieren.",
        ),
    },
    units={
        "day": ("Tag", "Tage"),
        "hour": ("Stunde", "Stunden"),
        "minute": ("Minute", "Minuten"),
        "second": ("Sekunde", "Sekunden"),
    },
    factors={
        "an authenticator app": "eine Authentifizierungs-App",
        "the authenticator app and the recovery codes": "die Authentifizierungs-App und die Wiederherstellungscodes",
        "all passkeys": "alle Passkeys",
        "the authenticator app, the recovery codes and all passkeys": (
            "die Authentifizierungs-App, die Wiederherstellungscodes und alle Passkeys"
        ),
    },
    passkey="der Passkey „{name}“",
    fallback="Wenn der Knopf nicht funktioniert, öffne diese Adresse:",
)
