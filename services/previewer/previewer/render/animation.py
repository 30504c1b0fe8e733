"""The frames of an animation, scaled down one by one so that only one full frame is in memory at a time."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from PIL import Image

from previewer.render.job import Limits

# Browsers show a frame that asks for 10 ms or less for 100 ms; so do we, or the thumb would race.
_SHORTEST_MS = 10
_DEFAULT_MS = 100


@dataclass(frozen=True, kw_only=True)
class Animation:
    """At least two frames of one size. `loop` is how often WebP plays them; 0 is for ever."""

    frames: tuple[Image.Image, ...]
    durations_ms: tuple[int, ...]
    loop: int


def animation(image: Image.Image, scale: Callable[[Image.Image], Image.Image], limits: Limits) -> Animation | None:
    """The frames through `scale`, or None when the picture stands still.

    Cut after `limits.frames`, or earlier when all frames together would be more than `limits.pixels`.
    """
    most = min(limits.frames, limits.pixels // (image.width * image.height))
    if most < 2 or not getattr(image, "is_animated", False):
        return None
    frames, durations_ms = [], []
    for frame in _frames(image, most):
        frames.append(scale(frame))
        durations_ms.append(_duration_ms(frame))
    if len(frames) < 2:
        return None
    return Animation(frames=_of_one_mode(frames), durations_ms=tuple(durations_ms), loop=_loop(image))


def _frames(image: Image.Image, most: int) -> Iterator[Image.Image]:
    # Never `n_frames`: for a GIF that reads the whole file, which a hostile one makes long.
    for index in range(most):
        try:
            image.seek(index)
        except EOFError:
            return
        image.load()
        yield image


def _duration_ms(frame: Image.Image) -> int:
    duration = int(frame.info.get("duration", 0))
    return duration if duration > _SHORTEST_MS else _DEFAULT_MS


def _loop(image: Image.Image) -> int:
    """GIF counts repetitions and says nothing for "once"; WebP counts how often it is played."""
    loop = image.info.get("loop")
    if image.format != "GIF":
        return int(loop or 0)
    if loop is None:
        return 1
    return 0 if loop == 0 else min(int(loop) + 1, 0xFFFF)


def _of_one_mode(frames: list[Image.Image]) -> tuple[Image.Image, ...]:
    # one frame with holes makes the whole animation one with alpha
    mode = "RGBA" if any(frame.mode == "RGBA" for frame in frames) else "RGB"
    return tuple(frame if frame.mode == mode else frame.convert(mode) for frame in frames)
