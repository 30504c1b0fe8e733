"""The data folder of a stack."""

from pathlib import Path


def prepare_folder(data: Path) -> Path:
    """The folder's absolute path; it and its `logs` exist then."""
    data = data.resolve()
    (data / "logs").mkdir(parents=True, exist_ok=True)
    return data
