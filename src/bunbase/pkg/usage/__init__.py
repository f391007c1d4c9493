"""The usage of projects, in whole numbers per hour. Usage is never counted twice.

1. `usage.add(project, dimension, amount)` counts in memory, in the event loop. This takes about 70 ns (counters.py).
2. Every five seconds, the counts are frozen into a batch `(writer, seq)`. The writer sends the batch, always unchanged,
   until the store has acknowledged it (writer.py).
3. In one transaction, the store inserts the number of the batch and adds its amounts. If the number exists already, the
   store adds nothing (pkg/db/ledger.py).

So usage counts once even after a lost answer, a cancelled task, a timeout or a retry. kill -9 loses the batches that
were not acknowledged: at most five seconds of usage, if the store is reachable. The total can be too low, but never too
high. The reasons: docs/decisions/0039-usage-counts-once.md.
"""
