"""What the demo sends, and what should become of each."""

from dataclasses import dataclass

from whatsapp_simulator import ADA, Simulator
from whatsapp_simulator.faults import Fault, FaultName
from whatsapp_simulator.media import Media
from whatsapp_simulator.webhooks import Customer, Message

_GRACE = Customer(name="Grace", wa_id="15550108888", user_id="US.10000000000000000002")
_EIGHT_DAYS = 8 * 24 * 3600


@dataclass(frozen=True, kw_only=True)
class Shipment:
    """One attachment on its way. `pictures`: it should get a thumb and a preview."""

    label: str
    media: Media
    message: Message
    status: str = "ready"
    code: str | None = None
    pictures: bool = False


def shipments(simulator: Simulator, *, limit_bytes: int) -> list[Shipment]:
    """One of every kind, and the ones that make trouble."""

    def of(
        label: str,
        sample: str,
        *,
        sender: Customer = ADA,
        caption: str | None = None,
        size_bytes: int | None = None,
        faults: tuple[Fault, ...] = (),
        age_seconds: int = 0,
        status: str = "ready",
        code: str | None = None,
        pictures: bool = False,
    ) -> Shipment:
        media = simulator.add_sample(sample, size_bytes=size_bytes, faults=faults)
        message = simulator.message(
            simulator.attachment(media, caption=caption),
            sender=sender,
            timestamp=int(simulator.clock.now()) - age_seconds,
        )
        return Shipment(label=label, media=media, message=message, status=status, code=code, pictures=pictures)

    return [
        of("photo held sideways", "photo", caption="Broken pipe, see photo", pictures=True),
        of("transparent PNG", "transparent", pictures=True),
        of("animated sticker", "sticker", pictures=True),
        of("GIF", "gif", pictures=True),
        of("voice note", "voice"),
        of("mp3", "audio"),
        of("video", "video"),
        of("PDF, non-ASCII name", "pdf", caption="Signed copy"),
        of("docx", "docx"),
        of("zip", "zip"),
        of("same photo, 2nd customer", "photo", sender=_GRACE, pictures=True),
        of(
            "over the limit",
            "pdf",
            size_bytes=limit_bytes + 1,
            status="skipped",
            code="media_too_large",
        ),
        of(
            "expired at Meta",
            "still-sticker",
            faults=(Fault(name=FaultName.EXPIRED),),
            age_seconds=_EIGHT_DAYS,
            status="failed",
            code="media_expired",
        ),
        of(
            "corrupt twice",
            "photo",
            size_bytes=200_000,
            faults=(Fault(name=FaultName.CORRUPT, times=2),),
            pictures=True,
        ),
    ]
