"""What every librdkafka client of ours shares: how settings become options, and what its errors come down to.

The only seam between that library's errors and ours, its fatal, retriable and abortable flags included.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import AbstractContextManager

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer

from workers.errors import EnrichError
from workers.settings import KafkaSettings
from workers.transport.broker import (
    BATCH_BYTES,
    FETCH_BYTES,
    LINGER_MS,
    MAX_REQUEST_BYTES,
    RECONNECT_BACKOFF_MAX_MS,
    Fault,
    error_of,
    errors_translated,
)

log = logging.getLogger(__name__)
library_log = logging.getLogger("librdkafka")  # what the library would write to standard error

PREFETCH_KIB = (
    16_384  # of what was fetched and not asked for yet; the library's 64 MiB would be most of a worker's memory
)
RETRY_PAUSE_S = 0.05  # before a call that the library says may be tried again
DENIED = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
        KafkaError.SASL_AUTHENTICATION_FAILED,
        KafkaError._AUTHENTICATION,
    }
)
TOO_LARGE = frozenset({KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.RECORD_LIST_TOO_LARGE})
UNUSABLE = frozenset(
    {
        KafkaError._INVALID_ARG,
        KafkaError._UNSUPPORTED_FEATURE,
        KafkaError.UNSUPPORTED_VERSION,
        KafkaError.UNSUPPORTED_COMPRESSION_TYPE,
        KafkaError.INVALID_TRANSACTION_TIMEOUT,
    }
)


class Reports:
    """A client's error callback: keeps the one that will not pass by itself. The rest is the library's to mend."""

    def __init__(self) -> None:
        self.lasting: KafkaError | None = None

    def __call__(self, error: KafkaError) -> None:
        if is_lasting(error):
            self.lasting = error
        else:
            log.debug("the client goes on after %s", error)


def connection_options(settings: KafkaSettings, *, role: str, reports: Reports | None = None) -> dict[str, object]:
    """Options that consumers, producers and admin clients have in common. `role` ends the client id."""
    options: dict[str, object] = {
        "bootstrap.servers": settings.bootstrap_servers.replace(" ", ""),
        "client.id": f"{settings.client_id}-{role}",
        "socket.timeout.ms": settings.request_timeout_ms,
        "socket.connection.setup.timeout.ms": max(1_000, settings.connect_timeout_ms),  # the library's least
        "reconnect.backoff.max.ms": RECONNECT_BACKOFF_MAX_MS,
        "security.protocol": settings.security_protocol,
        "log.connection.close": False,  # brokers close idle connections: no news
        "logger": library_log,
        "error_cb": reports or Reports(),
    }
    return options | _tls_options(settings) | _sasl_options(settings)


def _tls_options(settings: KafkaSettings) -> dict[str, object]:
    if not settings.security_protocol.endswith("SSL"):
        return {}
    password = settings.ssl_key_password
    files = {
        "ssl.ca.location": settings.ssl_ca_file,
        "ssl.certificate.location": settings.ssl_cert_file,
        # As with the other client, the certificate's file may hold the key too.
        "ssl.key.location": settings.ssl_key_file or settings.ssl_cert_file,
    }
    options: dict[str, object] = {option: str(path) for option, path in files.items() if path is not None}
    options["ssl.endpoint.identification.algorithm"] = "https" if settings.ssl_check_hostname else "none"
    if password is not None:
        options["ssl.key.password"] = password.get_secret_value()
    return options


def _sasl_options(settings: KafkaSettings) -> dict[str, object]:
    if not settings.security_protocol.startswith("SASL"):
        return {}
    assert settings.sasl_password is not None
    return {
        "sasl.mechanism": settings.sasl_mechanism,
        "sasl.username": settings.sasl_username,
        "sasl.password": settings.sasl_password.get_secret_value(),
    }


def member_options(settings: KafkaSettings, reports: Reports) -> dict[str, object]:
    """Options of a consumer that joins the group."""
    options: dict[str, object] = {
        "group.id": settings.group_id,
        "session.timeout.ms": settings.session_timeout_ms,
        "heartbeat.interval.ms": settings.heartbeat_interval_ms,
        "max.poll.interval.ms": settings.max_poll_interval_ms,
        "auto.offset.reset": settings.start_at,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        # Also for plain input: only so does a new owner wait for offsets that are just being committed.
        "isolation.level": "read_committed",
        "partition.assignment.strategy": "cooperative-sticky",
        "allow.auto.create.topics": False,
        "fetch.max.bytes": FETCH_BYTES,
        "queued.max.messages.kbytes": PREFETCH_KIB,
    }
    if settings.group_instance_id is not None:
        options["group.instance.id"] = settings.group_instance_id
    return connection_options(settings, role="consumer", reports=reports) | options


def transactional_options(settings: KafkaSettings, name: str) -> dict[str, object]:
    """Options of the producer with the transactional id `name`."""
    longest_ms = min(settings.request_timeout_ms, settings.publish_deadline_ms, settings.transaction_timeout_ms - 100)
    return connection_options(settings, role="producer") | {
        "transactional.id": name,
        "transaction.timeout.ms": settings.transaction_timeout_ms,
        "message.timeout.ms": settings.publish_deadline_ms,
        "socket.timeout.ms": max(10, longest_ms),  # the library wants it 100 ms below the transaction's
        "partitioner": "murmur2_random",  # the same key goes to the same partition as with kafka-python and Java
        "compression.type": settings.compression,
        "batch.size": BATCH_BYTES,
        "linger.ms": LINGER_MS,
        "message.max.bytes": MAX_REQUEST_BYTES,
    }


def confluent_errors(operation: str) -> AbstractContextManager[None]:
    """Raise every error of the client as one of ours, naming what was being done."""
    return errors_translated(translated, operation)


def translated(error: Exception, operation: str) -> EnrichError:
    """The error of ours that says the same."""
    told = error_in(error)
    if told is None:
        return error_of(Fault.PASSING, f"{operation}: {error or type(error).__name__}")
    return error_of(fault_of(told), f"{operation}: {told.str()}")


def error_in(error: Exception) -> KafkaError | None:
    """The library's description within an exception of it, or within Python's complaint about one: see `told_fatal`."""
    raised = error.__cause__ if isinstance(error, SystemError) else error
    found = raised.args[0] if isinstance(raised, KafkaException) and raised.args else None
    return found if isinstance(found, KafkaError) else None


def fault_of(error: KafkaError) -> Fault:
    """Anything unknown is the dependency's fault, never the documents'. A fenced producer is, too: the next goes on."""
    if error.code() == KafkaError.FENCED_INSTANCE_ID:
        return Fault.FENCED_INSTANCE
    if error.code() == KafkaError.INVALID_SESSION_TIMEOUT:
        return Fault.SESSION_TIMEOUT
    if error.code() in TOO_LARGE:
        return Fault.TOO_LARGE
    if error.code() in DENIED:
        return Fault.DENIED
    return Fault.UNUSABLE if error.code() in UNUSABLE else Fault.PASSING


def is_fatal(error: KafkaError) -> bool:
    """Whether the client that told it is of no use any more. Among records the library gives a code of its own, without
    the flag and without the reason's code, which goes to the error callback."""
    return bool(error.fatal() or error.code() == KafkaError._FATAL)


def told_fatal(producer: Producer) -> KafkaException | None:
    """What ended a producer that is in a transaction, if something did.

    The library raises a fatal error from among the callbacks of a call, and those that are still due are called all the
    same: a delivery report, or a line for the log. What the call raises then is Python's complaint, a SystemError that
    sometimes has the error as its cause and sometimes has lost it.
    """
    try:
        producer.begin_transaction()  # refused in any case, and if there is a fatal error with that
    except KafkaException as error:
        if (told := error_in(error)) is not None and is_fatal(told):
            return error
    return None


def is_lasting(error: KafkaError) -> bool:
    """Whether it will not pass by itself."""
    return is_fatal(error) or fault_of(error) is not Fault.PASSING


def until_deadline(call: Callable[[float], object], deadline_s: float) -> None:
    """Call with the seconds left, again as long as the library says that this may help. Raises TimeoutError past
    `deadline_s` (of the monotonic clock); an error that is fatal or asks to abort is raised as it is."""
    while True:
        try:
            call(max(0.0, deadline_s - time.monotonic()))
        except KafkaException as error:
            told = error_in(error)
            if told is None or not told.retriable():
                raise
            if time.monotonic() + RETRY_PAUSE_S >= deadline_s:
                raise TimeoutError(told.str()) from error
            time.sleep(RETRY_PAUSE_S)
        else:
            return


def leave(consumer: Consumer) -> None:
    try:
        with confluent_errors("leaving the group"):
            consumer.close()
    except EnrichError as error:
        log.warning("the group will notice by itself: %s", error)
