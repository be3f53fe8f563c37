"""The Faust application: it reads the topics in batches, writes what changed to a table, and serves the page.

    read a record -> count it in memory -> write what changed, and how far it was read, to the table -> acknowledge

After a crash reading starts where the table says. What was written beyond that comes again, and the ledger knows it.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from typing import Any

import faust
from faust.auth import SSLCredentials
from mode import Service
from yarl import URL

from schemas import Correction
from workers.insights.committed import CommittedTransport, Position, StateTable
from workers.insights.counter import Counter, write
from workers.insights.proposals import fit_all
from workers.insights.refit import Groups
from workers.insights.state import Insights, scope_of
from workers.insights.web import Page
from workers.settings import InsightsSettings, KafkaSettings

TABLE = "state-v1"  # another form of the values gets another name, and is counted anew
WATCH_S = 2.0
SESSION_S = 10.0
RAW: dict[str, Any] = {"key_type": bytes, "value_type": bytes, "key_serializer": "raw", "value_serializer": "raw"}


def changelog_topic(group_id: str) -> str:
    """As Faust names it."""
    return f"{group_id}-{TABLE}-changelog"


def make_application(state: Insights, *, tls: ssl.SSLContext | None = None) -> Any:
    """A `faust.App`, not started. `tls` is needed where `kafka.security_protocol` says so."""
    kafka, settings = state.kafka, state.settings
    app = new_app(kafka, settings, tls, position=lambda partition: state.position(scope_of(*partition)))
    table = app.Table(TABLE, partitions=1, schema=faust.Schema(key_serializer="json", value_serializer="json"))
    table.on_recover(loader(state, table))
    corrections, alerts = app.topic(settings.corrections_topic, **RAW), app.topic(settings.alerts_topic, **RAW)
    calibrations = app.topic(state.calibration.topic, **RAW)
    counted = app.topic(
        kafka.enriched_topic, kafka.dead_topic, settings.corrections_topic, state.calibration.topic, **RAW
    )
    counter = Counter(state, table, app.transport.chain, app.transport.seek)
    app.agent(counted, name="count")(counter.count)
    app.timer(settings.batch_wait_ms / 1_000)(settler(counter))
    app.timer(WATCH_S)(watcher(state, table, alerts))
    app.timer(state.calibration.every_s)(proposer(state, calibrations))

    async def correct(correction: Correction) -> None:
        await (await corrections.send(key=correction.subject.encode(), value=correction.model_dump_json().encode()))

    @app.service
    class PageService(Service):  # type: ignore[misc]
        async def on_start(self) -> None:
            self.page = Page(state, correct=correct)
            await self.page.start()

        async def on_stop(self) -> None:
            await self.page.stop()

    return app


def new_app(kafka: KafkaSettings, settings: InsightsSettings, tls: ssl.SSLContext | None, *, position: Position) -> Any:
    broker = URL("kafka://" + ";".join(server.strip() for server in kafka.bootstrap_servers.split(",")))
    app: Any = faust.App(
        settings.group_id,
        broker=str(broker),
        broker_client_id=f"{kafka.client_id}-insights",
        broker_credentials=credentials(kafka, tls),
        broker_session_timeout=SESSION_S,
        broker_heartbeat_interval=SESSION_S / 5,
        broker_commit_interval=1.0,
        consumer_auto_offset_reset="earliest",
        # One process at a time: a static member that comes back takes over at once, and fences one that still runs.
        consumer_group_instance_id=f"{settings.group_id}-0",
        producer_compression_type="gzip",
        store="memory://",
        Table=StateTable,
        topic_disable_leader=True,
        web_enabled=False,
        worker_redirect_stdouts=False,
        stream_wait_empty=False,
    )
    app.transport = CommittedTransport([broker], app, position=position)
    return app


def loader(state: Insights, table: Any) -> Callable[[], Awaitable[None]]:
    async def load() -> None:
        """Once: a later recovery, after a rebalance, knows less than the memory does."""
        if not table.recovered:
            state.load(dict(table.items()))
            table.recovered = True

    return load


def settler(counter: Counter) -> Callable[[], Awaitable[None]]:
    async def settle() -> None:
        counter.settle()
        await counter.read_again()

    return settle


def watcher(state: Insights, table: Any, alerts: Any) -> Callable[[], Awaitable[None]]:
    async def watch() -> None:
        if not table.recovered:
            return
        state.took(0)
        told = state.watch()
        for alert in told:
            await (await alerts.send(key=alert.measure.encode(), value=alert.model_dump_json().encode()))
        state.told(told)
        write(state, table)

    return watch


def proposer(state: Insights, calibrations: Any) -> Callable[[], Awaitable[None]]:
    last: Groups = {}

    async def propose() -> None:
        """What is sent comes back by the topic and is known then, as what others say there."""
        nonlocal last
        if not state.caught_up or (groups := state.verdicts.scored()) == last:
            return
        fits = await asyncio.to_thread(fit_all, groups, state.calibration)
        for key, news in state.proposals.news(fits, at_s=state.clock()).items():
            value = None if news is None else news.model_dump_json().encode()
            await (await calibrations.send(key=key.encode(), value=value))
        last = groups

    return propose


def credentials(kafka: KafkaSettings, tls: ssl.SSLContext | None) -> Any:
    """Faust's form of `kafka.security_protocol` and what belongs to it."""
    if kafka.security_protocol.startswith("SASL"):
        assert kafka.sasl_password is not None
        return faust.SASLCredentials(
            username=kafka.sasl_username,
            password=kafka.sasl_password.get_secret_value(),
            mechanism=kafka.sasl_mechanism,
            ssl_context=tls,
        )
    return SSLCredentials(tls) if tls is not None else None


def run(state: Insights, *, tls: ssl.SSLContext | None = None) -> None:
    """Until SIGTERM or SIGINT. Raises SystemExit, as Faust's worker does."""
    app = make_application(state, tls=tls)
    worker = faust.Worker(app, quiet=True, override_logging=False, redirect_stdouts=False)
    worker.spinner = None  # draws on whatever the output is
    worker.execute_from_commandline()
