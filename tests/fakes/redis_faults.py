"""A TCP server in the place of Redis that misbehaves as told, and can be told to behave again at the same port."""

from __future__ import annotations

import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from enum import Enum, auto
from types import TracebackType


class Fault(Enum):
    """What the server does with every command."""

    NONE = auto()  # GET, MGET and SET of a small Redis
    BLACK_HOLE = auto()  # accepts, reads, never answers
    SLOW = auto()  # answers after `slow_s`
    HANG_UP = auto()  # closes the connection
    GARBAGE = auto()  # bytes that are no RESP
    OTHER_TYPE = auto()  # RESP, but not what was asked for
    TOO_FEW = auto()  # one value fewer than asked for
    OOM = auto()  # writes are refused, reads work
    READONLY = auto()  # likewise
    MISCONF = auto()  # likewise
    LOADING = auto()
    NOAUTH = auto()


REFUSALS = {
    Fault.OOM: b"-OOM command not allowed when used memory > 'maxmemory'.\r\n",
    Fault.READONLY: b"-READONLY You can't write against a read only replica.\r\n",
    Fault.MISCONF: b"-MISCONF Redis is configured to save RDB snapshots\r\n",
    Fault.LOADING: b"-LOADING Redis is loading the dataset in memory\r\n",
    Fault.NOAUTH: b"-NOAUTH Authentication required.\r\n",
}
WRITES_ONLY = {Fault.OOM, Fault.READONLY, Fault.MISCONF}


class FaultyRedis:
    """Use as a context. `asked` counts the MGETs that arrived; `values` may be changed at will."""

    def __init__(self, *, slow_s: float = 1.0) -> None:
        self.fault = Fault.NONE
        self.slow_s = slow_s
        self.values: dict[bytes, bytes] = {}
        self.asked: list[int] = []  # names in each MGET
        self.on_ask: Callable[[], None] = lambda: None  # called for every MGET
        self.connections = 0
        self.closing = threading.Event()
        owner = self

        class Session(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                owner.connections += 1
                try:
                    for command in commands(self.rfile):
                        reply = owner.reply_to(command)
                        if reply is None:
                            return
                        self.wfile.write(reply)
                except (OSError, ValueError):  # what came is no RESP, as when TLS is asked for
                    return

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True
            block_on_close = False

        self._server = Server(("127.0.0.1", 0), Session)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self._server.server_address[1]}/0"

    def __enter__(self) -> FaultyRedis:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def reply_to(self, command: list[bytes]) -> bytes | None:
        """None hangs up."""
        name, *arguments = command
        if name.upper() == b"AUTH":  # it has no password
            return b"-WRONGPASS invalid username-password pair or user is disabled.\r\n"
        if name.upper() == b"CLIENT":
            return None if self.fault is Fault.HANG_UP else self._after_fault(b"+OK\r\n", write=False)
        if name.upper() == b"MGET":
            self.asked.append(len(arguments))
            self.on_ask()
            values = [self.values.get(key) for key in arguments]
            if self.fault is Fault.TOO_FEW:
                values.pop()
            return self._after_fault(b"*%d\r\n" % len(values) + b"".join(map(bulk, values)), write=False)
        if name.upper() == b"SET":
            reply = self._after_fault(b"+OK\r\n", write=True)
            if reply == b"+OK\r\n":
                self.values[arguments[0]] = arguments[1]
            return reply
        return b"-ERR unknown command\r\n"

    def _after_fault(self, reply: bytes, *, write: bool) -> bytes | None:
        if self.fault in REFUSALS and (write or self.fault not in WRITES_ONLY):
            return REFUSALS[self.fault]
        match self.fault:
            case Fault.BLACK_HOLE:
                self.closing.wait(60)
                return None
            case Fault.SLOW:
                time.sleep(self.slow_s)
            case Fault.HANG_UP:
                return None
            case Fault.GARBAGE:
                return b"$not-a-number\r\nHTTP/1.1 400 Bad Request\r\n\r\n"
            case Fault.OTHER_TYPE:
                return b":7\r\n"
        return reply


def commands(stream: object) -> Iterator[list[bytes]]:
    """RESP arrays of bulk strings, as clients send them."""
    readline, read = stream.readline, stream.read  # type: ignore[attr-defined]
    while line := readline():
        command = []
        for _ in range(int(line[1:])):
            size = int(readline()[1:])
            command.append(read(size + 2)[:-2])
        yield command


def bulk(value: bytes | None) -> bytes:
    return b"$-1\r\n" if value is None else b"$%d\r\n%s\r\n" % (len(value), value)
