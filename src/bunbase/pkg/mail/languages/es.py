"""Mails in Spanish."""

from __future__ import annotations

from typing import Final

from bunbase.pkg.mail.languages.texts import Language, Texts

NOT_YOU: Final = "Si no lo has pedido, puedes ignorar este mensaje. Nada cambia mientras no se use el enlace."
CHECK_ACCOUNT: Final = (
    "Si no has sido tú, cambia tu contraseña enseguida y comprueba en qué dispositivos está abierta tu cuenta."
)
CHECK_FACTOR: Final = (
    f"{CHECK_ACCOUNT} Una contraseña nueva no quita este factor: quítalo tú, o pídelo al equipo de $app."
)
TELL: Final = "Si no has sido tú, avisa enseguida al equipo de $app."

LANGUAGE: Final = Language(
    texts={
        "verify_email": Texts(
            "Confirma tu dirección de correo para $app",
            "Confirma tu dirección de correo",
            "Confirma que $email es tu dirección. El enlace vale $valid_for.",
            "Confirmar esta dirección",
            "Si no tienes cuenta en $app, puedes ignorar este mensaje.",
        ),
        "open_account": Texts(
            "Abre tu cuenta en $app",
            "Abre tu cuenta",
            "Alguien ha pedido una cuenta en $app con la dirección $email. ¿Has sido tú? Entonces elige una "
            "contraseña: así "
            "se abre tu cuenta. El enlace vale $valid_for.",
            "Elegir una contraseña",
            "Si no lo has pedido, puedes ignorar este mensaje. Sin el enlace no se abre ninguna cuenta.",
        ),
        "confirm_new_email": Texts(
            "Confirma tu nueva dirección de correo para $app",
            "Confirma tu nueva dirección de correo",
            "Alguien quiere usar $email para su cuenta en $app. ¿Has sido tú? Entonces confirma la dirección: "
            "desde ese "
            "momento entras con ella. El enlace vale $valid_for.",
            "Usar esta dirección",
            NOT_YOU,
        ),
        "email_change_requested": Texts(
            "Confirma el cambio de tu dirección de correo en $app",
            "Tu dirección de correo va a cambiar",
            "Alguien que ha entrado en tu cuenta quiere cambiar su dirección de $email a $new_email. Si has sido tú, "
            "confirma el cambio. El enlace vale $valid_for.",
            "Confirmar el cambio",
            CHECK_ACCOUNT,
        ),
        "email_changed": Texts(
            "Tu dirección de correo en $app ha cambiado",
            "Tu dirección de correo ha cambiado",
            "La dirección de tu cuenta en $app ya no es $email. Ahora entras con $new_email.",
            footer=TELL,
        ),
        "already_a_user": Texts(
            "Ya puedes entrar en $app",
            "Ya puedes entrar",
            "Alguien ha querido registrarse en $app con $email, pero esta dirección ya tiene una cuenta. Si has "
            "sido tú, "
            "entra. Si has olvidado tu contraseña, pide una nueva al entrar.",
            footer="Si no has sido tú, puedes ignorar este mensaje. Nada ha cambiado.",
        ),
        "password_reset": Texts(
            "Elige una contraseña nueva para $app",
            "Elige una contraseña nueva",
            "Alguien ha pedido una contraseña nueva para la cuenta de $email. Si has sido tú, elígela ahora. El enlace "
            "funciona una vez, durante $valid_for.",
            "Elegir una contraseña nueva",
            "Si no lo has pedido, puedes ignorar este mensaje. Tu contraseña sigue igual.",
        ),
        "password_changed": Texts(
            "Tu contraseña para $app ha cambiado",
            "Tu contraseña ha cambiado",
            "Se ha cambiado la contraseña de tu cuenta en $app ($email).",
            footer=CHECK_ACCOUNT,
        ),
        "factor_added": Texts(
            "Tu cuenta en $app tiene un nuevo segundo factor",
            "Se ha añadido un segundo factor",
            "Ahora puedes entrar en $app con este segundo factor: $factor.",
            footer=CHECK_FACTOR,
        ),
        "factor_replaced": Texts(
            "Se ha sustituido un segundo factor de tu cuenta en $app",
            "Se ha sustituido un segundo factor",
            "Otro dispositivo tiene ahora este segundo factor de tu cuenta en $app: $factor. El anterior ya no "
            "funciona, y "
            "hay códigos de recuperación nuevos.",
            footer=CHECK_FACTOR,
        ),
        "factor_removed": Texts(
            "Se ha quitado un segundo factor de tu cuenta en $app",
            "Se ha quitado un segundo factor",
            "Este segundo factor ya no funciona para tu cuenta en $app: $factor.",
            footer=CHECK_ACCOUNT,
        ),
        "recovery_code_used": Texts(
            "Se ha usado un código de recuperación para entrar en $app",
            "Se ha usado un código de recuperación",
            "Alguien ha entrado en tu cuenta en $app con un código de recuperación. Códigos que quedan: $left.",
            footer=CHECK_ACCOUNT,
        ),
        "recovery_codes_replaced": Texts(
            "Tu cuenta en $app tiene códigos de recuperación nuevos",
            "Hay códigos de recuperación nuevos",
            "Se han creado códigos de recuperación nuevos para tu cuenta en $app. Los anteriores ya no funcionan.",
            footer=CHECK_ACCOUNT,
        ),
        "identity_linked": Texts(
            "Ahora puedes entrar en $app con $service",
            "Se ha añadido una forma de entrar",
            "Ahora puedes entrar en tu cuenta en $app con $service.",
            footer=CHECK_ACCOUNT,
        ),
        "identity_removed": Texts(
            "Ya no puedes entrar en $app con $service",
            "Se ha quitado una forma de entrar",
            "Ya no puedes entrar en tu cuenta en $app con $service.",
            footer=CHECK_ACCOUNT,
        ),
        "new_sign_in": Texts(
            "Nueva entrada en tu cuenta en $app",
            "Nueva entrada en tu cuenta",
            "Alguien ha entrado en tu cuenta en $app ($email) con un dispositivo que no se había usado antes."
            "\n\nHora: $at\n\nPrograma: $agent\n\nDirección de red: $ip",
            footer="Si has sido tú, no tienes que hacer nada. " + CHECK_ACCOUNT,
        ),
        "wrong_codes": Texts(
            "Se han escrito códigos incorrectos para tu cuenta en $app",
            "Se han escrito códigos incorrectos",
            "Alguien ha escrito varios códigos incorrectos de la aplicación de autenticación para tu cuenta en $app. "
            "Durante un tiempo no se aceptan códigos; un código de recuperación o una llave de acceso sigue "
            "funcionando.",
            footer="Si no has sido tú, quizá alguien conoce tu contraseña: elige una nueva.",
        ),
        "account_deleted": Texts(
            "Tu cuenta en $app se ha borrado",
            "Tu cuenta se ha borrado",
            "La cuenta de $email en $app se ha borrado, con todas sus sesiones.",
            footer=TELL,
        ),
        "account_suspended": Texts(
            "Tu cuenta en $app se ha suspendido",
            "Tu cuenta se ha suspendido",
            "La cuenta de $email en $app se ha suspendido. Nadie puede entrar en ella, y todas las sesiones han "
            "terminado.",
            footer="Pregunta la razón al equipo de $app.",
        ),
        "account_resumed": Texts(
            "Tu cuenta en $app vuelve a estar abierta",
            "Tu cuenta vuelve a estar abierta",
            "La suspensión de la cuenta de $email en $app ha terminado. Puedes volver a entrar.",
        ),
        "user_invite": Texts(
            "Tienes una invitación a $target",
            "Tienes una invitación a $target",
            "$inviter te invita. Puedes abrir una cuenta en $app con $email. La invitación vale $valid_for.",
            "Aceptar la invitación",
            "Si no conoces $app, puedes ignorar este mensaje.",
        ),
        "sign_in_code": Texts(
            "Tu código para $app",
            "Tu código para entrar",
            "Escribe este código para entrar en $app. Funciona una vez, durante $valid_for.",
            footer="No digas este código a nadie. Si no lo has pedido, puedes ignorar este mensaje.",
        ),
        "sign_in_link": Texts(
            "Entra en $app",
            "Entra en $app",
            "Usa este enlace para entrar. Funciona una vez, durante $valid_for.",
            "Entrar",
            "Si no lo has pedido, puedes ignorar este mensaje.",
        ),
    },
    units={
        "day": ("día", "días"),
        "hour": ("hora", "horas"),
        "minute": ("minuto", "minutos"),
        "second": ("segundo", "segundos"),
    },
    factors={
        "an authenticator app": "una aplicación de autenticación",
        "the authenticator app and the recovery codes": "la aplicación de autenticación y los códigos de recuperación",
        "all passkeys": "todas las llaves de acceso",
        "the authenticator app, the recovery codes and all passkeys": (
            "la aplicación de autenticación, los códigos de recuperación y todas las llaves de acceso"
        ),
    },
    passkey="la llave de acceso «{name}»",
    fallback="Si el botón no funciona, abre esta dirección:",
)
