"""What all Kafka clients of ours have in common: shared limits, names, and the one way a client's errors become ours.

Imports no client library. A client says which `Fault` an error is; what is told and what is done about it is said here.
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import Enum, auto

from workers.errors import ConfigurationError, DependencyError, EnrichError
from workers.settings import KafkaSettings
from workers.transport.base import HEADER_ROOM_BYTES

log = logging.getLogger(__name__)

RECONNECT_BACKOFF_MAX_MS = 1_000  # the clients' own maximum would leave a worker idle long after its broker is back
FETCH_BYTES = 16_777_216  # of one fetch; the clients' 50 MiB would be most of a worker's memory
COMMITTED_TIMEOUT_MS = 2_000  # for one look at committed offsets; past it the next poll tries again
BATCH_BYTES = 131_072
LINGER_MS = 5
MAX_REQUEST_BYTES = 16_777_216  # what may leave; how large a record may be is the brokers' to say


class NameTaken(ConfigurationError):
    """A newer member has this worker's `kafka.group_instance_id`."""


class Fault(Enum):
    """What an error of a client library comes down to."""

    FENCED_INSTANCE = auto()  # another member has the same group.instance.id
    SESSION_TIMEOUT = auto()  # the broker does not allow it
    TOO_LARGE = auto()  # the topic takes no such record; the start had checked it, so its option was lowered since
    DENIED = auto()  # not authorized, or the log-in was refused
    UNUSABLE = auto()  # an option that cannot work
    PASSING = auto()  # everything else: the dependency's fault, never the documents'


def error_of(fault: Fault, reason: str) -> EnrichError:
    """The error of ours that says the same."""
    match fault:
        case Fault.FENCED_INSTANCE:
            return NameTaken(f"{reason}: another worker has the same kafka.group_instance_id: give each its own")
        case Fault.SESSION_TIMEOUT:
            return ConfigurationError(
                f"{reason}: the broker does not allow this kafka.session_timeout_ms: 6 to 1800 s usually"
            )
        case Fault.TOO_LARGE:
            return ConfigurationError(
                f"{reason}: raise the topic's max.message.bytes again, or lower output.max_record_bytes"
            )
        case Fault.DENIED:
            return ConfigurationError(f"{reason}: grant this user the right, or correct kafka.sasl_*")
        case Fault.UNUSABLE:
            return ConfigurationError(reason)
        case Fault.PASSING:
            return DependencyError(reason)


@contextmanager
def errors_translated(translate: Callable[[Exception, str], EnrichError], operation: str) -> Iterator[None]:
    """Raise every error of a client as one of ours, naming what was being done."""
    try:
        yield
    except EnrichError:
        raise
    except Exception as error:
        raise translate(error, operation) from error


def transactional_id(settings: KafkaSettings) -> str:
    """Stable where `group_instance_id` is: then a restart ends at once what a killed worker left open.

    Otherwise unique, because host name and process id repeat in containers (every one has a process 1); after a kill
    readers then wait for `transaction_timeout_ms`.
    """
    instance = settings.group_instance_id or f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
    return f"{settings.transactional_id_prefix}-{settings.group_id}-{instance}"


def topics_of(settings: KafkaSettings) -> tuple[str, str, str]:
    """What must exist before a worker starts."""
    return settings.input_topic, settings.enriched_topic, settings.dead_topic


def no_such_topics(settings: KafkaSettings, missing: Sequence[str]) -> ConfigurationError:
    return ConfigurationError(
        f"there is no topic {', '.join(missing)} at {settings.bootstrap_servers}: make it with "
        f"`kafka-topics.sh --bootstrap-server {settings.bootstrap_servers} --create --topic {missing[0]} "
        "--partitions 6`, or correct kafka.input_topic, kafka.enriched_topic, kafka.dead_topic"
    )


def topics_denied(denied: Sequence[str]) -> ConfigurationError:
    return ConfigurationError(
        f"this user may not describe topic {', '.join(denied)}: grant it, or correct kafka.sasl_*"
    )


def require_record_limit(settings: KafkaSettings, max_record_bytes: int, option_of: Callable[[str, str], str]) -> None:
    """Raises ConfigurationError if an output topic takes no records of `max_record_bytes` with key and headers: such a
    record would be refused, read again and refused for ever. `option_of(topic, name)` is the broker's value; where it
    may not be read, nothing is checked."""
    for topic in (settings.enriched_topic, settings.dead_topic):
        try:
            taken = option_of(topic, "max.message.bytes")
        except (EnrichError, KeyError) as error:
            log.warning(
                "the record limit of %s could not be read, so it is not checked: %s", topic, type(error).__name__
            )
            continue
        if taken.isdigit() and int(taken) < max_record_bytes + HEADER_ROOM_BYTES:
            raise ConfigurationError(
                f"topic {topic} takes max.message.bytes={taken}, too few for output.max_record_bytes="
                f"{max_record_bytes} and {HEADER_ROOM_BYTES} for key and headers: lower the second or raise the first"
            )
