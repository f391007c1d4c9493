-- Imported users of two projects may have the same id, so the id of a revocation begins with the project.
UPDATE revocations SET id = users.project || '/' || revocations.id
FROM users WHERE revocations.kind = 'user' AND users.id = split_part(revocations.id, ':', 1);
