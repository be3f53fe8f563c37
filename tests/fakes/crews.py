"""A crew whose members are threads of this process, over real connections and oracle models."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from multiprocessing.connection import Connection
from threading import Thread

from schemas import Calibration
from tests.fakes.models import OracleModel
from tests.fakes.pipelines import oracle
from workers.compose import open_enricher, outgoing_of
from workers.enrich.crew import Crew, Mate
from workers.enrich.crew_member import Member
from workers.enrich.worker import Worker
from workers.settings import DEFAULT_MODEL, Settings
from workers.transport.base import Transport

SOON_S = 0.02


@contextmanager
def crew_of(
    *models: OracleModel,
    settings: Settings | None = None,
    calibrations: Callable[[], Sequence[Calibration]] = tuple,
    silence_s: float = 60.0,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Crew]:
    """A member for each model."""
    settings = settings or Settings()
    with ExitStack() as stack:
        mates = []
        for model in models:
            ours, theirs = socket.socketpair()
            enricher = stack.enter_context(open_enricher(settings, {DEFAULT_MODEL: model}))
            member = Member(Connection(theirs.detach()), enricher, tell_s=SOON_S)
            thread = Thread(target=_work, args=(member, settings.epoch.max_in_flight), daemon=True)
            thread.start()
            stack.callback(thread.join, 10.0)
            mates.append(Mate(Connection(ours.detach()), fate=lambda: "it was told to", clock=clock))
        for mate in mates:
            stack.callback(mate.leave)
        yield Crew(mates, calibrations=calibrations, silence_s=silence_s, clock=clock)


def _work(member: Member, at_once: int) -> None:
    member.work(at_once=at_once)
    member.connection.close()  # as the end of a process does


@contextmanager
def crew_worker(
    transport: Transport,
    model: OracleModel | None = None,
    settings: Settings | None = None,
    calibrations: Callable[[], Sequence[Calibration]] = tuple,
) -> Iterator[Worker]:
    """As `oracle_worker`, with two members that have the same model."""
    settings, model = settings or Settings(), model or oracle()
    with crew_of(model, model, settings=settings, calibrations=calibrations) as crew:
        yield Worker(transport, crew, outgoing_of(settings), settings.epoch)
