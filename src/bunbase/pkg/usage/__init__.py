"""Usage: what projects used, counted once and for good, in whole numbers by the hour.

1. `usage.add(project, dimension, amount)` counts in memory, in the event loop, for some 70 ns (counters.py).
2. Every five seconds the counts are frozen into a batch `(writer, seq)`, which is sent and kept until the store has
   acknowledged it; a retry sends the same batch (writer.py).
3. The store takes the batch's number and its amounts in one transaction; a number that is there already adds nothing
   (pkg/db/ledger.py).

So a lost answer, a cancelled task, a timeout or a retry counts once. kill -9 loses what was not acknowledged, five
seconds while the store is in reach: always too little, never too much. Why so: docs/decisions/0039.
"""
