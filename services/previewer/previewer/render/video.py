"""Films: a frame that stands for them. Runs in a worker: no asyncio, nothing but the paths it is given."""

from collections.abc import Mapping
from itertools import islice

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from previewer.render import audio
from previewer.render.containers import can_be_decoded, decoder_name, opened
from previewer.render.frame import shown_size, upright
from previewer.render.job import Job, Limits, Rendered
from previewer.render.pictures import pictures, still_edge
from previewer.render.poster import poster_frame
from shared.errors import PreviewUnreadable
from shared.media import Facts

_SORRY = "This video {}, so it has no preview. The original can be downloaded."

_NO_FILM = Disposition.attached_pic | Disposition.still_image | Disposition.timed_thumbnails
_LONGEST_SECONDS = 24 * 3600.0  # what says it is longer is not believed
_PACKETS = 1_000_000  # three hours of pictures and sound; counting them takes two seconds

# What Chrome, Firefox and Safari all play: 8 bits, and no 3GP or Matroska.
_PLAYABLE_PICTURES: Mapping[str, frozenset[str]] = {
    "video/mp4": frozenset({"h264"}),
    "video/quicktime": frozenset({"h264"}),
    "video/webm": frozenset({"vp8", "vp9"}),
}
_PLAYABLE_SOUND: Mapping[str, frozenset[str]] = {
    "video/mp4": frozenset({"aac", "mp3", "mp3float"}),
    "video/quicktime": frozenset({"aac", "mp3", "mp3float"}),
    "video/webm": frozenset({"opus", "vorbis"}),
}
_PLAYABLE_PIXELS = frozenset({"yuv420p", "yuvj420p"})


def render(job: Job) -> Rendered:
    """Write the renditions that the film lacks. One without pictures is a sound: many recorders write such files.

    Raises `PreviewUnreadable` when the bytes are no film of this type, or not one frame of it can be decoded.
    """
    with opened(job) as container:
        stream = _picture_track(container)
        if stream is None and not container.streams.audio:
            raise PreviewUnreadable(_SORRY.format("has neither pictures nor sound"))
        rendered = None if stream is None else _film(job, container, stream)
    return rendered or audio.render(job)


def _film(job: Job, container: InputContainer, stream: VideoStream) -> Rendered:
    _check(stream, job.limits)
    facts = Facts(duration_seconds=_seconds(container), playable=_is_playable(container, stream, job.mime_type))
    frame = poster_frame(container, stream, facts.duration_seconds, job.limits)
    if frame is None:
        raise PreviewUnreadable(_SORRY.format("is damaged or cut off"), detail="no frame can be decoded")
    pixel_aspect = float(stream.sample_aspect_ratio or 1)
    width, height = shown_size(frame, pixel_aspect)
    facts = facts.model_copy(update={"width": width, "height": height})
    specs = job.missing(facts)
    still = upright(frame, pixel_aspect, still_edge(job, facts))
    made = pictures(still, specs, job)
    return Rendered(facts=facts.model_copy(update={"thumbhash": made.thumbhash}), files=made.files)


def _picture_track(container: InputContainer) -> VideoStream | None:
    """The first that moves: covers of songs are video tracks too."""
    return next((stream for stream in container.streams.video if not stream.disposition & _NO_FILM), None)


def _check(stream: VideoStream, limits: Limits) -> None:
    if not can_be_decoded(stream):
        msg = _SORRY.format("is recorded in a format that previews are not made of")
        raise PreviewUnreadable(msg, detail=f"codec {decoder_name(stream)}")
    if stream.width * stream.height > limits.pixels:
        size = f"pictures of {stream.width:,} by {stream.height:,} pixels, more than the limit"
        raise PreviewUnreadable(_SORRY.format(f"has {size}"))


def _seconds(container: InputContainer) -> float | None:
    """The shortest that anybody in the file says, when it is believable: whoever lies, lies upwards."""
    said = [container.duration / av.time_base] if container.duration else []
    tracks = [
        float(stream.duration * stream.time_base)
        for stream in (*container.streams.video, *container.streams.audio)
        if stream.duration and stream.time_base
    ]
    if tracks:
        said.append(max(tracks))
    seconds = min(said) if said else _counted(container)
    return round(seconds, 3) if seconds and 0 < seconds <= _LONGEST_SECONDS else None


def _counted(container: InputContainer) -> float | None:
    """From the first packet to the end of the last. Browsers record WebM without writing a duration into it.

    None when it is too long to be gone through.
    """
    first = last = max(0, container.start_time or 0) / av.time_base
    try:
        packets = container.demux()
        for packet in islice(packets, _PACKETS):
            if packet.pts is not None and packet.time_base:
                last = max(last, float((packet.pts + (packet.duration or 0)) * packet.time_base))
        if next(packets, None) is not None:
            return None
    except MemoryError:
        raise
    except av.FFmpegError:
        pass  # cut off: it lasts as long as what is there
    return last - first


def _is_playable(container: InputContainer, stream: VideoStream, mime_type: str) -> bool:
    pictures_play = decoder_name(stream) in _PLAYABLE_PICTURES.get(mime_type, ()) and stream.pix_fmt in _PLAYABLE_PIXELS
    return pictures_play and all(
        decoder_name(sound) in _PLAYABLE_SOUND.get(mime_type, ()) for sound in container.streams.audio
    )
