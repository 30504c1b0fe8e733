from __future__ import annotations

from typing import Any

import pytest

from whatsapp_simulator import Fault, FaultName, Step
from whatsapp_simulator.faults import FaultPlan


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


@pytest.mark.parametrize(
    "options",
    [
        {"name": FaultName.CORRUPT, "times": 0},
        {"name": FaultName.TRUNCATED, "at": Step.METADATA},
        {"name": FaultName.SERVER_ERROR, "status": 404},
        {"name": FaultName.SLOW, "delay_seconds": -1},
        {"name": FaultName.RATE_LIMITED, "retry_after_seconds": -1},
    ],
)
def test_faults_that_make_no_sense_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=options["name"]):
        Fault(**options)
