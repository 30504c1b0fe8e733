"""The frames of an animation, scaled down one by one so that only one full frame is in memory at a time."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from PIL import Image, ImageStat

from previewer.render.job import Limits

Scale = Callable[[Image.Image], Image.Image]

# Browsers show a frame that asks for 10 ms or less for 100 ms; so do we, or the thumb would race.
_SHORTEST_MS = 10
_DEFAULT_MS = 100
_LONGEST_MS = 60_000  # the sum has to fit into what WebP counts
_ALIKE = 8  # levels of 255 that a plain ground may differ by
_ANYTHING = 0.01  # the part of a picture that must be visible to count as something
_GLANCE = (32, 32)  # pixels, in which specks do not count


@dataclass(frozen=True, kw_only=True)
class Animation:
    """At least two frames of one size. `loop` is how often WebP plays them; 0 is for ever."""

    frames: tuple[Image.Image, ...]
    durations_ms: tuple[int, ...]
    loop: int

    def thinned(self, step: int) -> "Animation":
        """Every `step`th frame, each shown for as long as those that it stands for."""
        starts = range(0, len(self.frames), step)
        return Animation(
            frames=self.frames[::step],
            durations_ms=tuple(sum(self.durations_ms[start : start + step]) for start in starts),
            loop=self.loop,
        )


@dataclass(frozen=True, kw_only=True)
class Played:
    """What was seen of an animation: its frames, if they were wanted, and one frame that stands for it."""

    still: Image.Image
    animation: Animation | None


def is_animated(image: Image.Image, limits: Limits) -> bool:
    """Whether it moves, and its frames are small enough to look at two of them.

    A PNG that is interlaced stands still: Pillow cannot read its second frame.
    """
    moves = bool(getattr(image, "is_animated", False)) and not (image.format == "PNG" and image.info.get("interlace"))
    return moves and _most_frames(image, limits) >= 2


def played(image: Image.Image, limits: Limits, *, still: Scale, moving: Scale | None) -> Played:
    """Every frame through `moving`, and through `still` the first one that shows something; many begin with nothing.

    Cut after `limits.frames`, or earlier when all frames together would be more than `limits.animation_pixels`.
    Without `moving` no frame is decoded after the one that stands for all.
    """
    first: Image.Image | None = None
    chosen: Image.Image | None = None
    frames, durations_ms = [], []
    for frame in _frames(image, _most_frames(image, limits)):
        if chosen is None:
            scaled = still(frame)
            first = first or scaled
            chosen = None if _is_blank(scaled) else scaled
        if moving is not None:
            frames.append(moving(frame))
            durations_ms.append(_duration_ms(frame))
        elif chosen is not None:
            break
    if first is None:
        msg = "no frame at all"
        raise ValueError(msg)
    animation = None
    if len(frames) >= 2:
        animation = Animation(frames=_of_one_mode(frames), durations_ms=tuple(durations_ms), loop=_loop(image))
    return Played(still=chosen or first, animation=animation)


def _most_frames(image: Image.Image, limits: Limits) -> int:
    return min(limits.frames, limits.animation_pixels // (image.width * image.height))


def _frames(image: Image.Image, most: int) -> Iterator[Image.Image]:
    # Never `n_frames`: for a GIF that reads the whole file, which a hostile one makes long.
    begin = 1 if getattr(image, "default_image", False) else 0  # a PNG's, for readers that know no animation
    size: tuple[int, int] | None = None
    for index in range(begin, begin + most):
        try:
            image.seek(index)
        except EOFError:
            return
        image.load()
        size = size or image.size
        if image.size != size:  # a GIF may grow on its way
            return
        yield image


def _is_blank(frame: Image.Image) -> bool:
    """Plain, or next to nothing is visible."""
    seen = ImageStat.Stat(frame.resize(_GLANCE, Image.Resampling.BOX))
    if frame.mode == "RGBA" and seen.mean[-1] < 255 * _ANYTHING:
        return True
    return all(high - low <= _ALIKE for low, high in seen.extrema)


def _duration_ms(frame: Image.Image) -> int:
    duration = int(frame.info.get("duration", 0))
    return min(duration, _LONGEST_MS) if duration > _SHORTEST_MS else _DEFAULT_MS


def _loop(image: Image.Image) -> int:
    """GIF counts repetitions and says nothing for "once"; WebP and PNG count how often it is played."""
    loop = image.info.get("loop")
    if image.format != "GIF":
        return min(int(loop or 0), 0xFFFF)
    if loop is None:
        return 1
    return 0 if loop == 0 else min(int(loop) + 1, 0xFFFF)


def _of_one_mode(frames: list[Image.Image]) -> tuple[Image.Image, ...]:
    # one frame with holes makes the whole animation one with alpha
    mode = "RGBA" if any(frame.mode == "RGBA" for frame in frames) else "RGB"
    return tuple(frame if frame.mode == mode else frame.convert(mode) for frame in frames)
