"""What the demo sends, and what should become of each."""

from dataclasses import dataclass

from whatsapp_simulator import ADA, Simulator
from whatsapp_simulator.faults import Fault, FaultName
from whatsapp_simulator.media import Media
from whatsapp_simulator.webhooks import Customer, Message

_GRACE = Customer(name="Grace", wa_id="15550108888", user_id="US.10000000000000000002")
_EIGHT_DAYS = 8 * 24 * 3600

_PICTURE = frozenset({"thumb", "preview"})
_MOVING = _PICTURE | {"poster"}
_FILM = frozenset({"poster", "thumb"})
_SOUND = frozenset({"waveform", "thumb"})
_OLD_SOUND = _SOUND | {"playable"}
_NONE: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Shipment:
    """One attachment on its way. A file that is `ready` without any of `renditions` should have a label."""

    label: str
    media: Media
    message: Message
    status: str = "ready"
    code: str | None = None
    renditions: frozenset[str] = _NONE


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
        renditions: frozenset[str] = _NONE,
    ) -> Shipment:
        media = simulator.add_sample(sample, size_bytes=size_bytes, faults=faults)
        message = simulator.message(
            simulator.attachment(media, caption=caption),
            sender=sender,
            timestamp=int(simulator.clock.now()) - age_seconds,
        )
        return Shipment(label=label, media=media, message=message, status=status, code=code, renditions=renditions)

    return [
        of("photo held sideways", "photo", caption="Broken pipe, see photo", renditions=_PICTURE),
        of("transparent PNG", "transparent", renditions=_PICTURE),
        of("animated sticker", "sticker", renditions=_MOVING),
        of("still sticker", "still-sticker", renditions=_PICTURE),
        of("GIF", "gif", renditions=_MOVING),
        of("JPEG sent as a file", "jpeg-file", renditions=_PICTURE),
        of("HEIC from an iPhone", "heic", renditions=_PICTURE),
        of("AVIF", "avif", renditions=_PICTURE),
        of("TIFF, scanned", "tiff", renditions=_PICTURE),
        of("BMP", "bmp", renditions=_PICTURE),
        of("video", "video", renditions=_FILM),
        of("iPhone film, upright", "mov", renditions=_FILM),
        of("3GP of an old phone", "3gp", renditions=_FILM),
        of("WebM", "webm", renditions=_FILM),
        of("voice note", "voice", renditions=_OLD_SOUND),
        of("mp3", "audio", renditions=_SOUND),
        of("m4a", "m4a", renditions=_SOUND),
        of("AMR", "amr", renditions=_OLD_SOUND),
        of("PDF, non-ASCII name", "pdf", caption="Signed copy", renditions=_PICTURE),
        of("PDF with a password", "locked-pdf"),
        of("docx", "docx"),
        of("xlsx", "xlsx"),
        of("zip", "zip"),
        of("text", "txt"),
        of("csv", "csv"),
        of("SVG with a script", "svg"),
        of("HTML with a script", "html"),
        of("same photo, 2nd customer", "photo", sender=_GRACE, renditions=_PICTURE),
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
            size_bytes=40_000,  # bytes of its own: those of the other sticker would be there already
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
            renditions=_PICTURE,
        ),
    ]
