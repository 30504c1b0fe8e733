"""Faults as people write them, on the command line and over HTTP."""

from __future__ import annotations

import pytest

from whatsapp_simulator import BodyForm, Fault, FaultName, Per, RetryAfterForm, Shape, Step, Target
from whatsapp_simulator.fault_input import fault_json, parse_fault, read_fault
from whatsapp_simulator.json_fields import BadInput


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("corrupt", Fault(name=FaultName.CORRUPT)),
        ("corrupt=0.1", Fault(name=FaultName.CORRUPT, share=0.1)),
        ("expired=0.1,per=attachment", Fault(name=FaultName.EXPIRED, share=0.1, per=Per.ATTACHMENT)),
        ("reset,at=metadata,times=2", Fault(name=FaultName.RESET, at=Step.METADATA, times=2)),
        (
            "graph_error=0.05,code=131057,subcode=5,status=503,isTransient=true,message=later,body=json",
            Fault(
                name=FaultName.GRAPH_ERROR,
                share=0.05,
                code=131057,
                subcode=5,
                status=503,
                is_transient=True,
                message="later",
                body=BodyForm.JSON,
            ),
        ),
        ("rate_limited,retryAfterSeconds=none", Fault(name=FaultName.RATE_LIMITED, retry_after_seconds=None)),
        (
            "rate_limited,retryAfterSeconds=9,retryAfterForm=date,regainAccessMinutes=2",
            Fault(
                name=FaultName.RATE_LIMITED,
                retry_after_seconds=9,
                retry_after_form=RetryAfterForm.DATE,
                regain_access_minutes=2,
            ),
        ),
        ("slow,delaySeconds=0.5", Fault(name=FaultName.SLOW, delay_seconds=0.5)),
        ("slow_body,bytesPerSecond=10", Fault(name=FaultName.SLOW_BODY, bytes_per_second=10)),
        ("gzip_bomb,sizeBytes=99", Fault(name=FaultName.GZIP_BOMB, size_bytes=99)),
        ("stall,afterBytes=9", Fault(name=FaultName.STALL, after_bytes=9)),
        ("redirect,target=other_host,hops=3", Fault(name=FaultName.REDIRECT, target=Target.OTHER_HOST, hops=3)),
        ("wrong_url,url=https://a.example{path}", Fault(name=FaultName.WRONG_URL, url="https://a.example{path}")),
        ("wrong_types,shape=array", Fault(name=FaultName.WRONG_TYPES, shape=Shape.ARRAY)),
    ],
)
def test_both_ways_of_writing_mean_the_same(text: str, fault: Fault) -> None:
    assert parse_fault(text) == fault
    assert read_fault(fault_json(fault)) == fault


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("tired", "'tired' is none of expired"),
        ("corrupt=much", "share: 'much' is not a number"),
        ("corrupt=2", "share must be above 0"),
        ("corrupt,time=2", "'time' is none of times"),
        ("corrupt,times=2.5", "times: '2.5' is not a number"),
        ("corrupt,sizeBytes=2", "sizeBytes means nothing to it"),
        ("graph_error,isTransient=maybe", "isTransient: 'maybe' is not of type bool"),
        ("corrupt,at=night", "'night' is none of metadata, download"),
    ],
)
def test_mistakes_are_named_as_they_were_written(text: str, words: str) -> None:
    with pytest.raises(BadInput) as raised:
        parse_fault(text)

    assert words in str(raised.value)
