"""The strip below a picture: what was found, how probable, on which map, and what the colours mean."""

from __future__ import annotations

import unicodedata

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from pylon_zoo.explanation.colors import MAX_OPACITY, blend, lookup_table

BACKGROUND, INK, FAINT = (17, 19, 23), (240, 242, 245), (168, 174, 184)
MIN_WIDTH = 448
"""A narrower picture is centred on a strip of this width, so that the text has room."""
BAR_GREY = 110.0
"""The grey of the image that the colour scale pretends to lie on."""


def add_caption(
    picture: Image.Image,
    label: str,
    probability: float,
    facts: str,
    ticks: tuple[str, str, str],
    colormap: str,
    opacity: float = MAX_OPACITY,
) -> Image.Image:
    """A picture with a strip of text and a colour scale below it.

    Args:
        picture: RGB.
        label: the finding; characters the built-in font cannot draw lose their accents or become `?`.
        probability: in [0, 1].
        facts: the small second line.
        ticks: what stands below the colour scale at its left end, middle and right end.
        colormap: a key of `pylon_zoo.explanation.colors.COLORMAPS`.
        opacity: with which the colours lie on the picture.

    Returns:
        RGB, at least `MIN_WIDTH` wide, the picture unchanged at the top.
    """
    width = max(picture.width, MIN_WIDTH)
    unit = max(width / 32, 17)
    large, small = (_font(round(size * unit)) for size in (1.0, 0.68))
    pad, gap = round(0.7 * unit), round(0.35 * unit)
    height = 2 * pad + round(large.size + gap + small.size)
    canvas = Image.new("RGB", (width, picture.height + height), BACKGROUND)
    canvas.paste(picture, ((width - picture.width) // 2, 0))
    draw = ImageDraw.Draw(canvas)
    first, second = picture.height + pad + round(large.size), picture.height + height - pad
    bar_width = round(0.3 * width)

    number = format_probability(probability)
    room = width - bar_width - 5 * pad - draw.textlength(number, font=large)
    name = _fit(drawable(label), large, room)
    draw.text((pad, first), name, INK, font=large, anchor="ls")
    draw.text((pad + large.getlength(name + "  "), first), number, INK, font=large, anchor="ls")
    draw.text((pad, second), _fit(drawable(facts), small, width - bar_width - 4 * pad), FAINT, font=small, anchor="ls")

    left, right = width - pad - bar_width, width - pad
    thickness = round(0.5 * unit)
    bar = _color_bar(bar_width, thickness, colormap, opacity)
    canvas.paste(bar, (left, first - thickness))
    for x, anchor, tick in zip((left, (left + right) / 2, right), ("ls", "ms", "rs"), ticks, strict=True):
        draw.text((x, second), tick, FAINT, font=small, anchor=anchor)
    return canvas


def add_notice(picture: Image.Image, text: str) -> Image.Image:
    """A picture with a line of text above it.

    Args:
        picture: RGB.
        text: cut with an ellipsis where it is wider than the picture.

    Returns:
        RGB, as wide, the picture unchanged at the bottom.
    """
    font = _font(round(max(picture.width / 32, 17)))
    pad = round(0.5 * font.size)
    height = round(font.size) + 2 * pad
    canvas = Image.new("RGB", (picture.width, picture.height + height), BACKGROUND)
    canvas.paste(picture, (0, height))
    line = _fit(drawable(text), font, picture.width - 2 * pad)
    ImageDraw.Draw(canvas).text((picture.width / 2, height / 2), line, INK, font=font, anchor="mm")
    return canvas


def format_probability(probability: float) -> str:
    """A probability for people, never rounded to certainty.

    Example:
        >>> format_probability(0.8734), format_probability(0.00004), format_probability(0.9999)
        ('87.3%', '<0.1%', '>99.9%')
    """
    if probability < 0.001:
        return "<0.1%"
    return ">99.9%" if probability >= 0.9995 else f"{probability:.1%}"


def drawable(text: str) -> str:
    """Text in the characters Pillow's built-in font has: accents dropped, anything else beyond ASCII as `?`.

    Example:
        >>> drawable("Pleuraerguß, épanchement"), drawable("结节")
        ('Pleuraergu?, epanchement', '??')
    """
    plain = "".join(char for char in unicodedata.normalize("NFKD", text) if not unicodedata.combining(char))
    return "".join(char if " " <= char <= "~" else "?" for char in plain)


def _font(size: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(size=size)
    assert isinstance(font, ImageFont.FreeTypeFont)  # as Pillow's is where a size is asked for
    return font


def _fit(text: str, font: ImageFont.FreeTypeFont, room: float) -> str:
    """The text, its end replaced by an ellipsis where it is wider than `room` pixels."""
    if font.getlength(text) <= room:
        return text
    while text and font.getlength(text + "…") > room:
        text = text[:-1]
    return text.rstrip() + "…"


def _color_bar(width: int, height: int, colormap: str, opacity: float) -> Image.Image:
    """The colour scale as it looks over a medium grey, so that it shows the opacity too."""
    values = np.broadcast_to(np.linspace(0, 1, width, dtype=np.float32), (height, width))
    bar = blend(np.full((height, width), BAR_GREY), values, lookup_table(colormap), opacity)
    return Image.fromarray(np.rint(bar).astype(np.uint8))
