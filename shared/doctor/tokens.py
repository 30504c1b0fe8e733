"""Does Meta take the access token of each number?"""

import asyncio
from collections.abc import Sequence

from pydantic import SecretStr, ValidationError

from shared.doctor.check import Answer, fine, warning, wrong
from shared.errors import CredentialError, ErrorCode, PermanentError, PipelineError
from shared.graph.client import Graph
from shared.repository.instances import InstanceRepository
from shared.repository.mongo import Database

_AT_ONCE = 8


async def look_at_tokens(database: Database, keys: Sequence[SecretStr], graph: Graph) -> Sequence[Answer]:
    """Asks Meta for each number itself, and counts only those that were asked."""
    if not keys:
        return [warning("not checked: CREDENTIALS_ENCRYPTION_KEY is not set here", "give it the value of the services")]
    instances = InstanceRepository(database, keys)
    numbers = [number async for number in instances.numbers()]
    if not numbers:
        return [warning("no number has an access token yet", "make instance-set NUMBER=<phone number id> < token.txt")]
    places = asyncio.Semaphore(_AT_ONCE)

    async def verified(number: str) -> Answer | None:
        async with places:
            return await _verified(instances, graph, number)

    answers = [answer for answer in await asyncio.gather(*(verified(number) for number in numbers)) if answer]
    if taken := len(numbers) - len(answers):
        answers.insert(0, fine(f"Meta takes the access token of {_count(taken, of=len(numbers))}"))
    return answers


async def _verified(instances: InstanceRepository, graph: Graph, number: str) -> Answer | None:
    try:
        credentials = await instances.credentials(number)
    except CredentialError:  # no key opens it, or there is none in the row
        return warning(
            f"not checked: the access token of number {number} cannot be read",
            f"see keys; is nothing said there: {_save(number)}",
        )
    except (KeyError, ValidationError):  # changed by hand
        return warning(f"not checked: the row of number {number} is incomplete", _save(number))
    try:
        await graph.verify(number, credentials.access_token)
    except PipelineError as error:
        return _refused(number, error)
    return None


def _refused(number: str, error: PipelineError) -> Answer:
    said = f"HTTP {error.provider_status}" + (f", code {error.provider_code}" if error.provider_code else "")
    new_token = f"save a new token: {_save(number)}; what failed for it heals by itself"
    if error.code is ErrorCode.PROVIDER_AUTH:
        return wrong(f"Meta refuses the access token of number {number} ({said})", new_token)
    if error.code is ErrorCode.PROVIDER_PERMISSION:
        # its text says which permission, or what to put right at Meta
        return wrong(f"Meta refuses number {number}: {error.message}", "put that right at Meta; it heals by itself")
    if error.code is ErrorCode.PROVIDER_NOT_FOUND or isinstance(error, PermanentError):
        return wrong(
            f"Meta does not know number {number}, or not for this token ({said})",
            "compare both with Meta's API setup page",
        )
    if error.code is ErrorCode.PROVIDER_RATE_LIMITED:
        return warning(f"not checked: Meta asks to slow down for number {number}", "ask again later")
    return wrong(
        f"Meta could not be asked for number {number}: {error.message}",
        "see whether this machine reaches WHATSAPP_GRAPH_URL (firewall, DNS), and Meta's status page",
    )


def _save(number: str) -> str:
    return f"make instance-set NUMBER={number} < token.txt"


def _count(numbers: int, *, of: int) -> str:
    if numbers < of:
        return f"{numbers} of {of} numbers"
    return "1 number" if numbers == 1 else f"all {numbers} numbers"
