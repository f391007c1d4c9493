CREATE TABLE owners (
    owner text PRIMARY KEY,
    created_at timestamptz NOT NULL DEFAULT now(),
    destroyed_at timestamptz  -- the row stays, so that a destroyed owner can never get new keys
);

CREATE TABLE key_versions (
    owner text NOT NULL REFERENCES owners,
    version int NOT NULL CHECK (version >= 1),
    wrapped bytea NOT NULL,  -- 256-bit key-encryption key under the master key
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (owner, version)
);

CREATE TABLE signing_keys (
    owner text PRIMARY KEY REFERENCES owners,
    kid text NOT NULL,
    n text NOT NULL,  -- public modulus and exponent as in a JWK
    e text NOT NULL,
    wrapped bytea NOT NULL,  -- PKCS #8 private key under the master key
    created_at timestamptz NOT NULL DEFAULT now()
);
