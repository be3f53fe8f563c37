"""What every kafka-python client of ours shares: how settings become options, and what its errors come down to.

The only seam between that library and the rest. It opens no connection itself and reads no environment.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TypeVar, cast

from kafka import TopicPartition
from kafka import errors as kafka
from kafka.net.compat import KafkaNetClient

from workers.errors import ConfigurationError, EnrichError
from workers.settings import KafkaSettings
from workers.transport.base import Partition
from workers.transport.broker import RECONNECT_BACKOFF_MAX_MS, Fault, error_of, errors_translated

Opened = TypeVar("Opened")

DENIED = (kafka.AuthorizationError, kafka.SaslAuthenticationFailedError)
TOO_LARGE = (kafka.MessageSizeTooLargeError, kafka.RecordListTooLargeError)
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


def kafka_partition(partition: Partition) -> TopicPartition:
    return TopicPartition(partition.topic, partition.number)


def kafka_errors(operation: str) -> AbstractContextManager[None]:
    """Raise every error of the client as one of ours, naming what was being done."""
    return errors_translated(translated, operation)


def translated(error: Exception, operation: str) -> EnrichError:
    """The error of ours that says the same."""
    return error_of(fault_of(error), f"{operation}: {error or type(error).__name__}")


def fault_of(error: Exception) -> Fault:
    """Anything unknown is the dependency's fault, never the documents'."""
    if isinstance(error, kafka.FencedInstanceIdError):
        return Fault.FENCED_INSTANCE
    if isinstance(error, kafka.InvalidSessionTimeoutError):
        return Fault.SESSION_TIMEOUT
    if isinstance(error, TOO_LARGE):
        return Fault.TOO_LARGE
    if isinstance(error, DENIED):
        return Fault.DENIED
    return Fault.UNUSABLE if isinstance(error, UNUSABLE) else Fault.PASSING
