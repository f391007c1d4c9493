"""Hashes of passwords that other systems made: bcrypt, scrypt, Firebase's scrypt, PBKDF2 and argon2.

    read_hash("$2a$10$…").matches("correct horse")

A hash is a text that begins with its scheme, as in the Password Hashing Competition's string format (PHC). The text
names the cost of one check, so the reader refuses a text whose check would take too long (`limits.py`).

    $2a$… $2b$… $2y$…                                     bcrypt
    $argon2i$… $argon2id$…                                argon2
    $scrypt$ln=14,r=8,p=1$salt$hash                       scrypt (RFC 7914); salt and hash in base64
    $pbkdf2-sha256$i=600000$salt$hash                     PBKDF2 (RFC 8018); also -sha1 and -sha512
    $fbscrypt$v=1,n=14,r=8,p=1,ss=…,sk=…$salt$hash        Firebase's scrypt, in the form that Supabase Auth writes
"""
