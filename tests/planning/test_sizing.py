"""Laws of a plan: enough work is done, no worker is without a partition, and more is never needed for less."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from workers.errors import ConfigurationError
from workers.planning.queueing import Lengths
from workers.planning.sizing import Demand, Plan, size

SPEED, EPOCH_S = 5_000.0, 0.1

demands = st.builds(
    Demand,
    documents_per_s=st.floats(0.01, 5_000),
    lengths=st.builds(lambda p50, times: Lengths(p50, p50 * times), st.floats(10, 2_000), st.floats(1, 8)),
    latency_s=st.floats(0.5, 60),
    share=st.floats(0.5, 0.99),
    max_utilization=st.floats(0.2, 0.95),
    outage_s=st.floats(1, 86_400),
)


def planned(demand: Demand) -> Plan:
    """Skips what no number of workers can do."""
    try:
        return size(demand, tokens_per_s=SPEED, epoch_s=EPOCH_S)
    except ConfigurationError:
        assume(False)
        raise


@given(demand=demands)
def test_a_plan_does_at_least_the_work_that_arrives_within_what_was_asked(demand: Demand) -> None:
    plan = planned(demand)
    assert plan.workers * SPEED * demand.max_utilization >= demand.documents_per_s * demand.lengths.mean * (1 - 1e-9)
    assert plan.partitions >= plan.workers >= 1
    assert plan.utilization <= demand.max_utilization
    assert plan.latency_s <= demand.latency_s


@given(demand=demands)
def test_one_worker_less_would_not_do(demand: Demand) -> None:
    plan = planned(demand)
    assume(plan.workers > 1)
    fewer = replace(demand, partitions=plan.workers - 1)
    with pytest.raises(ConfigurationError):
        size(fewer, tokens_per_s=SPEED, epoch_s=EPOCH_S)


@given(demand=demands, times=st.floats(1, 10))
def test_more_load_never_needs_fewer_workers(demand: Demand, times: float) -> None:
    more = replace(demand, documents_per_s=demand.documents_per_s * times)
    assert planned(more).workers >= planned(demand).workers


@given(demand=demands, times=st.floats(1, 10))
def test_a_looser_latency_never_needs_more_workers(demand: Demand, times: float) -> None:
    looser = replace(demand, latency_s=demand.latency_s * times)
    assert planned(looser).workers <= planned(demand).workers


@given(demand=demands)
def test_the_backlog_of_an_outage_is_gone_when_the_spare_speed_has_done_it(demand: Demand) -> None:
    plan = planned(demand)
    assert plan.backlog_documents == pytest.approx(demand.documents_per_s * demand.outage_s)
    done = plan.catch_up_s / plan.utilization  # in units of what arrives
    assert done == pytest.approx(plan.catch_up_s + demand.outage_s)
    assert plan.catch_up_scaled_s <= plan.catch_up_s


@settings(suppress_health_check=[HealthCheck.filter_too_much])  # few partitions are enough for few demands
@given(demand=demands, partitions=st.integers(1, 64))
def test_partitions_that_are_there_are_kept_and_the_busiest_worker_counts(demand: Demand, partitions: int) -> None:
    plan = planned(replace(demand, partitions=partitions))
    assert plan.partitions == partitions >= plan.workers
    share = math.ceil(partitions / plan.workers) / partitions
    load = demand.documents_per_s * demand.lengths.mean / SPEED
    assert plan.utilization == pytest.approx(share * load)


def test_a_latency_below_that_of_one_document_alone_is_refused_and_said_why() -> None:
    with pytest.raises(ConfigurationError, match=r"within 100 ms: a document alone takes up to \d+ ms"):
        size(Demand(1.0, Lengths(350, 2_000), 0.1), tokens_per_s=SPEED, epoch_s=EPOCH_S)
