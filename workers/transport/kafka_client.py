"""What every Kafka client of ours shares: how settings become options, and how kafka's errors become ours.

The only seam between the client library and the rest. It opens no connection itself and reads no environment.
"""

from __future__ import annotations

import os
import secrets
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar, cast

from kafka import TopicPartition
from kafka import errors as kafka
from kafka.net.compat import KafkaNetClient

from workers.errors import ConfigurationError, DependencyError, EnrichError
from workers.settings import KafkaSettings
from workers.transport.base import Partition

Opened = TypeVar("Opened")

RECONNECT_BACKOFF_MAX_MS = 1_000  # the client's 30 s would leave a worker idle long after its broker is back
DENIED = (kafka.AuthorizationError, kafka.SaslAuthenticationFailedError)
UNUSABLE = (kafka.UnsupportedCodecError, kafka.KafkaConfigurationError, kafka.UnsupportedVersionError)


def connection_options(settings: KafkaSettings, *, role: str) -> dict[str, object]:
    """Arguments that consumers, producers and admin clients have in common. `role` ends the client id."""
    options: dict[str, object] = {
        "bootstrap_servers": [server.strip() for server in settings.bootstrap_servers.split(",")],
        "client_id": f"{settings.client_id}-{role}",
        "request_timeout_ms": settings.request_timeout_ms,
        "bootstrap_timeout_ms": settings.connect_timeout_ms,
        "reconnect_backoff_max_ms": RECONNECT_BACKOFF_MAX_MS,
        "security_protocol": settings.security_protocol,
    }
    if settings.security_protocol.endswith("SSL"):
        options["ssl_context"] = tls_context(settings)
    if settings.security_protocol.startswith("SASL"):
        assert settings.sasl_password is not None
        options["sasl_mechanism"] = settings.sasl_mechanism
        options["sasl_plain_username"] = settings.sasl_username
        options["sasl_plain_password"] = settings.sasl_password.get_secret_value()
    return options


def open_client(make: Callable[..., Opened], **options: object) -> Opened:
    """A consumer, producer or admin client; if it cannot be made, what it opened is closed.

    The client leaves sockets and a thread behind, which adds up while a broker is away and every try fails.
    """
    opened: list[KafkaNetClient] = []
    make_network = cast(Callable[..., KafkaNetClient], options.pop("kafka_client", KafkaNetClient))

    def keep(**network: object) -> KafkaNetClient:
        opened.append(make_network(**network))
        return opened[-1]

    try:
        return make(**options, kafka_client=keep)
    except BaseException:
        for network in opened:
            network.close()
        raise


def tls_context(settings: KafkaSettings) -> ssl.SSLContext:
    """Made here and not in the client, so that a bad file is found at the start. Raises ConfigurationError."""
    try:
        context = ssl.create_default_context(cafile=settings.ssl_ca_file)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.check_hostname = settings.ssl_check_hostname
        if settings.ssl_cert_file is not None:
            password = settings.ssl_key_password
            context.load_cert_chain(
                settings.ssl_cert_file,
                settings.ssl_key_file,
                password.get_secret_value() if password is not None else "",
            )
    except (OSError, ValueError) as error:  # SSLError is an OSError
        raise ConfigurationError(
            f"cannot load kafka.ssl_ca_file, ssl_cert_file or ssl_key_file: {error}: correct the path or the file"
        ) from error
    return context


def transactional_id(settings: KafkaSettings) -> str:
    """Stable where `group_instance_id` is: then a restart ends at once what a killed worker left open.

    Otherwise unique, because host name and process id repeat in containers (every one has a process 1); after a kill
    readers then wait for `transaction_timeout_ms`.
    """
    instance = settings.group_instance_id or f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
    return f"{settings.transactional_id_prefix}-{settings.group_id}-{instance}"


def kafka_partition(partition: Partition) -> TopicPartition:
    return TopicPartition(partition.topic, partition.number)


@contextmanager
def kafka_errors(operation: str) -> Iterator[None]:
    """Raise every error of the client as one of ours, naming what was being done."""
    try:
        yield
    except EnrichError:
        raise
    except Exception as error:
        raise translated(error, operation) from error


def translated(error: Exception, operation: str) -> EnrichError:
    """The error of ours that says the same. Anything unknown is the dependency's fault, never the documents'."""
    reason = f"{operation}: {error or type(error).__name__}"
    if isinstance(error, kafka.FencedInstanceIdError):
        return ConfigurationError(f"{reason}: another worker has the same kafka.group_instance_id: give each its own")
    if isinstance(error, kafka.InvalidSessionTimeoutError):
        return ConfigurationError(
            f"{reason}: the broker does not allow this kafka.session_timeout_ms: 6 to 1800 s usually"
        )
    if isinstance(error, DENIED):
        return ConfigurationError(f"{reason}: grant this user the right, or correct kafka.sasl_*")
    if isinstance(error, UNUSABLE):
        return ConfigurationError(reason)
    return DependencyError(reason)
