"""Does CREDENTIALS_ENCRYPTION_KEY open all that is kept encrypted?"""

from collections.abc import Sequence

from pydantic import SecretStr

from shared.doctor.check import Answer, fine, warning, wrong
from shared.repository.mongo import Database
from shared.repository.sealed import Opens, SealedTexts


async def look_at_keys(database: Database, keys: Sequence[SecretStr]) -> Sequence[Answer]:
    """Without keys it only says that nobody looked."""
    if not keys:
        return [warning("not checked: CREDENTIALS_ENCRYPTION_KEY is not set here", "give it the value of the services")]
    found = [sealed async for sealed in SealedTexts(database, keys).all()]
    answers = [
        wrong(
            f"no listed key opens the access token of number {sealed.number}",
            "add the key it was saved with to CREDENTIALS_ENCRYPTION_KEY, after the new one, and restart ingestor and "
            f"media-server; or save the token again: make instance-set NUMBER={sealed.number}",
        )
        if sealed.number
        else wrong(
            "no listed key opens the key of the tombstones: it cannot be told what was erased",
            "add the earlier key to CREDENTIALS_ENCRYPTION_KEY, after the new one, and restart the ingestor; is it "
            'lost, see "The encryption key is lost" in docs/operations.md',
        )
        for sealed in found
        if sealed.opens is Opens.NONE or (sealed.opens is Opens.MISSING and sealed.number is None)
    ]
    if older := sum(sealed.opens is Opens.LATER for sealed in found):
        answers.append(warning(f"{older} of {len(found)} are encrypted with an older key", "make reencrypt"))
    return answers or [fine(f"the first key opens all that is kept encrypted ({len(found)})")]
