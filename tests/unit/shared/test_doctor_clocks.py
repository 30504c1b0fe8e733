"""Which clock is said to be off."""

from shared.doctor.check import Verdict
from shared.doctor.clocks import META, OURS, judged


def said(**offsets: float) -> list[str]:
    """What is wrong, with `ours` at 0."""
    names = {"meta": META, "mongodb": "MongoDB", "ingestor": "ingestor", "gateway": "webhook-gateway"}
    known = {OURS: 0.0, **{names[name]: offset for name, offset in offsets.items()}}
    return [answer.says for answer in judged(known) if answer.verdict is Verdict.WRONG]


def test_clocks_within_five_seconds_agree() -> None:
    assert said(meta=4.9, mongodb=0.1, ingestor=0.0) == []


def test_meta_is_the_measure_when_it_answers() -> None:
    wrong = said(meta=60.0, mongodb=0.0, ingestor=0.0)

    assert wrong == [
        "the clock of this machine, MongoDB, ingestor is 60 s behind Meta: links end too late, deadlines and retries "
        "shift"
    ]


def test_each_machine_that_is_off_is_named_apart() -> None:
    wrong = said(meta=0.2, mongodb=30.0, ingestor=-60.0, gateway=-60.4)

    assert [text.partition(":")[0] for text in wrong] == [
        "the clock of MongoDB is 30 s ahead of Meta",
        "the clock of ingestor, webhook-gateway is 60 s behind Meta",
    ]


def test_without_meta_the_odd_one_out_is_named() -> None:
    assert [text.partition(":")[0] for text in said(mongodb=0.2, ingestor=-30.0, gateway=0.1)] == [
        "the clock of ingestor is 30 s behind most others"
    ]


def test_without_meta_ours_may_be_the_odd_one_out() -> None:
    assert [text.partition(":")[0] for text in said(mongodb=20.0, ingestor=20.1)] == [
        "the clock of this machine is 20 s behind most others"
    ]


def test_of_two_clocks_nobody_knows_which_is_wrong() -> None:
    assert said(mongodb=8.0) == ["this machine and MongoDB are 8 s apart; nobody knows which is wrong"]


def test_one_clock_alone_is_not_compared() -> None:
    assert list(judged({OURS: 0.0})) == []
