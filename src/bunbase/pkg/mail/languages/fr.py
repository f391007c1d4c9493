"""Mails in French."""

from __future__ import annotations

from typing import Final

from bunbase.pkg.mail.languages.texts import Language, Texts

NOT_YOU: Final = "Si vous n'avez rien demandé, ignorez ce message. Rien ne change tant que le lien n'est pas utilisé."
CHECK_ACCOUNT: Final = (
    "Si ce n'était pas vous, changez tout de suite votre mot de passe et vérifiez où votre compte est connecté."
)
CHECK_FACTOR: Final = (
    f"{CHECK_ACCOUNT} Un nouveau mot de passe ne retire pas ce facteur : retirez-le vous-même, ou demandez-le à "
    "l'équipe "
    "de $app."
)
TELL: Final = "Si ce n'était pas vous, prévenez tout de suite l'équipe de $app."

LANGUAGE: Final = Language(
    texts={
        "verify_email": Texts(
            "Confirmez votre adresse e-mail pour $app",
            "Confirmez votre adresse e-mail",
            "Confirmez que $email est votre adresse. Le lien est valable $valid_for.",
            "Confirmer cette adresse",
            "Si vous n'avez pas de compte chez $app, ignorez ce message.",
        ),
        "open_account": Texts(
            "Ouvrez votre compte chez $app",
            "Ouvrez votre compte",
            "Quelqu'un a demandé un compte chez $app avec l'adresse $email. Était-ce vous ? Alors choisissez un mot de "
            "passe : votre compte est ouvert ainsi. Le lien est valable $valid_for.",
            "Choisir un mot de passe",
            "Si vous n'avez rien demandé, ignorez ce message. Aucun compte n'est ouvert sans ce lien.",
        ),
        "confirm_new_email": Texts(
            "Confirmez votre nouvelle adresse e-mail pour $app",
            "Confirmez votre nouvelle adresse e-mail",
            "Quelqu'un veut utiliser $email pour son compte chez $app. Était-ce vous ? Alors confirmez l'adresse "
            ": vous "
            "vous connecterez avec elle. Le lien est valable $valid_for.",
            "Utiliser cette adresse",
            NOT_YOU,
        ),
        "email_change_requested": Texts(
            "Confirmez le changement de votre adresse e-mail chez $app",
            "Votre adresse e-mail va changer",
            "Une personne connectée à votre compte veut changer son adresse de $email à $new_email. Si c'était vous, "
            "confirmez le changement. Le lien est valable $valid_for.",
            "Confirmer le changement",
            CHECK_ACCOUNT,
        ),
        "email_changed": Texts(
            "Votre adresse e-mail chez $app a changé",
            "Votre adresse e-mail a changé",
            "L'adresse de votre compte chez $app n'est plus $email. Vous vous connectez maintenant avec $new_email.",
            footer=TELL,
        ),
        "already_a_user": Texts(
            "Vous pouvez déjà vous connecter à $app",
            "Vous pouvez déjà vous connecter",
            "Quelqu'un a voulu s'inscrire chez $app avec $email, mais cette adresse y a déjà un compte. Si "
            "c'était vous, "
            "connectez-vous. Si vous avez oublié votre mot de passe, demandez-en un nouveau à la connexion.",
            footer="Si ce n'était pas vous, ignorez ce message. Rien n'a changé.",
        ),
        "password_reset": Texts(
            "Choisissez un nouveau mot de passe pour $app",
            "Choisissez un nouveau mot de passe",
            "Quelqu'un a demandé un nouveau mot de passe pour le compte de $email. Si c'était vous, choisissez-le "
            "maintenant. Le lien fonctionne une fois, pendant $valid_for.",
            "Choisir un nouveau mot de passe",
            "Si vous n'avez rien demandé, ignorez ce message. Votre mot de passe reste le même.",
        ),
        "password_changed": Texts(
            "Votre mot de passe pour $app a changé",
            "Votre mot de passe a changé",
            "Le mot de passe de votre compte chez $app ($email) a été changé.",
            footer=CHECK_ACCOUNT,
        ),
        "factor_added": Texts(
            "Un second facteur a été ajouté à votre compte chez $app",
            "Un second facteur a été ajouté",
            "Vous pouvez maintenant vous connecter à $app avec ce second facteur : $factor.",
            footer=CHECK_FACTOR,
        ),
        "factor_replaced": Texts(
            "Un second facteur de votre compte chez $app a été remplacé",
            "Un second facteur a été remplacé",
            "Un autre appareil a maintenant ce second facteur de votre compte chez $app : $factor. L'ancien ne "
            "fonctionne "
            "plus, et il y a de nouveaux codes de secours.",
            footer=CHECK_FACTOR,
        ),
        "factor_removed": Texts(
            "Un second facteur a été retiré de votre compte chez $app",
            "Un second facteur a été retiré",
            "Ce second facteur ne fonctionne plus pour votre compte chez $app : $factor.",
            footer=CHECK_ACCOUNT,
        ),
        "recovery_code_used": Texts(
            "Un code de secours a servi à se connecter à $app",
            "Un code de secours a été utilisé",
            "Quelqu'un s'est connecté à votre compte chez $app avec un code de secours. Codes restants : $left.",
            footer=CHECK_ACCOUNT,
        ),
        "recovery_codes_replaced": Texts(
            "Votre compte chez $app a de nouveaux codes de secours",
            "Il y a de nouveaux codes de secours",
            "De nouveaux codes de secours ont été créés pour votre compte chez $app. Les anciens ne fonctionnent plus.",
            footer=CHECK_ACCOUNT,
        ),
        "identity_linked": Texts(
            "Vous pouvez maintenant vous connecter à $app avec $service",
            "Un moyen de connexion a été ajouté",
            "Vous pouvez maintenant vous connecter à votre compte chez $app avec $service.",
            footer=CHECK_ACCOUNT,
        ),
        "identity_removed": Texts(
            "Vous ne pouvez plus vous connecter à $app avec $service",
            "Un moyen de connexion a été retiré",
            "Vous ne pouvez plus vous connecter à votre compte chez $app avec $service.",
            footer=CHECK_ACCOUNT,
        ),
        "new_sign_in": Texts(
            "Nouvelle connexion à votre compte chez $app",
            "Nouvelle connexion à votre compte",
            "Quelqu'un s'est connecté à votre compte chez $app ($email) avec un appareil qui n'avait pas encore servi."
            "\n\nDate : $at\n\nProgramme : $agent\n\nAdresse réseau : $ip",
            footer="Si c'était vous, vous n'avez rien à faire. " + CHECK_ACCOUNT,
        ),
        "wrong_codes": Texts(
            "Des codes faux ont été saisis pour votre compte chez $app",
            "Des codes faux ont été saisis",
            "Quelqu'un a saisi plusieurs codes faux de l'application d'authentification pour votre compte chez "
            "$app. Les "
            "codes sont refusés pendant un moment ; un code de secours ou une clé d'accès fonctionne encore.",
            footer="Si ce n'était pas vous, quelqu'un connaît peut-être votre mot de passe : choisissez-en un nouveau.",
        ),
        "account_deleted": Texts(
            "Votre compte chez $app a été supprimé",
            "Votre compte a été supprimé",
            "Le compte de $email chez $app a été supprimé, avec toutes ses connexions.",
            footer=TELL,
        ),
        "account_suspended": Texts(
            "Votre compte chez $app a été suspendu",
            "Votre compte a été suspendu",
            "Le compte de $email chez $app a été suspendu. Personne ne peut s'y connecter, et toutes les "
            "connexions sont "
            "terminées.",
            footer="Demandez-en la raison à l'équipe de $app.",
        ),
        "account_resumed": Texts(
            "Votre compte chez $app est de nouveau ouvert",
            "Votre compte est de nouveau ouvert",
            "La suspension du compte de $email chez $app est terminée. Vous pouvez de nouveau vous connecter.",
        ),
        "user_invite": Texts(
            "Vous êtes invité à $target",
            "Vous êtes invité à $target",
            "$inviter vous invite. Vous pouvez ouvrir un compte chez $app avec $email. L'invitation est valable "
            "$valid_for.",
            "Accepter l'invitation",
            "Si vous ne connaissez pas $app, ignorez ce message.",
        ),
        "sign_in_code": Texts(
            "Votre code pour $app",
            "Votre code de connexion",
            "Saisissez ce code pour vous connecter à $app. Il fonctionne une fois, pendant $valid_for.",
            footer="Ne donnez ce code à personne. Si vous ne l'avez pas demandé, ignorez ce message.",
        ),
        "sign_in_link": Texts(
            "Connectez-vous à $app",
            "Connectez-vous à $app",
            "Utilisez ce lien pour vous connecter. Il fonctionne une fois, pendant $valid_for.",
            "Se connecter",
            "Si vous n'avez rien demandé, ignorez ce message.",
        ),
    },
    units={
        "day": ("jour", "jours"),
        "hour": ("heure", "heures"),
        "minute": ("minute", "minutes"),
        "second": ("seconde", "secondes"),
    },
    factors={
        "an authenticator app": "une application d'authentification",
        "the authenticator app and the recovery codes": "l'application d'authentification et les codes de secours",
        "all passkeys": "toutes les clés d'accès",
        "the authenticator app, the recovery codes and all passkeys": (
            "l'application d'authentification, les codes de secours et toutes les clés d'accès"
        ),
    },
    passkey="la clé d'accès « {name} »",
    fallback="Si le bouton ne fonctionne pas, ouvrez cette adresse :",
)
