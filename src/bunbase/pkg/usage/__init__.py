"""Usage of projects, in whole numbers per hour. Nothing is ever counted twice.

1. `usage.add(project, dimension, amount)` counts in memory, in the event loop, in about 70 ns (counters.py).
2. Every five seconds the counts are frozen into a batch `(writer, seq)`. The writer keeps the batch and sends it,
always
   unchanged, until the store has acknowledged it (writer.py).
3. The store inserts the number of the batch and adds its amounts in one transaction. If the number is there already,
   it adds nothing (pkg/db/ledger.py).

So usage counts once even after a lost answer, a cancelled task, a timeout or a retry. kill -9 loses the batches that
were not acknowledged: five seconds of usage while the store is reachable. The total can be too low, but never too
high. For the reasons see docs/decisions/0039-usage-counts-once.md.
"""
