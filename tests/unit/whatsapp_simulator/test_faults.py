from __future__ import annotations

from typing import Any

import pytest

from whatsapp_simulator import FAULTS, Fault, FaultName, Per, Step
from whatsapp_simulator.fault_plan import FaultPlan


def test_faults_take_effect_one_after_the_other_and_each_at_its_step() -> None:
    plan = FaultPlan()
    plan.put(
        "7",
        Fault(name=FaultName.SERVER_ERROR, times=1),
        Fault(name=FaultName.CORRUPT, times=2),
        Fault(name=FaultName.RATE_LIMITED, times=1),
    )

    metadata = [plan.take("7", Step.METADATA) for _ in range(3)]
    downloads = [plan.take("7", Step.DOWNLOAD) for _ in range(3)]

    assert [fault and fault.name for fault in metadata] == [FaultName.SERVER_ERROR, FaultName.RATE_LIMITED, None]
    assert [fault and fault.name for fault in downloads] == [FaultName.CORRUPT, FaultName.CORRUPT, None]
    assert plan.take("8", Step.METADATA) is None


def test_a_fault_without_a_number_of_times_lasts_until_it_is_cleared() -> None:
    plan = FaultPlan()
    plan.put("7", Fault(name=FaultName.EXPIRED))

    taken = [plan.take("7", Step.METADATA) for _ in range(10)]
    plan.put("7")

    assert None not in taken
    assert plan.take("7", Step.METADATA) is None
    assert plan.planned() == {}


def test_putting_a_fault_again_starts_its_count_anew() -> None:
    plan = FaultPlan()
    fault = Fault(name=FaultName.CORRUPT, times=1)
    plan.put("7", fault)
    plan.take("7", Step.DOWNLOAD)

    plan.put("7", fault)

    assert plan.take("7", Step.DOWNLOAD) == fault


def test_a_fault_for_all_meets_whatever_is_asked_for_and_comes_after_the_ones_own_faults() -> None:
    plan = FaultPlan()
    plan.put_everywhere(Fault(name=FaultName.SERVER_ERROR))
    plan.put("7", Fault(name=FaultName.RATE_LIMITED, times=1))

    met = [plan.take(media_id, Step.METADATA) for media_id in ("7", "7", "8")]

    assert [fault and fault.name for fault in met] == [
        FaultName.RATE_LIMITED,
        FaultName.SERVER_ERROR,
        FaultName.SERVER_ERROR,
    ]
    assert plan.struck() == {FaultName.RATE_LIMITED: 1, FaultName.SERVER_ERROR: 2}


def test_a_share_of_the_requests_is_met_and_the_same_seed_meets_the_same() -> None:
    def met(seed: int) -> list[bool]:
        plan = FaultPlan(seed=seed)
        plan.put_everywhere(Fault(name=FaultName.CORRUPT, share=0.1))
        return [plan.take("7", Step.DOWNLOAD) is not None for _ in range(1000)]

    assert 60 < sum(met(0)) < 140
    assert met(0) == met(0)
    assert met(0) != met(1)


def test_a_share_of_the_attachments_is_met_always_or_so_many_times() -> None:
    plan = FaultPlan()
    ids = [str(number) for number in range(1000)]
    plan.put_everywhere(Fault(name=FaultName.CORRUPT, share=0.1, per=Per.ATTACHMENT, times=2))

    rounds = [{media_id for media_id in ids if plan.take(media_id, Step.DOWNLOAD)} for _ in range(3)]

    assert 60 < len(rounds[0]) < 140
    assert rounds[0] == rounds[1]
    assert rounds[2] == set()


def test_clearing_heals_everything() -> None:
    plan = FaultPlan()
    plan.put_everywhere(Fault(name=FaultName.CORRUPT))
    plan.put("7", Fault(name=FaultName.CORRUPT))

    plan.clear()

    assert plan.take("7", Step.DOWNLOAD) is None


def test_every_name_is_described_and_makes_a_fault() -> None:
    assert set(FAULTS) == set(FaultName)
    for name, kind in FAULTS.items():
        for step in kind.steps:
            assert Fault(name=name, at=step).step is step


@pytest.mark.parametrize(
    "options",
    [
        {"name": FaultName.CORRUPT, "times": 0},
        {"name": FaultName.TRUNCATED, "at": Step.METADATA},
        {"name": FaultName.SERVER_ERROR, "status": 404},
        {"name": FaultName.SLOW, "delay_seconds": -1},
        {"name": FaultName.RATE_LIMITED, "retry_after_seconds": -1},
        {"name": FaultName.CORRUPT, "code": 4},
        {"name": FaultName.CORRUPT, "share": 0.0},
        {"name": FaultName.CORRUPT, "share": 1.1},
        {"name": FaultName.CORRUPT, "at": Step.METADATA},
        {"name": FaultName.WRONG_URL, "at": Step.DOWNLOAD},
        {"name": FaultName.REDIRECT, "status": 200},
        {"name": FaultName.REDIRECT, "hops": 0},
        {"name": FaultName.HTTP_STATUS, "status": 200},
        {"name": FaultName.EMPTY, "status": 600},
        {"name": FaultName.SLOW_BODY, "bytes_per_second": 0},
        {"name": FaultName.GZIP_BOMB, "size_bytes": -1},
    ],
)
def test_faults_that_make_no_sense_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=options["name"]):
        Fault(**options)
