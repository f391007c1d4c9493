-- guesses: the number of comparisons of the present code by the network that asked for them.
ALTER TABLE sign_in_codes ADD COLUMN guesses jsonb NOT NULL DEFAULT '{}';
