-- A user with an address, a number or a password has signed up. Earlier releases left some of them anonymous.
UPDATE users SET anonymous = false
WHERE anonymous AND (email IS NOT NULL OR phone IS NOT NULL OR password_hash IS NOT NULL);
ALTER TABLE users ADD CONSTRAINT users_anonymous
    CHECK (NOT anonymous OR (email IS NULL AND phone IS NULL AND password_hash IS NULL));
