"""`enrich models` as a process: what it prints, its exit codes, and one line for what cannot work."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.test_commands import enrich
from tests.fakes.model_server import COMMIT, REPOSITORY, ModelServer, checkpoint, hub_files, serving
from tests.fakes.tiny_model import tiny_config, write_tiny
from workers.cli.main import main
from workers.models.config import read_config, write_config
from workers.models.store import use_store
from workers.settings import StoreSettings


def write(folder: Path, files: dict[str, bytes]) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return f"file://{folder}"


class Store:
    """The commands over a store of a test's own, in this process: each would take seconds to start."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, printed: pytest.CaptureFixture[str]) -> None:
        self.folder, self._monkeypatch, self._printed = folder, monkeypatch, printed

    def run(self, command: str, *arguments: str) -> tuple[int, str, str]:
        self._monkeypatch.setattr("sys.argv", ["enrich", "models", command, *arguments])
        with pytest.raises(SystemExit) as end:
            main()
        out, errors = self._printed.readouterr()
        return int(end.value.code or 0), out, errors

    def rows(self) -> dict[str, dict[str, object]]:
        code, out, errors = self.run("list", "--json")
        assert (code, errors) == (0, "")
        return {row["name"]: row for row in json.loads(out)}


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Store]:
    monkeypatch.setenv("ENRICH_STORE__FOLDER", str(tmp_path / "store"))
    monkeypatch.setenv("COLUMNS", "200")
    yield Store(tmp_path / "store", monkeypatch, capsys)
    use_store(StoreSettings())


def test_a_model_is_pulled_listed_and_verified(store: Store, tmp_path: Path) -> None:
    url = write(tmp_path / "source", checkpoint())
    code, out, errors = store.run("pull", url, "--name", "mine")
    assert (code, errors) == (0, "")
    name, digest = out.strip().split(": ")
    assert name == "mine"
    rows = store.rows()
    assert set(rows) == {"default", "mine", url}
    assert rows["mine"]["digest"] == rows[url]["digest"] == digest
    assert rows["mine"]["source"] == url
    assert rows["default"]["kind"] == "enrich"
    assert rows["default"]["revision"]
    code, out, _ = store.run("list")
    assert code == 0
    assert digest[:12] in out
    assert store.run("verify", "mine")[:2] == (0, "ok    mine: every file is right\n")
    weights = store.folder / "models" / digest / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"?")
    code, out, errors = store.run("verify")
    assert (code, errors) == (1, "")
    assert "ok    default" in out
    assert "FAIL  mine: " in out
    assert str(weights) in out
    assert store.run("pull", url)[0] == 0
    assert store.run("verify")[0] == 0


def test_a_changed_manifest_is_a_problem(store: Store, tmp_path: Path) -> None:
    digest = store.run("pull", write(tmp_path / "source", checkpoint()), "--name", "mine")[1].split()[-1]
    manifest = store.folder / "models" / digest / "enrich-manifest.json"
    manifest.write_bytes(manifest.read_bytes().replace(b'"tokenizer.json"', b'"tokenizer_config.json"'))
    code, out, _ = store.run("verify", "mine")
    assert code == 1
    assert "was changed" in out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("no-such-model",), "neither a model of the hub"),
        (("team/model",), "40 hex digits"),
        (("team/model", "--revision", "main"), "40 hex digits"),
        (("team/model", "--revision", COMMIT, "--offline"), "offline"),
        (("https://host/model", "--offline"), "offline"),
        (("file:///nowhere/at/all",), "config.json"),
        (("file:///nowhere", "--sha256", "abc"), "--sha256"),
        (("file:///nowhere", "--name", "default"), "--name default"),
        (("file:///nowhere", "--name", "../up"), "--name ../up"),
    ],
)
def test_what_cannot_be_pulled_is_one_line_and_exit_code_2(store: Store, arguments: tuple[str, ...], told: str) -> None:
    code, out, errors = store.run("pull", *arguments)
    assert (code, out) == (2, "")
    assert errors.count("\n") == 1
    assert told in errors


def test_a_process_pulls_from_the_hub_unless_the_hub_s_own_switch_says_no(store: Store, tmp_path: Path) -> None:
    with serving(ModelServer(hub_files(checkpoint()))) as hub:
        hub_is = {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "hub")}
        switched_off = {**hub_is, "HF_HUB_OFFLINE": "1"}
        done = enrich("models", "pull", f"{REPOSITORY}@{COMMIT}", environment=switched_off)
        assert (done.returncode, hub.asked) == (2, [])
        assert b"offline" in done.stderr
        done = enrich("models", "pull", REPOSITORY, "--revision", COMMIT, "--name", "tiny", environment=hub_is)
        assert (done.returncode, done.stderr) == (0, b"")
        assert done.stdout.startswith(b"tiny: ")
    assert store.rows()["tiny"]["source"] == f"{REPOSITORY}@{COMMIT}"


def test_a_model_of_ours_is_opened_before_it_is_kept(store: Store, tmp_path: Path) -> None:
    folder = Path(write_tiny(tmp_path).name)
    url = f"file://{folder}"
    code, _, errors = store.run("pull", url)
    assert code == 2
    assert "the trunk with SHA-256" in errors, "without its trunk it cannot be opened"
    (tmp_path / "trunk" / "config.json").write_text("{}")
    assert store.run("pull", f"file://{tmp_path}/trunk")[0] == 0
    config = read_config(folder)
    write_config(folder, config.model_copy(update={"entity_types": ("PER", "LOC", "ORG"), "relation_types": ()}))
    code, _, errors = store.run("pull", url)
    assert code == 2
    assert "does not fit its configuration" in errors, "labels that the heads do not have"
    assert errors.count("\n") == 1
    assert set(store.rows()) == {"default", f"file://{tmp_path}/trunk"}
    write_config(folder, config)
    digest = hashlib.sha256((folder / "config.json").read_bytes()).hexdigest()
    assert store.run("pull", url, "--sha256", digest, "--name", "own")[:2] == (0, f"own: {digest}\n")
    assert store.rows()["own"]["kind"] == "enrich"
    assert store.run("verify")[0] == 0


def test_the_gate_of_a_variant_is_listed(store: Store, tmp_path: Path) -> None:
    folder = Path(write_tiny(tmp_path).name)
    (tmp_path / "trunk" / "config.json").write_text("{}")
    write_config(folder, read_config(folder).model_copy(update={"variant_of": "f" * 64, "name": tiny_config().name}))
    for source in ("trunk", "model"):
        assert store.run("pull", f"file://{tmp_path}/{source}", "--name", source)[0] == 0
    row = store.rows()["model"]
    assert row["variant_of"] == "f" * 64
    assert "was not measured" in str(row["gate"])
