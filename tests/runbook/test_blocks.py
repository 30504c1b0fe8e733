"""The reading and running of blocks itself."""

from pathlib import Path

import pytest

from tests.runbook.blocks import Block, Misprint, parse
from tests.runbook.runner import Record, Runbook
from tests.runbook.shown import first_missing
from tests.runbook.test_complete import unexecuted, unnamed

DOCUMENT = """
## Variables

```sh name=variables
# for the blocks below
PLACE=here
say() { echo "$@"; }
```

## A failure

1. Look:

   ```sh name=look
   say "m7k2exampleid is at $PLACE"
   ```

   ```text
   m7k2exampleid is at …
   ```

```sh name=exec-there compose
docker compose ps
```
"""


def runbook(folder: Path, document: str = DOCUMENT) -> Runbook:
    return Runbook(blocks=parse(document), folder=folder, environment={"PATH": "/usr/bin:/bin"}, record=Record())


def test_blocks_have_name_text_heading_and_what_one_sees() -> None:
    variables, look, compose = parse(DOCUMENT)

    assert variables.sets == {"PLACE", "say"}
    assert look == Block(
        name="look",
        text='say "m7k2exampleid is at $PLACE"\n',
        heading="A failure",
        compose=False,
        shown="m7k2exampleid is at …\n",
    )
    assert (compose.name, compose.compose, compose.sets) == ("exec-there", True, frozenset())


@pytest.mark.parametrize(
    ("document", "complaint"),
    [
        ("```sh\nls\n```\n", "line 1: ```sh is neither"),
        ("```console name=list\nls\n```\n", "is neither"),
        ("```sh name=list compsoe\nls\n```\n", "is neither"),
        ("```sh name=list\nls\n```\n\n```sh name=list\nls\n```\n", "line 5: another block is called list"),
        ("```text\nan output\n```\n", "follows no block"),
        ("## One\n```sh name=list\nls\n```\n## Two\n```text\nan output\n```\n", "line 6: this output follows no block"),
        ("```sh name=list\nls\n", "never closed"),
    ],
)
def test_fences_that_nobody_could_run_are_refused(document: str, complaint: str) -> None:
    with pytest.raises(Misprint, match=complaint):
        parse(document)


async def test_a_block_is_run_with_its_variables_and_examples_replaced(tmp_path: Path) -> None:
    book = runbook(tmp_path)

    ran = await book.run("look", replace={"m7k2exampleid": "m1"})

    assert ran.stdout == "m1 is at here\n"
    assert book.record.executed == {"variables", "look"}
    assert book.record.compared == {"look"}


@pytest.mark.parametrize(
    ("line", "variables"),
    [
        ("TOKEN=$(cat 'a file')", {"TOKEN"}),
        ('export COMPOSE="1 2"', {"COMPOSE"}),
        ('attache() { .venv/bin/attache "$@"; }', {"attache"}),
        ("COMPOSE=1 make dlq", set()),
        ("make dlq", set()),
    ],
)
def test_a_block_that_only_sets_variables_is_told_from_commands(line: str, variables: set[str]) -> None:
    assert parse(f"```sh name=it\n{line}\n```\n")[0].sets == variables


async def test_an_example_that_is_not_in_the_block_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="m8 is not in this block"):
        await runbook(tmp_path).run("look", replace={"m8": "m1"})


async def test_a_block_that_is_not_there_or_needs_compose_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="no block lok"):
        await runbook(tmp_path).run("lok")
    with pytest.raises(AssertionError, match="needs Docker Compose"):
        await runbook(tmp_path).run("exec-there")


async def test_a_failing_command_in_the_middle_fails_the_block(tmp_path: Path) -> None:
    book = runbook(tmp_path, "```sh name=two\nfalse\ntrue\n```\n```sh name=pipe\nfalse | true\n```\n")

    with pytest.raises(AssertionError, match="two ended with 1"):
        await book.run("two")
    with pytest.raises(AssertionError, match="pipe ended with 1"):
        await book.run("pipe")
    assert (await book.run("two", code=1)).code == 1


async def test_an_output_that_is_no_longer_printed_fails_the_block(tmp_path: Path) -> None:
    book = runbook(tmp_path, "```sh name=say\necho another\n```\n```text\nSaved.\n```\n")

    with pytest.raises(AssertionError, match="not printed: Saved"):
        await book.run("say")


@pytest.mark.parametrize(
    ("shown", "printed", "missing"),
    [
        ("Saved 106540352242922, version 2.", "Saved 5, version 13.", None),
        ("queue   count\n─────  ─────\n…\ntotal  1,234", "queue count\n── ──\na 1\n\nb 2\ntotal 7", None),
        ("one\ntwo", "two\none", "two"),
        ("token …abcd.", "token …wxyz.", "token …abcd."),
        ("a.c", "abc", "a.c"),
    ],
)
def test_only_what_changes_from_run_to_run_may_differ(shown: str, printed: str, missing: str | None) -> None:
    assert first_missing(shown, printed) == missing


def test_a_block_that_no_test_names_or_runs_is_found() -> None:
    blocks = list(parse(DOCUMENT))

    assert unnamed(blocks, 'await runbook.run("look")\nrun(\n    "variables", code=1)') == ["exec-there"]
    assert unexecuted(blocks, Record(executed={"variables", "look"})) == ["look", "exec-there"]
    assert unexecuted(blocks, Record(executed={"variables", "look", "exec-there"}, compared={"look"})) == []
