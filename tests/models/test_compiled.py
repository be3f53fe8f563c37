"""The compiled encoder: nearly the plain one's numbers, bits that do not depend on the batch, no compiling later."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import Tensor

from tests.fakes.tiny_model import tiny_loaded
from workers.errors import ConfigurationError
from workers.models.compiled import CompiledEncoder, compile_encoder
from workers.models.encoder import BranchedEncoder, attention_mask
from workers.models.ready import Encoder

# torch 2.13 warns of itself when its compiler is imported.
pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated:DeprecationWarning")

Inputs = tuple[Tensor, Tensor, Tensor]


def inputs(rows: int, area: int) -> Inputs:
    generator = torch.Generator().manual_seed(rows * 1_000 + area)
    ids = torch.randint(1_000, 30_000, (rows, area), generator=generator)
    lengths = torch.randint(2, area + 1, (rows,), generator=generator)
    return ids, attention_mask(lengths, area), torch.ones_like(ids)


def short_encoder() -> BranchedEncoder:
    """One layer a part: each is read by the compiler, which takes its time."""
    encoder = tiny_loaded().encoder.eval()
    encoder.lower, encoder.plain, encoder.tuned = encoder.lower[:1], encoder.plain[:1], encoder.tuned[:1]
    return encoder


def recorded(seen: list[tuple[int, ...]]) -> Callable[..., Tensor]:
    def run(first: Tensor, *_: Tensor) -> Tensor:
        seen.append(tuple(first.shape))
        return first.clone()

    return run


def test_a_lone_window_runs_beside_a_copy_of_itself() -> None:
    seen: list[tuple[int, ...]] = []
    encoder = CompiledEncoder(recorded(seen), recorded(seen), recorded(seen))
    ids, mask, shapes = inputs(1, 16)
    assert torch.equal(encoder.read_lower(ids, mask, shapes), ids)
    assert torch.equal(encoder.read_plain(ids, mask), ids)
    ids, mask, shapes = inputs(3, 16)
    assert torch.equal(encoder.read_tuned(ids, mask, shapes), ids)
    assert seen == [(2, 16), (2, 16), (3, 16)]


def test_without_a_compiler_the_start_ends_with_one_line() -> None:
    def backend(*_: object) -> Callable[..., Tensor]:
        raise FileNotFoundError("g++")

    with pytest.raises(ConfigurationError, match=r"install g\+\+") as error:
        compile_encoder(short_encoder(), backend=backend)
    assert "\n" not in str(error.value)


def test_answers_that_depend_on_company_are_refused() -> None:
    def backend(graph: torch.fx.GraphModule, _: object) -> Callable[..., tuple[Tensor, ...]]:
        def run(*given: Tensor | int) -> tuple[Tensor, ...]:
            rows = next(len(tensor) for tensor in given if isinstance(tensor, Tensor) and tensor.ndim > 1)
            return tuple(found + 1e-6 * rows for found in graph(*given))

        return run

    with pytest.raises(ConfigurationError, match="depends on its neighbours"):
        compile_encoder(short_encoder(), backend=backend)


def test_one_graph_serves_all_batches_with_the_same_bits() -> None:
    """Without C++, which takes minutes; `compile_encoder` itself looks at the bits of what it made."""
    plain = short_encoder()
    compiled = compile_encoder(plain, backend="aot_eager")

    @torch.inference_mode()
    def run(encoder: Encoder, given: Inputs) -> Tensor:
        ids, mask, shapes = (tensor.clone() for tensor in given)  # made in inference mode, as the product's are
        lower = encoder.read_lower(ids, mask, shapes)
        return torch.cat([encoder.read_plain(lower, mask), encoder.read_tuned(lower, mask, shapes)], dim=2)

    with torch.compiler.set_stance("fail_on_recompile"), ThreadPoolExecutor(1) as device_thread:
        for rows, area in ((7, 16), (16, 16), (4, 48), (1, 32), (2, 256)):
            given = inputs(rows, area)
            whole = device_thread.submit(run, compiled, given).result()
            torch.testing.assert_close(whole, run(plain, given), atol=2e-5, rtol=1e-4)
            for row in range(rows):
                alone = run(compiled, (given[0][row : row + 1], given[1][row : row + 1], given[2][row : row + 1]))
                assert torch.equal(alone[0], whole[row])
