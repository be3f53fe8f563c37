"""A worker with a name of its own says goodbye.

A static member keeps its partitions while it is away, which is right after a crash: nothing moves, and the next process
of that name takes them up. It is wrong after SIGTERM: nobody would read them until a model is loaded again, or, when
workers are taken away, until the session times out. The clients leave that to the session; so the group is told here.
"""

from __future__ import annotations

import logging

from kafka.admin import MemberToRemove
from kafka.errors import NoError

from workers.errors import EnrichError
from workers.settings import KafkaSettings
from workers.transport.kafka_admin import admin_client
from workers.transport.kafka_client import kafka_errors

log = logging.getLogger(__name__)


def leave_under_name(settings: KafkaSettings, member_id: str, *, timeout_s: float) -> None:
    """Give up the partitions of `kafka.group_instance_id` now. Does nothing for a worker without one; never raises.

    `member_id` is named too: where a successor of the same name is in the group already, it is left alone.
    """
    if settings.group_instance_id is None or not member_id:
        return
    patience_ms = max(500, int(timeout_s * 1000))
    brief = settings.model_copy(update={"connect_timeout_ms": patience_ms, "request_timeout_ms": patience_ms})
    member = MemberToRemove(member_id, settings.group_instance_id, "stopped")
    try:
        with admin_client(brief) as client, kafka_errors("leaving the group"):
            answers = client.remove_group_members(settings.group_id, [member])
            refused = [answer for answer in answers.values() if answer is not NoError]
    except EnrichError as error:
        log.warning("the group will notice by itself: %s", error)
        return
    if refused:
        log.warning("not in the group any more when leaving it: %s", refused[0].__name__)
