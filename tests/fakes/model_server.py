"""A web server in a thread that serves a model's files, also as the Hugging Face hub does, and can be told to fail.

It speaks what `huggingface_hub` asks of a hub: the tree of a commit, and the files with their digests as ETags.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

import numpy as np
import safetensors.numpy

REPOSITORY, COMMIT = "team/tiny", "0123456789abcdef0123456789abcdef01234567"


def checkpoint(seed: int = 0, *, bytes_of_weights: int = 4_096) -> dict[str, bytes]:
    """The files of a model of nobody's kind: enough for a store, which never looks inside."""
    weights = np.random.default_rng(seed).standard_normal(bytes_of_weights // 4).astype(np.float32)
    return {
        "config.json": b'{"model_type": "bert"}',
        "model.safetensors": safetensors.numpy.save({"layer.weight": weights}),
        "tokenizer.json": b"{}",
    }


@dataclass
class ModelServer:
    """What it serves by path, what it does wrong, and what it was asked for."""

    files: dict[str, bytes]
    cut: dict[str, int] = field(default_factory=dict)  # path: it stops after so many bytes of what it promised
    status: dict[str, int] = field(default_factory=dict)  # path: answers with this instead
    hold: dict[str, int] = field(default_factory=dict)  # path: it waits for `go_on` after so many bytes
    go_on: threading.Event = field(default_factory=threading.Event)
    reached: threading.Event = field(default_factory=threading.Event)  # it waits
    states_length: bool = True
    asked: list[str] = field(default_factory=list)
    url: str = ""

    def tree(self) -> bytes:
        """The files of the repository as the hub lists them: large ones by SHA-256, small ones as git names them."""
        prefix = f"/{REPOSITORY}/resolve/{COMMIT}/"
        entries: list[dict[str, object]] = []
        for path, data in self.files.items():
            name = path.removeprefix(prefix)
            entry: dict[str, object] = {"type": "file", "path": name, "size": len(data), "oid": git_name(data)}
            if name.endswith(".safetensors"):
                entry["lfs"] = {"oid": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 130}
            entries.append(entry)
        return json.dumps(entries).encode()


def git_name(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def hub_files(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The paths under which the hub has the files of a repository."""
    return {f"/{REPOSITORY}/resolve/{COMMIT}/{name}": data for name, data in files.items()}


class _Handler(BaseHTTPRequestHandler):
    served: ModelServer
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def do_GET(self) -> None:
        self.answer(body=True)

    def answer(self, *, body: bool) -> None:
        path = unquote(urlsplit(self.path).path)
        self.served.asked.append(f"{self.command} {path}")
        if path == f"/api/models/{REPOSITORY}/tree/{COMMIT}":
            return self.send(self.served.tree(), {"Content-Type": "application/json"}, body=body)
        if path.startswith("/api/models/"):
            known = path.startswith(f"/api/models/{REPOSITORY}/")
            return self.refuse(404, {"X-Error-Code": "RevisionNotFound" if known else "RepoNotFound"})
        if path in self.served.status:
            return self.refuse(self.served.status[path], {})
        if path not in self.served.files:
            return self.refuse(404, {"X-Error-Code": "EntryNotFound"})
        data = self.served.files[path]
        large = path.endswith(".safetensors")
        tag = hashlib.sha256(data).hexdigest() if large else git_name(data)
        headers = {"ETag": f'"{tag}"', "X-Repo-Commit": COMMIT}
        if large:
            headers |= {"X-Linked-Etag": f'"{tag}"', "X-Linked-Size": str(len(data))}
        return self.send(data, headers, body=body, path=path)

    def send(self, data: bytes, headers: Mapping[str, str], *, body: bool, path: str = "") -> None:
        self.send_response(200)
        for name, value in headers.items():
            self.send_header(name, value)
        if self.served.states_length:
            self.send_header("Content-Length", str(len(data)))
        whole = path not in self.served.cut and self.served.states_length
        if not whole:
            self.send_header("Connection", "close")
        self.end_headers()
        if not body:
            return
        if path in self.served.hold:
            self.wfile.write(data[: self.served.hold[path]])
            self.wfile.flush()
            self.served.reached.set()
            self.served.go_on.wait(60)
            data = data[self.served.hold[path] :]
        self.wfile.write(data[: self.served.cut.get(path, len(data))])
        self.close_connection = not whole

    def refuse(self, status: int, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class names it so
        pass

    def handle(self) -> None:
        try:
            super().handle()
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # who asked was killed


@contextmanager
def serving(server: ModelServer) -> Iterator[ModelServer]:
    """Runs until the block ends."""
    web = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"served": server}))
    web.daemon_threads = True
    server.url = f"http://127.0.0.1:{web.server_port}"
    thread = threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.go_on.set()
        web.shutdown()
        web.server_close()
        thread.join()
