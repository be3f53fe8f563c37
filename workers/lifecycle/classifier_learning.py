"""The training loop of a text classifier: encoder (or what is tuned of it) and head. Reads no file, writes no file."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from torch.optim import AdamW

from workers.errors import ConfigurationError
from workers.lifecycle.averaging import MovingAverage, average_tensors, averaged, restore_average
from workers.lifecycle.batches import forgotten
from workers.lifecycle.checkpoint import restore_training, training_tensors
from workers.lifecycle.classifier_data import TextExample
from workers.lifecycle.classifier_recipe import ClassifierRecipe
from workers.lifecycle.lora import install, merge
from workers.lifecycle.schooling import Step
from workers.lifecycle.steps import adam, groups_of, rate_share, take_step
from workers.models.classifier import ClassifierHead
from workers.models.encoder import BranchedEncoder, attention_mask
from workers.models.folder import LoadedModel
from workers.models.heads import pad_rows, running_sums
from workers.models.prepared import PreparedWindow
from workers.models.readout import pooled

READING_TOKENS = 8_192  # padded tokens of a batch that is only read
POOLED_BATCHES = 16  # texts of so many batches are sorted by length together: little padding, and still mixed


class ClassifierCourse:
    """A run that goes epoch by epoch and may be taken up again after any: all that a step changes is in here."""

    def __init__(
        self, model: LoadedModel, examples: Sequence[TextExample], recipe: ClassifierRecipe, dtype: torch.dtype
    ) -> None:
        self._encoder, self._head = model.encoder, head_of(model)
        self._examples, self._recipe, self._dtype = examples, recipe, dtype
        self._unknown_id = model.tokenizer.unknown_id
        windows = [example.window for example in examples]
        self._labels = torch.tensor([example.label for example in examples], device=model.encoder.words.weight.device)
        torch.manual_seed(recipe.seed)
        read = recipe.head_start == "means" or recipe.tune == "frozen"
        vectors = read_vectors(model.encoder, windows, dtype=dtype) if read else None
        if recipe.head_start == "means" and vectors is not None:
            self._head.start_from(vectors, self._labels, sharpness=recipe.sharpness)
        self._vectors = vectors if recipe.tune == "frozen" else None
        parts: dict[str, nn.Module] = {part: getattr(model.encoder, part) for part in recipe.tuned_parts()}
        model.encoder.requires_grad_(False)
        for part in parts.values():
            if recipe.tune == "lora":
                install(part, recipe.lora_rank)
            else:
                part.requires_grad_(True)
        self._module = nn.ModuleDict({**parts, "classifier": self._head.requires_grad_(True)})
        self._optimizer = _optimizer(self._module, recipe)
        self._average = MovingAverage(self._module, decay=recipe.average) if recipe.average else None
        self._lengths = [len(window.ids) for window in windows]
        self.per_epoch = len(batches_of(self._lengths, recipe.batch_tokens, random.Random(0)))  # noqa: S311
        self.steps = self.per_epoch * recipe.epochs  # about: how many batches there are depends on their order
        self.epoch = 0  # epochs done

    def run_epoch(self, report: Callable[[Step], None]) -> None:
        """One pass over the texts. Its order and noise depend on seed and epoch alone. Raises ConfigurationError if the
        loss is no number any more."""
        rng = random.Random(f"{self._recipe.seed}:{self.epoch}")  # noqa: S311
        torch.manual_seed(rng.getrandbits(32))
        noise = torch.Generator().manual_seed(rng.getrandbits(32))
        total = 0.0
        batches = batches_of(self._lengths, self._recipe.batch_tokens, rng)
        for number, chosen in enumerate(batches, start=1):
            loss = self._loss(chosen, noise)
            done = self.epoch * self.per_epoch + min(number, self.per_epoch)
            share = rate_share(done - 1, self.steps, warm_up=self._recipe.warm_up)
            take_step(self._optimizer, loss, share=share)
            if self._average is not None:
                self._average.update()
            total += loss.item()
            if total != total:
                raise ConfigurationError("recipe: the loss is no number any more: lower encoder_rate or head_rate")
            report(Step(self.epoch, done, {"loss": total / number}))
        self.epoch += 1

    def _loss(self, chosen: Sequence[int], noise: torch.Generator) -> Tensor:
        recipe = self._recipe
        if self._vectors is not None:
            vectors = self._vectors[chosen]
        else:
            windows = [self._examples[number].window for number in chosen]
            vectors = encode(
                self._encoder,
                windows,
                dtype=self._dtype,
                change=lambda ids, lengths: forgotten(ids, lengths, recipe.forget, self._unknown_id, noise),
            )
        logits = self._head(F.dropout(vectors, recipe.dropout))
        return F.cross_entropy(logits, self._labels[chosen], label_smoothing=recipe.label_smoothing)

    def logits(self, examples: Sequence[TextExample]) -> Tensor:
        """[N, L] of the averaged weights."""
        with torch.no_grad(), averaged(self._average):
            vectors = read_vectors(self._encoder, [example.window for example in examples], dtype=self._dtype)
            return self._head(pad_rows(vectors))[: len(examples)]  # type: ignore[no-any-return]

    def weights(self) -> dict[str, Tensor]:
        """A copy of the averaged weights, for `finish`."""
        with averaged(self._average):
            return {name: tensor.detach().clone() for name, tensor in self._module.state_dict().items()}

    def finish(self, weights: Mapping[str, Tensor]) -> None:
        """The model gets these weights for good, low-rank changes merged."""
        self._module.load_state_dict(dict(weights))
        for part in self._module.values():
            merge(part)

    def tensors(self) -> dict[str, Tensor]:
        return training_tensors(self._module, self._optimizer) | average_tensors(self._average)

    def restore(self, tensors: Mapping[str, Tensor], *, epoch: int) -> None:
        """Back to where `tensors` were taken, after `epoch` epochs."""
        restore_training(self._module, self._optimizer, tensors)
        restore_average(self._average, tensors)
        self.epoch = epoch


def head_of(model: LoadedModel) -> ClassifierHead:
    if model.heads.classifier is None:
        raise ValueError("the model has no trained labels")
    return model.heads.classifier


def batches_of(lengths: Sequence[int], batch_tokens: int, rng: random.Random) -> list[list[int]]:
    """Numbers of texts in batches of similar length whose padded size is at most `batch_tokens`, in random order."""
    order = list(range(len(lengths)))
    rng.shuffle(order)
    pool = max(1, POOLED_BATCHES * batch_tokens * len(order) // max(1, sum(lengths)))  # texts
    batches: list[list[int]] = []
    for start in range(0, len(order), pool):
        batch: list[int] = []
        for number in sorted(order[start : start + pool], key=lambda text: lengths[text]):
            if batch and lengths[number] * (len(batch) + 1) > batch_tokens:
                batches.append(batch)
                batch = []
            batch.append(number)
        batches.append(batch)
    rng.shuffle(batches)
    return batches


def encode(
    encoder: BranchedEncoder,
    windows: Sequence[PreparedWindow],
    *,
    dtype: torch.dtype,
    change: Callable[[Tensor, Tensor], Tensor] | None = None,
) -> Tensor:
    """Unit vectors [N, D] in fp32, padded to the longest; `change` may alter ids [N, T], given the lengths [N]."""
    device = encoder.words.weight.device
    lengths = torch.tensor([len(window.ids) for window in windows])
    ids = pad_sequence([torch.from_numpy(window.ids).long() for window in windows], batch_first=True)
    shapes = pad_sequence([torch.from_numpy(window.shapes).long() for window in windows], batch_first=True)
    if change is not None:
        ids = change(ids, lengths)
    lengths = lengths.to(device)
    mask = attention_mask(lengths, ids.shape[1])
    with torch.autocast(device.type, torch.bfloat16, enabled=dtype is torch.bfloat16):
        hidden = encoder.read_plain(encoder.read_lower(ids.to(device), mask, shapes.to(device)), mask)
    return pooled(hidden, lengths, running_sums(hidden))


@torch.no_grad()
def read_vectors(encoder: BranchedEncoder, windows: Sequence[PreparedWindow], *, dtype: torch.dtype) -> Tensor:
    """Unit vectors [N, D] in the order of the windows; nothing is learned from them."""
    vectors = torch.zeros(len(windows), encoder.width, device=encoder.words.weight.device)
    lengths = [len(window.ids) for window in windows]
    for chosen in batches_of(lengths, READING_TOKENS, random.Random(0)):  # noqa: S311
        vectors[chosen] = encode(encoder, [windows[number] for number in chosen], dtype=dtype)
    return vectors


def _optimizer(module: nn.ModuleDict, recipe: ClassifierRecipe) -> AdamW:
    rates = {name: recipe.head_rate if name == "classifier" else recipe.encoder_rate for name in module}
    return adam(
        group
        for name, part in module.items()
        for group in groups_of(part.parameters(), rate=rates[name], decay=recipe.weight_decay)
    )
