"""The passwords that people choose most often, in lower case.

Attackers try these passwords first, also with a few digits or signs at the end. The list is small on purpose: for all
other passwords, the operator can use the list of haveibeenpwned (`password_rules.py`).
"""

from __future__ import annotations

from typing import Final

MAX_TAIL: Final = 5  # At most this many characters at the end of a password are ignored, such as a year and a sign.
TAIL: Final = "0123456789!.?*#@$_-+"

WORDS: Final = """
password passw0rd p@ssword p@ssw0rd pa$$word pa$$w0rd passwort passwords mypassword yourpassword thepassword
newpassword password1password kennwort motdepasse contraseña contrasena senha wachtwoord parola
admin administrator root superuser sysadmin webmaster manager operator default guest user username login logmein
letmein letmeinnow openup opensesame sesame access welcome welcometo changeme changeit changethis secret topsecret
mysecret private confidential security secure master masterkey test testing tester testtest testpass example demo
sample temp temporary temppass qwerty qwertyui qwertz qwertyuiop qwerty123456 asdfgh asdfasdf asdfghjk zxcvbn
zxcvbnm qazwsx qazwsxedc 1q2w3e4r 1q2w3e4r5t 1qaz2wsx 1qaz2wsx3edc q1w2e3r4 q1w2e3r4t5 zaq12wsx zaq1zaq1 abc123
abcd1234 abcabc a1b2c3d4 aa123456 a1234567 a12345678 123qwe 123qweasd 123abc 1234abcd 12345qwert 123123123 12341234
12121212 11223344 112233445566 123321123 123454321 1234554321 147258369 159357456 159753456 741852963 789456123
987654321 87654321 66668888 88888888 13131313 69696969 10203040 1029384756 iloveyou iloveu loveyou iloveyou2
loveme lovely sweetheart princess prince queen king sunshine flower butterfly rainbow angel angels
babygirl babyboy cutie honey cookie chocolate cheese banana orange strawberry pepper ginger football baseball
basketball softball soccer liverpool chelsea arsenal barcelona realmadrid manchester juventus
yankees steelers cowboys ferrari mercedes porsche mustang harley superman batman spiderman ironman
pokemon pikachu starwars startrek matrix naruto minecraft fortnite dragon monkey tigger tiger shadow phoenix hunter
killer ninja whatever trustno1 computer internet samsung google facebook michael jennifer jessica charlie
"""
COMMON: Final = frozenset(WORDS.split())


def is_common(password: str) -> bool:
    """True if a password, or its part before a short tail of digits and signs, is one of the most common passwords."""
    text = password.casefold().strip()
    stem = text.rstrip(TAIL)
    return text in COMMON or (stem in COMMON and len(text) - len(stem) <= MAX_TAIL)
