-- A new mail ends the links of earlier mails to its address. Addresses have at most 254 bytes, so each fits the index.
CREATE INDEX mail_tokens_email ON mail_tokens (project, email);
