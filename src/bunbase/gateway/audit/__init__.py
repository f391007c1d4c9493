"""The gateway's part of the audit log: it begins an entry before an act, and ends the entry with the outcome.

The life of one audited request:

    1. `callers.py` identifies the caller. `Auditor.begin` decides whether the act is audited (`policy.py`), refuses a
       caller without the role for it, and stores the entry.
    2. The handler runs. `AuditedApp` copies the first parts of the request's body and of the answer.
    3. `AuditedApp` ends the entry with the status, and with the values that `shown.py` allows.

Refused attempts are counted in `refusals.py`, so that a flood of them stores few entries.
"""
