"""Real adapters whose inner pass fails for texts that hold the mark, as a framework, a device or an endpoint fails.

What is broken is the network behind the adapter and not the adapter, so that its own seam for errors is on the path.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from enum import Enum, auto
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor, nn

from schemas.base import StageName
from tests.fakes.openai_server import FakeOpenAi
from tests.fakes.openai_server import Fault as Answer
from workers.compose import AnyModel
from workers.models.adapters.causal import CausalModel
from workers.models.adapters.rows import RowModel
from workers.models.adapters.seq2seq import Seq2SeqModel
from workers.models.base import ModelInfo, Unanswered
from workers.models.shared import SharedEncoderModel
from workers.stages.results import WindowAnswer
from workers.text.pieces import TextTokens, Window

MARK = "~"  # one token of every vocabulary here, in no prompt and in no text of our own
DOCUMENT = "company"  # in every text of the suite, and in none of our own
QUOTED = f"cannot read {MARK} {DOCUMENT}"
BUSY_REQUESTS = 20


class Fault(Enum):
    """What happens to a batch with a marked text in it."""

    RAISES = auto()  # within the pass, with a message that quotes the text
    NOT_A_NUMBER = auto()  # its numbers are NaN, those of its neighbours are right
    TOO_FEW = auto()  # a result is missing
    TOO_MANY = auto()  # there is one more
    NEVER_FITS = auto()  # out of memory, also alone


class Faulty(Protocol):
    """A model that fails when it is told to."""

    remote: bool

    def model(self) -> AnyModel:
        """For the next worker."""
        ...

    def failing(self, fault: Fault) -> AbstractContextManager[None]:
        """A context in which marked texts fail this way."""
        ...

    def short_of_memory(self, padded_tokens: int) -> AbstractContextManager[None]:
        """A context in which a larger batch does not fit."""
        ...


class FaultyNetwork:
    """A model with a network in this process, broken where token ids become vectors. Implements `WindowModel`."""

    remote = False

    def __init__(self, model: AnyModel) -> None:
        self._real = model
        self._fault: Fault | None = None
        self._fits_padded_tokens: int | None = None
        self._padded_tokens = 0  # of the batch in the pass
        self._marked: list[object] = []  # what was prepared of marked windows
        self._mark_id = int(model.tokenize([f"a {MARK}"])[0].ids[-1])
        embeddings = embeddings_of(model)
        embeddings.register_forward_pre_hook(self._before)
        embeddings.register_forward_hook(self._after)

    def model(self) -> AnyModel:
        return self

    @property
    def info(self) -> ModelInfo:
        return self._real.info

    @property
    def stages(self) -> tuple[StageName, ...]:
        return self._real.stages

    @property
    def max_window_tokens(self) -> int:
        return self._real.max_window_tokens

    def tokenize(self, texts: Sequence[str]) -> list[TextTokens]:
        return self._real.tokenize(texts)

    def prepare(self, windows: Sequence[Window]) -> list[Any]:
        prepared = self._real.prepare(windows)
        self._marked += [entry for entry, window in zip(prepared, windows, strict=True) if MARK in window.text]
        return prepared

    def forward(self, batch: Sequence[Any]) -> Any:
        self._padded_tokens = sum(entry.area for entry in batch)
        return self._real.forward(batch)

    def decode(self, raw: Any, batch: Sequence[Any]) -> Sequence[WindowAnswer | Unanswered]:
        answers = list(self._real.decode(raw, batch))
        if any(entry is marked for entry in batch for marked in self._marked):
            if self._fault is Fault.TOO_FEW:
                return answers[:-1]
            if self._fault is Fault.TOO_MANY:
                return [*answers, answers[0]]
        return answers

    @contextmanager
    def failing(self, fault: Fault) -> Iterator[None]:
        self._fault = fault
        try:
            yield
        finally:
            self._fault = None

    @contextmanager
    def short_of_memory(self, padded_tokens: int) -> Iterator[None]:
        self._fits_padded_tokens = padded_tokens
        try:
            yield
        finally:
            self._fits_padded_tokens = None

    def _before(self, module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        if self._fits_padded_tokens is not None and self._padded_tokens > self._fits_padded_tokens:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 MiB")
        if self._fault in (Fault.RAISES, Fault.NEVER_FITS) and bool((inputs[0] == self._mark_id).any()):
            if self._fault is Fault.NEVER_FITS:  # as torch says it on a CPU
                raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes")
            raise IndexError(QUOTED)

    def _after(self, module: nn.Module, inputs: tuple[Tensor, ...], vectors: Tensor) -> Tensor | None:
        if self._fault is not Fault.NOT_A_NUMBER:
            return None
        marked = (inputs[0] == self._mark_id).any(dim=-1)
        return vectors.masked_fill(marked[:, None, None], float("nan"))


def embeddings_of(model: AnyModel) -> nn.Module:
    """The layer that every pass of the model begins with."""
    network: Any
    if isinstance(model, SharedEncoderModel):
        network = model._encoder
        return network.words  # type: ignore[no-any-return]
    if isinstance(model, RowModel):
        network = model._checkpoint.model
    elif isinstance(model, Seq2SeqModel):
        network = model._model.get_encoder()
    else:
        assert isinstance(model, CausalModel)
        network = model._engine._model
    return network.get_input_embeddings()  # type: ignore[no-any-return]


class FaultyEndpoint:
    """A model behind a socket: what fails there is said in HTTP."""

    remote = True
    answers: ClassVar = {
        Fault.RAISES: Answer.ERROR,
        Fault.NOT_A_NUMBER: Answer.NOT_A_NUMBER,
        Fault.TOO_FEW: Answer.NO_CHOICE,
        Fault.TOO_MANY: Answer.TWO_CHOICES,
        Fault.NEVER_FITS: Answer.TOO_LONG,
    }

    def __init__(self, load: Callable[[], AnyModel], server: FakeOpenAi) -> None:
        self._load = load
        self._server = server

    def model(self) -> AnyModel:
        """A new one: a worker that ends closes its connections."""
        return self._load()

    @contextmanager
    def failing(self, fault: Fault) -> Iterator[None]:
        self._server.marks[MARK] = self.answers[fault]
        try:
            yield
        finally:
            del self._server.marks[MARK]

    @contextmanager
    def short_of_memory(self, padded_tokens: int) -> Iterator[None]:
        """For the first requests about documents: what an endpoint does about its memory is its own affair."""
        server, served = self._server, len(self._server.asked)
        server.marks[DOCUMENT] = Answer.UNAVAILABLE

        def recover() -> None:
            if len(server.asked) > served + BUSY_REQUESTS:
                server.marks.pop(DOCUMENT, None)

        server.on_request = recover
        try:
            yield
        finally:
            server.on_request = lambda: None
