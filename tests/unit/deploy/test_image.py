"""What is in an image: the service, the modules of `shared` that it can import, and the packages that those need."""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PACKAGES = {
    "webhook-gateway": "webhook_gateway",
    "ingestor": "ingestor",
    "previewer": "previewer",
    "media-server": "media_server",
    "cli": "shared.cli",
    "simulator": "whatsapp_simulator",
}
DECODERS = {"av", "pillow", "pillow-heif", "pypdfium2"}
OURS = {package.split(".")[0] for package in PACKAGES.values()}


@pytest.fixture(params=PACKAGES)
def image(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def tree(image: str, tmp_path: Path) -> Path:
    into = tmp_path / "app"
    collected = [sys.executable, str(ROOT / "deploy/image/collect.py"), str(ROOT), PACKAGES[image], str(into)]
    subprocess.run(collected, check=True, timeout=60)  # noqa: S603 - our own program
    return into


def test_all_that_is_in_an_image_can_be_imported_from_it(image: str, tree: Path) -> None:
    """Nothing of ours is missing, and nothing is found in the clone around it."""
    modules = [".".join(file.relative_to(tree).with_suffix("").parts) for file in tree.rglob("*.py")]
    imported = [f"import {module.removesuffix('.__init__')}" for module in modules if "__main__" not in module]
    lines = "\n".join(imported)
    checked = f"""
import importlib.util, sys
sys.meta_path[:] = [finder for finder in sys.meta_path if "editable" not in repr(finder).lower()]
sys.path[:] = [{str(tree)!r}, *(path for path in sys.path if not path.startswith({str(ROOT)!r}) or ".venv" in path)]
{lines}
assert sys.modules["shared"].__file__.startswith({str(tree)!r}) if "shared" in sys.modules else True
"""
    run = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-P", "-c", checked],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=tree,
        env={"PATH": os.environ["PATH"]},
    )

    assert run.returncode == 0, run.stderr


def test_an_image_has_the_packages_that_its_modules_import(image: str, tree: Path) -> None:
    there = _pinned(image)
    known = packages_distributions()

    for module in set(_third_party(tree)):
        assert there & {_plain(name) for name in known.get(module, [module])}, f"{image} imports {module}"


def test_the_decoders_of_files_are_in_the_previewer_alone(image: str) -> None:
    assert DECODERS & _pinned(image) == (DECODERS if image == "previewer" else set())


def test_a_decoder_is_the_same_version_on_every_python() -> None:
    """What is tested is what is in the image, whatever Python either runs on."""
    requirements = (ROOT / "requirements" / "previewer.txt").read_text()

    versions = {name: re.findall(rf"^{name}==(\S+)", requirements, re.MULTILINE) for name in DECODERS}

    assert {name: len(found) for name, found in versions.items()} == dict.fromkeys(DECODERS, 1)


@pytest.mark.parametrize("image", ["webhook-gateway"])
def test_the_image_that_the_internet_reaches_holds_no_database_no_commands_and_no_credentials(tree: Path) -> None:
    held = {str(file.relative_to(tree)) for file in tree.rglob("*.py")}

    for part in ("shared/cli", "shared/repository", "shared/graph", "shared/storage", "shared/fernet_keys.py"):
        assert not [file for file in held if file.startswith(part)]
    assert "shared/broker/publisher.py" in held


def test_an_image_holds_one_service(image: str, tree: Path) -> None:
    own = PACKAGES[image].split(".")[0]

    folders = {each.name for each in tree.iterdir() if each.is_dir() and not each.name.endswith(".dist-info")}

    assert folders - {"shared"} == {own} - {"shared"}


def test_a_program_in_an_image_finds_its_version(tree: Path) -> None:
    version = re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)

    assert version is not None
    metadata = (tree / f"attache-{version[1]}.dist-info" / "METADATA").read_text()
    assert f"Version: {version[1]}\n" in metadata


def _pinned(image: str) -> set[str]:
    requirements = (ROOT / "requirements" / f"{image}.txt").read_text()
    return {_plain(name) for name in re.findall(r"^([A-Za-z0-9._-]+)==", requirements, re.MULTILINE)}


def _third_party(tree: Path) -> Iterator[str]:
    for file in tree.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module]
            for name in names:
                top = name.split(".")[0]
                if top not in sys.stdlib_module_names and top not in OURS:
                    yield top


def _plain(distribution: str) -> str:
    return re.sub(r"[-_.]+", "-", distribution).lower()
