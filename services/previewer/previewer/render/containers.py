"""Opening films and sound that a stranger sent: one demuxer per sniffed type, listed decoders, one kind of error."""

import errno
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import av
from av.codec import CodecContext
from av.container import InputContainer
from av.stream import Stream

from previewer.render.job import Job
from shared.errors import PreviewUnreadable

DEMUXERS: Mapping[str, str] = {
    "video/mp4": "mov",
    "video/quicktime": "mov",
    "video/3gpp": "mov",
    "video/webm": "matroska",
    "video/x-matroska": "matroska",
    "audio/aac": "aac",
    "audio/amr": "amr",
    "audio/flac": "flac",
    "audio/mp4": "mov",
    "audio/mpeg": "mp3",
    "audio/ogg": "ogg",
    "audio/wav": "wav",
}

# By the decoder's name in FFmpeg: what phones, browsers and recorders make, and nothing from a museum.
DECODERS: Final = frozenset(
    {"h264", "hevc", "libdav1d", "vp8", "vp9", "mpeg4", "h263"}
    | {"aac", "opus", "vorbis", "mp3", "mp3float", "flac", "alac", "amrnb", "amrwb"}
    | {"pcm_u8", "pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_f32le", "pcm_f64le", "pcm_s16be", "pcm_s24be"}
    | {"pcm_alaw", "pcm_mulaw"}
)

_PROBE_BYTES = 5_000_000  # a 4K key frame is one or two million
_PROBE_MICROSECONDS = 2_000_000
_MOST_STREAMS = 32
_BUFFER_BYTES = 128 * 1024

# What PyAV raises besides its own errors on bytes that lie. A TypeError or AttributeError would be a defect of ours.
_DAMAGE = (ValueError, LookupError, ArithmeticError)


@contextmanager
def opened(job: Job) -> Iterator[InputContainer]:
    """The film or sound of `job`, its headers read. Decode inside the block: there every complaint of FFmpeg is
    `PreviewUnreadable` with a message for people, running out of memory is `MemoryError`, and our own disk `OSError`.

    Only decoders of `DECODERS` open, each in this thread alone, and none for a picture above the pixel limit.
    """
    codec_options = {
        "codec_whitelist": ",".join(sorted(DECODERS)),
        "max_pixels": str(job.limits.pixels),
        "threads": "1",  # a worker may not start threads
    }
    # FFmpeg is given bytes, never a name: a file that refers to another one finds nothing
    options = {
        "protocol_whitelist": "none",
        "probesize": str(_PROBE_BYTES),
        "analyzeduration": str(_PROBE_MICROSECONDS),
        "max_streams": str(_MOST_STREAMS),
        **codec_options,
    }
    with (
        job.source.open("rb") as source,
        _translated(job.mime_type),
        av.open(
            source,
            "r",
            format=DEMUXERS[job.mime_type],
            options=options,
            metadata_errors="replace",
            buffer_size=_BUFFER_BYTES,
        ) as container,
    ):
        for stream in container.streams:
            if (context := _context(stream)) is not None:
                context.options = codec_options
                context.thread_count = 1
        yield container


def can_be_decoded(stream: Stream) -> bool:
    """Whether one of `DECODERS` is for this stream."""
    return decoder_name(stream) in DECODERS


def decoder_name(stream: Stream) -> str | None:
    """The decoder that FFmpeg would take, listed or not; None where it has none."""
    context = _context(stream)
    return None if context is None else context.codec.name


def _context(stream: Stream) -> CodecContext | None:
    return stream.codec_context  # None, which PyAV's type hints forget, where FFmpeg has no decoder at all


@contextmanager
def _translated(mime_type: str) -> Iterator[None]:
    try:
        yield
    except MemoryError as error:
        raise MemoryError from error  # PyAV's own class would not survive the way to the parent process
    except av.FFmpegError as error:
        raise _damaged(mime_type, error.strerror or "") from error
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise  # our disk, not their film
        raise _damaged(mime_type, "it refers to what is before its beginning") from error
    except _DAMAGE as error:
        raise _damaged(mime_type, str(error)) from error


def _damaged(mime_type: str, detail: str) -> PreviewUnreadable:
    what = "video" if mime_type.startswith("video/") else "audio file"
    msg = f"This {what} is damaged or cut off, so it has no preview. The original can be downloaded."
    return PreviewUnreadable(msg, detail=detail)
