"""Prompts: a template per task, filled in once per model with everything but the document.

Owns what a document may look like inside a prompt: between delimiters that it cannot close, without the marks that chat
formats give a meaning to. Knows neither a model nor a reply.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from string import Template

from pydantic import BaseModel, ConfigDict, ValidationError

from schemas.base import StageName
from workers.errors import ConfigurationError

PACKAGED = Path(__file__).parent / "templates"
OPENED, CLOSED = "<document>\n", "\n</document>"
TEXT = "text"
ALLOWED = {
    StageName.ENTITIES: {"entity_types"},
    StageName.RELATIONS: {"entity_types", "relation_types"},
    StageName.CLASSIFICATION: {"labels"},
    StageName.SUMMARY: {"max_sentences"},
}
MAX_TEMPLATE_BYTES = 65_536

# What some server or tokenizer reads as the end of a turn, a role or our own delimiter. A space behind its first
# character takes the meaning away and leaves it readable.
MARKUP = re.compile(
    r"""
    <(?=\s*/?\s*document\b)                                                    # our own delimiters
    | <(?=[|\uff5c])                                                           # <|im_start|>, <|eot_id|>, <｜User｜>
    | <(?=/?(?:s|bos|eos|pad|unk|mask|cls|sep|think|tool_call|tool_response|function|system|user|assistant|human
            |start_of_turn|end_of_turn|start_of_role|end_of_role|begin_of_text|end_of_text|turn|message|image)>)
    | <(?=</?SYS>>)
    | \[(?=/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|IMG|CLS|SEP|PAD|UNK|MASK|BOS|EOS)\])
    """,
    re.IGNORECASE | re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What a reply may name, each with a description, and how long a summary may be."""

    entity_types: Mapping[str, str] = field(default_factory=dict)
    relation_types: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    max_sentences: int = 3

    def values(self) -> dict[str, str]:
        """The text of each placeholder."""
        return {
            "entity_types": _as_lines(self.entity_types),
            "relation_types": _as_lines(self.relation_types),
            "labels": _as_lines(self.labels),
            "max_sentences": str(self.max_sentences),
        }


@dataclass(frozen=True, slots=True)
class Prompt:
    """A template with everything filled in but the document: the user's message is before, document, after."""

    system: str  # empty: there is no system message
    before: str  # ends with the opening delimiter
    after: str  # starts with the closing one

    def user(self, document: str) -> str:
        """`document` is the result of `escape`."""
        return f"{self.before}{document}{self.after}"

    @property
    def digest(self) -> str:
        return hashlib.sha256("\x00".join((self.system, self.before, self.after)).encode()).hexdigest()


class _TemplateFile(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    system: str = ""
    user: str


def escape(text: str, control_tokens: Iterable[str] = ()) -> str:
    """The document as it may stand in a prompt; `control_tokens` are those of a tokenizer that is known.

    A space is put behind the first character of every mark that has a meaning. Nothing else changes, so what a model
    quotes is found in the original as it is, or after `unescape`. Lone surrogates become replacement characters.
    """
    readable = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    marked = MARKUP.sub(lambda match: match.group() + " ", readable)
    own = sorted({token for token in control_tokens if len(token.strip()) > 1}, key=len, reverse=True)
    if not own:
        return marked
    return re.sub("|".join(map(re.escape, own)), lambda match: f"{match.group()[0]} {match.group()[1:]}", marked)


def unescape(quote: str) -> str:
    """A quote from an escaped document without the spaces that `escape` puts in."""
    return re.sub(r"([<\[]) (?=\S)", r"\1", quote)


def load_prompt(stage: StageName, vocabulary: Vocabulary, own: Path | None = None) -> Prompt:
    """The packaged template of a task, or the one at `own`. Raises ConfigurationError if it cannot be one."""
    path = own or PACKAGED / f"{stage.value}.toml"
    parsed = _read(path)
    before, separator, after = parsed.user.strip("\n").partition("${text}")
    if not separator or TEXT in _names(path, after) | _names(path, before) | _names(path, parsed.system):
        raise ConfigurationError(f"template {path} must have ${{text}} in `user`, once, and nowhere else: correct it")
    unknown = (_names(path, parsed.system) | _names(path, before) | _names(path, after)) - ALLOWED[stage]
    if unknown:
        known = ", ".join(f"${{{name}}}" for name in sorted(ALLOWED[stage] | {TEXT}))
        raise ConfigurationError(f"template {path} has the unknown placeholder {min(unknown)}: use {known}")
    values = vocabulary.values()
    return Prompt(
        system=Template(parsed.system.strip()).substitute(values),
        before=Template(before).substitute(values) + OPENED,
        after=CLOSED + Template(after).substitute(values),
    )


def _read(path: Path) -> _TemplateFile:
    try:
        data = path.read_bytes()
        if len(data) > MAX_TEMPLATE_BYTES:
            raise ConfigurationError(
                f"template {path} has {len(data)} bytes, more than {MAX_TEMPLATE_BYTES}: shorten it"
            )
        return _TemplateFile.model_validate(tomllib.loads(data.decode()))
    except OSError as error:
        raise ConfigurationError(
            f"cannot read template {path} ({error.strerror}): restore it or correct the setting"
        ) from error
    except (ValidationError, ValueError) as error:
        raise ConfigurationError(
            f"template {path} is not TOML with the strings `system` and `user`: correct it"
        ) from error


def _names(path: Path, text: str) -> set[str]:
    template = Template(text)
    if not template.is_valid():
        raise ConfigurationError(f"template {path} has a $ that starts no placeholder: write $$ for a dollar sign")
    return set(template.get_identifiers())


def _as_lines(described: Mapping[str, str]) -> str:
    return "\n".join(f"- {name}: {text}" if text else f"- {name}" for name, text in described.items())
