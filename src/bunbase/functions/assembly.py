"""Creates all parts of Functions and connects them."""

from __future__ import annotations

import asyncio

from bunbase.contracts.buncast import Buncast
from bunbase.contracts.bundoc.service import Bundoc
from bunbase.contracts.bunkms import Kms
from bunbase.contracts.tenant_auth.service import TenantAuth
from bunbase.functions.egress.fetcher import Fetcher
from bunbase.functions.host_calls.dispatch import HostCalls, HostRooms
from bunbase.functions.logs.buffer import LogBuffer
from bunbase.functions.logs.followers import Followers
from bunbase.functions.logs.retention import LogRetention
from bunbase.functions.logs.stack_traces import StackTraces
from bunbase.functions.logs.warnings import LogWarnings
from bunbase.functions.service import FunctionsService
from bunbase.functions.service.bundles import Bundles
from bunbase.functions.service.deletion import Deletion
from bunbase.functions.service.deployments import Deployments
from bunbase.functions.service.hooks import Hooks
from bunbase.functions.service.invocations import Invocations
from bunbase.functions.service.kept_calls import KeptCalls
from bunbase.functions.service.logs import Logs
from bunbase.functions.service.statistics import Statistics, UsageOfOthers
from bunbase.functions.service.triggers import Triggers
from bunbase.functions.service.variables import ProjectVariables
from bunbase.functions.service.walks import WalkService
from bunbase.functions.settings import FunctionsSettings
from bunbase.functions.store import Stores
from bunbase.functions.triggers.activation import TriggerActivation
from bunbase.functions.triggers.attempts import Attempts
from bunbase.functions.triggers.batches import Batches
from bunbase.functions.triggers.feeds import Feeds
from bunbase.functions.triggers.queue import Queue
from bunbase.functions.triggers.records import RunRecords
from bunbase.functions.triggers.retention import RunRetention
from bunbase.functions.triggers.runner import Runner
from bunbase.functions.triggers.scheduler import Scheduler
from bunbase.functions.usage.meter import Meter
from bunbase.functions.versions.active import ActiveVersions
from bunbase.functions.versions.environments import Environments
from bunbase.functions.versions.loadable import Loadable
from bunbase.functions.versions.programs import Programs
from bunbase.functions.versions.rollout import Rollout
from bunbase.functions.walks.backfilling import Backfilling
from bunbase.functions.walks.migrating import Migrating
from bunbase.functions.walks.rehearsing import Rehearsing
from bunbase.functions.walks.transforming import Transforming
from bunbase.functions.walks.walker import Walker
from bunbase.functions.workers.pool import Pool
from bunbase.functions.workers.starter import Starter
from bunbase.pkg.clock import Clock
from bunbase.pkg.ids import new_id
from bunbase.pkg.modules import Rooms


def assemble(
    stores: Stores, rooms: Rooms, fetcher: Fetcher, starter: Starter, clock: Clock, settings: FunctionsSettings
) -> FunctionsService:
    """Return the service with all its parts. Nothing runs yet.

    This function is long because it only creates objects: each line needs only the lines above it. There is one circle:
    queue → runner → pool → program → host calls → queue. The event `job_added` breaks the circle: the queue sets the
    event, and the runner waits for the event.
    """
    bundoc, job_added = rooms[Bundoc], asyncio.Event()
    holder = new_id("process")  # Leases of jobs, of followed projects and of walks contain this id of the process.

    active = ActiveVersions(stores.functions.deployment)
    loadable = Loadable(stores.functions.loaded)
    environments = Environments(stores.variables, rooms[Kms])

    stack_traces = StackTraces(stores.functions.source_map)
    log_lines = LogBuffer(stores.logs.add_once, clock, stack_traces.translated)
    warn = LogWarnings(log_lines.say, active.find).warn
    meter = Meter(stores.hours.add, clock)

    queue = Queue(stores.jobs, clock, settings.max_jobs_per_project, job_added.set)
    rooms_of_calls = HostRooms(bundoc, rooms[TenantAuth], rooms.later(Buncast))
    host_calls = HostCalls(rooms_of_calls, fetcher, environments.all_values, queue, warn)
    load = Programs(loadable, environments, host_calls).load
    pool = Pool(starter, load, log_lines.say, settings, meter.count_call, meter.count_death)
    rollout = Rollout(stores.functions, stores.notifications, active, loadable, pool)

    records = RunRecords(stores, clock, settings.retry_seconds, holder)
    batches = Batches(stores.batches, records, active.find, settings.max_put_off_seconds)
    attempts = Attempts(records, batches, bundoc, active.find, pool.start)
    feeds = Feeds(stores.subscriptions, queue, bundoc, records, warn, settings.max_followed_projects)
    activation = TriggerActivation(bundoc, feeds)

    transforming = Transforming(active, pool.start, clock)
    migrating = Migrating(stores.walks, bundoc, transforming, clock, holder)
    backfilling = Backfilling(stores.walks, bundoc, queue, active)
    rehearsing = Rehearsing(bundoc, transforming)

    kept_calls = KeptCalls(stores.kept_calls, rooms[Kms], clock, settings.wait_seconds)

    bundles = Bundles(environments, starter, clock)
    followers = Followers(stores.notifications)
    return FunctionsService(
        deployments=Deployments(stores.functions, bundles, activation, rollout, settings),
        invocations=Invocations(active, pool, meter, settings, kept_calls),
        hooks=Hooks(stores.functions, active, pool, meter, records, queue, log_lines),
        log_reading=Logs(stores, log_lines, followers),
        statistics=Statistics(stores, meter, clock, settings, UsageOfOthers(rooms[TenantAuth], rooms.later(Buncast))),
        environment=ProjectVariables(stores.variables, environments, rollout, clock, settings),
        triggers=Triggers(stores, queue, clock, kept_calls),
        walking=WalkService(stores.walks, stores.functions, bundoc, transforming, rehearsing, clock),
        deletion=Deletion(stores, rollout, environments, stack_traces, meter, log_lines, rooms[TenantAuth], bundoc),
        kept_calls=kept_calls,
        stores=stores,
        starter=starter,
        pool=pool,
        rollout=rollout,
        host_calls=host_calls,
        log_lines=log_lines,
        followers=followers,
        log_retention=LogRetention(stores.logs, clock, settings),
        meter=meter,
        runner=Runner(records, batches, attempts, settings, job_added),
        scheduler=Scheduler(stores.schedules, queue, records),
        feeds=feeds,
        walker=Walker(stores.walks, migrating, backfilling, holder),
        run_retention=RunRetention(stores, feeds, clock, settings),
    )
