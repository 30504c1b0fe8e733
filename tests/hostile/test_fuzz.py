"""5,000 damaged files, the same at each run, through the real sandbox; `make fuzz` tries others, and more."""

from tests.hostile.fuzz.campaign import LIMITS, Report, campaign
from tests.hostile.fuzz.strategies import damaged_files
from tests.hostile.sandboxed import own_processes
from tests.hostile.seeds import TYPES

CASES = 5_000


async def test_5000_damaged_files_find_no_defect() -> None:
    before = own_processes()
    grown: list[int] = []

    report = await campaign(CASES, seed=0, told=lambda report: grown.append(report.count))

    assert report.count == CASES
    assert grown == list(range(1, CASES + 1))
    assert not report.defects, "\n\n".join(_shown(report))
    assert {name for name, _ in report.outcomes} == set(TYPES)
    assert 0 < report.peak_bytes < LIMITS.memory_bytes
    assert report.is_well
    assert own_processes() - before == set()


def _shown(report: Report) -> list[str]:
    """Each with what makes it again."""
    return [f"{finding.name}: {finding.outcome.told}\n{finding.file.data!r}" for finding in report.defects]


def test_damaged_files_are_the_same_for_the_same_seed_and_never_alike() -> None:
    files = [(file.name, file.data) for file in damaged_files(200, number=3)]

    assert files == [(file.name, file.data) for file in damaged_files(200, number=3)]
    assert len(set(files)) == 200
    assert files != [(file.name, file.data) for file in damaged_files(200, number=4)]
