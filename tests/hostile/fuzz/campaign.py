"""A run of the fuzzer: so many damaged files through the sandbox, and how each ended."""

import asyncio
import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from previewer.render.job import Limits
from tests import images
from tests.hostile.fuzz.strategies import Damaged, damaged_files
from tests.hostile.sandboxed import DEFECT, READY, MeasuringSandbox, Outcome, rendered

WORKERS = 2
LIMITS = Limits(seconds=5)  # one that takes longer is counted as out of time
_EXPECTED = frozenset({READY, "preview_unreadable"})


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A file that took its worker down, or that found a defect of ours."""

    file: Damaged
    outcome: Outcome

    @property
    def name(self) -> str:
        """To save it as: the good file that it was made of comes first, which tells its type."""
        return f"{self.file.name}--{hashlib.sha256(self.file.data).hexdigest()[:12]}.{self.outcome.code}"


@dataclass(kw_only=True)
class Report:
    """What came out: counts by (good file, outcome), what deserves a look, the most memory that a worker had."""

    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)
    peak_bytes: int = 0
    is_well: bool = False  # it still renders a photo after all that

    @property
    def defects(self) -> list[Finding]:
        """What must not be."""
        return [finding for finding in self.findings if finding.outcome.code == DEFECT]

    @property
    def count(self) -> int:
        """How many files were tried."""
        return self.outcomes.total()


async def campaign(count: int, *, seed: int, told: Callable[[Report], object]) -> Report:
    """Try `count` files, the same ones for the same `seed`; `told` hears of the report as it grows."""
    report = Report()
    sandbox = MeasuringSandbox(workers=WORKERS, limits=LIMITS)
    await sandbox.start()
    files = damaged_files(count, number=seed)

    async def try_them() -> None:
        for file in files:
            outcome = await rendered(sandbox, file.data, file.mime_type)
            report.outcomes[file.name, outcome.code] += 1
            if outcome.code not in _EXPECTED:
                report.findings.append(Finding(file=file, outcome=outcome))
            report.peak_bytes = sandbox.peak_bytes
            told(report)

    try:
        await asyncio.gather(*(try_them() for _ in range(WORKERS + 2)))  # two wait, so that no worker does
        report.is_well = (await rendered(sandbox, images.jpeg(1600, 1200), "image/jpeg")).code == READY
    finally:
        await sandbox.close()
    return report
