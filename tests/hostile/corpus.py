"""All hostile files, by name."""

from collections.abc import Mapping

from tests.hostile import bombs_of_paper, bombs_of_pixels, bombs_of_sound_and_film, damage, small_lies
from tests.hostile.case import Case


def _named() -> Mapping[str, Case]:
    cases: dict[str, Case] = {}
    for module in (bombs_of_pixels, bombs_of_paper, bombs_of_sound_and_film, small_lies, damage):
        for case in module.cases():
            if case.name in cases:
                msg = f"two hostile files are called {case.name}"
                raise ValueError(msg)
            cases[case.name] = case
    return cases


CORPUS = _named()
