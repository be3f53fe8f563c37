"""Prompts as tokens: what stands around a document is cut once, the document on its own, and the two are joined.

So a document can never become a special token, and the length of a prompt is the document's plus a constant.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jinja2 import TemplateError
from tokenizers import Tokenizer
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from schemas.base import StageName
from workers.errors import ConfigurationError, ModelError
from workers.models.prompts import Prompt, escape
from workers.text.pieces import IntArray, TextTokens

# Where the document goes while a chat template is filled in: a private-use character that no template has.
PLACE = "\ue000"
# The reply begins with this whatever the model would have liked to say first.
BEGINNINGS = {
    StageName.ENTITIES: '{"entities": [',
    StageName.RELATIONS: '{"entities": [',
    StageName.CLASSIFICATION: '{"labels": ["',
    StageName.SUMMARY: '{"summary": "',
}


@dataclass(frozen=True, slots=True)
class Frame:
    """What stands around the document in a task's prompt."""

    head: IntArray
    tail: IntArray  # with the beginning of the reply

    def __len__(self) -> int:
        return len(self.head) + len(self.tail)

    def around(self, document: IntArray) -> IntArray:
        return np.concatenate([self.head, document, self.tail])


class CausalTokenizer:
    """A causal model's own tokenizer. Safe to call from several threads but for `frame`."""

    def __init__(self, folder: Path) -> None:
        try:
            loaded = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        except (OSError, ValueError, KeyError) as error:
            raise ConfigurationError(f"{folder} has no tokenizer that can be read: restore tokenizer.json") from error
        backend = getattr(loaded, "backend_tokenizer", None)
        if not isinstance(backend, Tokenizer):
            raise ConfigurationError(f"{folder} has no tokenizer.json: offsets need it; convert the tokenizer")
        self._chat: PreTrainedTokenizerBase = loaded
        self._tokenizer = Tokenizer.from_str(backend.to_str())
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        added = self._tokenizer.get_added_tokens_decoder()
        self._control_tokens = tuple(token.content for token in added.values() if token.content.strip())
        self._special_ids = frozenset(number for number, token in added.items() if token.special)
        self._documents = Tokenizer.from_str(self._tokenizer.to_str())
        self._documents.encode_special_tokens = True

    @property
    def pad_id(self) -> int:
        """Any number will do where the mask hides it."""
        number = self._chat.pad_token_id
        return number if isinstance(number, int) else 0

    @property
    def end_ids(self) -> tuple[int, ...]:
        number = self._chat.eos_token_id
        return (number,) if isinstance(number, int) else ()

    def cut(self, texts: Sequence[str]) -> list[TextTokens]:
        """One entry per text, for cutting windows; the ids are not those of the prompt, where the text is escaped."""
        readable = [text.encode("utf-16", "surrogatepass").decode("utf-16", "replace") for text in texts]
        encodings = self._documents.encode_batch(readable, add_special_tokens=False)
        found = []
        for text, encoding in zip(readable, encodings, strict=True):
            # Byte-level tokens hold the space before a word, which is no part of its sentence.
            starts = [s + 1 if s + 1 < e and text[s].isspace() else s for s, e in encoding.offsets]
            found.append(
                TextTokens(
                    ids=np.asarray(encoding.ids, dtype=np.int32),
                    starts=np.asarray(starts, dtype=np.int32),
                    ends=np.asarray([end for _, end in encoding.offsets], dtype=np.int32),
                    words=np.asarray([word or 0 for word in encoding.word_ids], dtype=np.int32),
                )
            )
        return found

    def document(self, text: str) -> IntArray:
        """The ids of a document inside a prompt. Raises ModelError if one of them had a meaning for the model."""
        ids = self._documents.encode(escape(text, self._control_tokens), add_special_tokens=False).ids
        if not self._special_ids.isdisjoint(ids):
            raise ModelError("the tokenizer makes a special token of a document")
        return np.asarray(ids, dtype=np.int32)

    def continuation(self, text: str) -> tuple[int, ...]:
        return tuple(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def frame(self, task: StageName, prompt: Prompt) -> Frame:
        """The prompt of a task in the model's chat format, or plain if it has none."""
        has_format = bool(self._chat.chat_template)
        filled = self._fill_in(prompt) if has_format else f"{prompt.system}\n\n{prompt.user(PLACE)}\n".lstrip("\n")
        head, found, tail = filled.partition(PLACE)
        if not found or PLACE in tail:
            raise ConfigurationError(
                f"the chat template does not show the {task.value} document once: use another model"
            )
        ids = list(self.continuation(head))
        start = self._chat.bos_token_id
        if not has_format and isinstance(start, int) and self._tokenizer.encode("a").ids[:1] == [start]:
            ids.insert(0, start)
        ending = self.continuation(tail + BEGINNINGS[task])
        return Frame(np.asarray(ids, dtype=np.int32), np.asarray(ending, dtype=np.int32))

    def _fill_in(self, prompt: Prompt) -> str:
        user = {"role": "user", "content": prompt.user(PLACE)}
        system = [{"role": "system", "content": prompt.system}] if prompt.system else []
        merged = [{"role": "user", "content": f"{prompt.system}\n\n{prompt.user(PLACE)}"}]
        for messages in ([*system, user], merged):  # some formats know no system message
            try:
                filled = self._chat.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
            except TemplateError:
                continue
            if isinstance(filled, str) and (not prompt.system or prompt.system.strip() in filled):
                return filled
        raise ConfigurationError("the model's chat template takes no user message: use another model")

    def read(self, ids: Sequence[int]) -> tuple[str, tuple[int, ...]]:
        """The text of generated tokens, and the code point behind each of them."""
        text = self._tokenizer.decode(ids, skip_special_tokens=True)
        ends, last = [], 0
        for number in range(1, len(ids) + 1):
            last = max(last, min(len(text), len(self._tokenizer.decode(ids[:number], skip_special_tokens=True))))
            ends.append(last)
        return text, tuple(ends)


def label_continuations(labels: Mapping[str, str], tokenizer: CausalTokenizer) -> tuple[tuple[int, ...], ...]:
    """How the reply would go on with each label: its JSON string but for the first quote, and the closing brackets."""
    return tuple(tokenizer.continuation(json.dumps(label, ensure_ascii=False)[1:] + "]}") for label in labels)
