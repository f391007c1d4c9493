"""All SQL of Functions: one file for each kind of row."""

from __future__ import annotations

from bunbase.functions.store.batches import BatchStore
from bunbase.functions.store.functions import FunctionStore
from bunbase.functions.store.hours import HourStore
from bunbase.functions.store.jobs import JobStore
from bunbase.functions.store.kept_calls import KeptCallStore
from bunbase.functions.store.logs import LogStore
from bunbase.functions.store.notifications import Notifications
from bunbase.functions.store.runs import RunStore
from bunbase.functions.store.schedules import ScheduleStore
from bunbase.functions.store.subscriptions import SubscriptionStore
from bunbase.functions.store.variables import VariableStore
from bunbase.functions.store.walks import WalkStore
from bunbase.pkg.db.database import Database


class Stores:
    def __init__(self, db: Database) -> None:
        self.functions = FunctionStore(db)
        self.variables = VariableStore(db)
        self.logs = LogStore(db)
        self.hours = HourStore(db)
        self.notifications = Notifications(db)
        self.jobs = JobStore(db)
        self.batches = BatchStore(db)
        self.kept_calls = KeptCallStore(db)
        self.runs = RunStore(db)
        self.schedules = ScheduleStore(db)
        self.subscriptions = SubscriptionStore(db)
        self.walks = WalkStore(db)
