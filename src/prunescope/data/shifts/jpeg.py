"""Baseline JPEG of many images at once: the integer arithmetic of libjpeg's accurate codec, without the entropy code.

Huffman coding loses nothing, so compressing and decompressing is colour conversion, chroma averaging, the integer
cosine transform, rounding to multiples of the quantisation table, and the way back. All of it is defined on integers.

Source: ITU-T T.81 (1992); Loeffler, Ligtenberg, Moschytz, Practical fast 1-D DCT algorithms with 11
multiplications, ICASSP (1989), in the fixed point of libjpeg's ``islow`` transforms.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from prunescope.data.shifts.filters import extend

_LUMA = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
_CHROMA = (
    (17, 18, 24, 47, 99, 99, 99, 99),
    (18, 21, 26, 66, 99, 99, 99, 99),
    (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99),
    *((99,) * 8,) * 4,
)


def jpeg(levels: Tensor, quality: int) -> Tensor:
    """Return 8-bit images after JPEG compression: 4:2:0 chroma, smooth chroma upsampling, standard tables.

    Args:
        levels: int32 ``[n, 1 or 3, height, width]`` in 0 … 255.
        quality: 1 … 100, libjpeg's scale.
    """
    luma, chroma = (quantisation(table, quality).to(levels.device) for table in (_LUMA, _CHROMA))
    height, width = levels.shape[-2:]
    if levels.shape[1] == 1:
        return _through_blocks([levels], [luma])[0]
    red, green, blue = levels.unbind(1)
    brightness = (red * 19595 + green * 38470 + blue * 7471 + 32768) >> 16
    half = (128 << 16) + 32767
    to_blue = (blue * 32768 - red * 11059 - green * 21709 + half) >> 16
    to_red = (red * 32768 - green * 27439 - blue * 5329 + half) >> 16
    planes = [brightness[:, None], _halve(torch.stack([to_blue, to_red], 1))]
    decoded, small = _through_blocks(planes, [luma, chroma])
    to_blue, to_red = (_double(small[..., : (width + 1) // 2])[..., :height, :width] - 128).unbind(1)
    brightness = decoded[:, 0]
    red = brightness + ((to_red * 91881 + 32768) >> 16)
    green = brightness + ((to_blue * -22554 - to_red * 46802 + 32768) >> 16)
    blue = brightness + ((to_blue * 116130 + 32768) >> 16)
    return torch.stack([red, green, blue], 1).clamp_(0, 255)


def quantisation(table: tuple[tuple[int, ...], ...], quality: int) -> Tensor:
    """Return a standard table scaled to a quality, int32 ``[8, 8]`` in 1 … 255."""
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    return ((torch.tensor(table, dtype=torch.int32) * scale + 50) // 100).clamp_(1, 255)


def _halve(planes: Tensor) -> Tensor:
    """Average 2 × 2 pixels, rounding down and up in alternate columns; the width is made whole blocks first."""
    height, width = planes.shape[-2:]
    padded = extend(planes, (0, height % 2, 0, -width % 16), "nearest")
    total = padded[..., ::2, :] + padded[..., 1::2, :]
    total = total[..., ::2] + total[..., 1::2]
    bias = torch.tensor([1, 2], dtype=torch.int32, device=planes.device).repeat(total.shape[-1] // 2)
    return total.add_(bias) >> 2


def _double(planes: Tensor) -> Tensor:
    """Double the resolution: a new pixel is ¾ the nearer and ¼ the farther one along both axes.

    Planes of at most two columns are repeated instead, as libjpeg does.
    """
    if planes.shape[-1] <= 2:
        return planes.repeat_interleave(2, -2).repeat_interleave(2, -1)
    rows = extend(planes, (1, 1, 0, 0), "nearest")
    near = planes * 3
    tall = torch.stack([near + rows[..., :-2, :], near + rows[..., 2:, :]], -2).flatten(-3, -2)
    columns = torch.cat([tall[..., :1], tall, tall[..., -1:]], -1)
    near = tall * 3
    left, right = near + columns[..., :-2], near + columns[..., 2:]
    return torch.stack([left.add_(8) >> 4, right.add_(7) >> 4], -1).flatten(-2)


def _through_blocks(planes: Sequence[Tensor], tables: Sequence[Tensor]) -> list[Tensor]:
    """Transform 8 × 8 blocks of 8-bit planes, round each plane's to multiples of its table, transform back."""
    parts = [_cut(plane) for plane in planes]
    blocks = torch.cat(parts, -1) - 128
    rows = _forward(blocks.transpose(0, 1), -2, 11).transpose(0, 1)
    coefficients = torch.split(_forward(rows, 2, 15), [part.shape[-1] for part in parts], -1)
    rounded = torch.cat([_quantise(part, table) for part, table in zip(coefficients, tables, strict=True)], -1)
    decoded = _inverse(_inverse(rounded, 11).transpose(0, 1), 18).transpose(0, 1).add(128).clamp_(0, 255)
    pieces = torch.split(decoded, [part.shape[-1] for part in parts], -1)
    return [_join(piece, plane.shape) for piece, plane in zip(pieces, planes, strict=True)]


def _cut(planes: Tensor) -> Tensor:
    """Return the 8 × 8 blocks of planes, ``[8, 8, blocks]``: last, so that every step runs over contiguous memory."""
    n, channels, height, width = planes.shape
    padded = extend(planes, (0, -height % 8, 0, -width % 8), "nearest")
    return (
        padded.reshape(n, channels, -(-height // 8), 8, -(-width // 8), 8).permute(3, 5, 0, 1, 2, 4).reshape(8, 8, -1)
    )


def _join(blocks: Tensor, shape: torch.Size) -> Tensor:
    """Return the planes of a shape that the blocks were cut from."""
    n, channels, height, width = shape
    down, across = -(-height // 8), -(-width // 8)
    tiles = blocks.reshape(8, 8, n, channels, down, across).permute(2, 3, 4, 0, 5, 1)
    return tiles.reshape(n, channels, 8 * down, 8 * across)[..., :height, :width]


def _quantise(coefficients: Tensor, table: Tensor) -> Tensor:
    """Round coefficients, which are 8 times too large, to multiples of the table; halves go away from zero."""
    step = table[:, :, None].to(torch.float32)
    whole = coefficients.abs().to(torch.float32).add_(step * 4).div_(step * 8).floor_()
    return whole.mul_(step).to(torch.int32).mul_(coefficients.sign())


def _forward(x: Tensor, even_bits: int, bits: int) -> Tensor:
    """Transform along the first axis and divide by ``2^bits``, coefficients 0 and 4 by ``2^even_bits``."""
    sums = [x[k] + x[7 - k] for k in range(4)]
    outer, inner = [sums[k] + sums[3 - k] for k in (0, 1)], [sums[k] - sums[3 - k] for k in (0, 1)]
    out = torch.empty_like(x)
    for k, part in ((0, outer[0] + outer[1]), (4, outer[0] - outer[1])):
        if even_bits < 0:
            torch.bitwise_left_shift(part, -even_bits, out=out[k])
        else:
            torch.bitwise_right_shift(part.add_(_half(even_bits)), even_bits, out=out[k])
    odd = _odd(*(x[k] - x[7 - k] for k in (3, 2, 1, 0)), half=_half(bits))
    for k, part in zip((2, 6, 7, 5, 3, 1), (*_rotate(*inner, half=_half(bits)), *odd), strict=True):
        torch.bitwise_right_shift(part, bits, out=out[k])
    return out


def _inverse(x: Tensor, bits: int) -> Tensor:
    """Transform back along the first axis and divide by ``2^bits``."""
    cosine, sine = _rotate(x[2], x[6])
    plus, minus = ((part << 13).add_(_half(bits)) for part in (x[0] + x[4], x[0] - x[4]))
    even = (plus + cosine, minus + sine, minus - sine, plus - cosine)
    odd = _odd(x[7], x[5], x[3], x[1])[::-1]
    out = torch.empty_like(x)
    for k in range(4):
        torch.bitwise_right_shift(even[k] + odd[k], bits, out=out[k])
        torch.bitwise_right_shift(even[k].sub_(odd[k]), bits, out=out[7 - k])
    return out


def _half(bits: int) -> int:
    """Return what makes a right shift round halves up."""
    return 1 << (bits - 1)


def _fixed(constant: float) -> int:
    """Return a constant in the transforms' fixed point of 13 bits."""
    return round(constant * 2**13)


def _rotate(p: Tensor, q: Tensor, *, half: int = 0) -> tuple[Tensor, Tensor]:
    """Return the rotated pair, ``half`` added to both."""
    both = (p + q).mul_(_fixed(0.541196100)).add_(half)
    return (p * _fixed(0.765366865)).add_(both), both.sub_(q * _fixed(1.847759065))


def _odd(a: Tensor, b: Tensor, c: Tensor, d: Tensor, *, half: int = 0) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return the odd part, which is the same in both directions, ``half`` added to all four."""
    ac, bd = a + c, b + d
    both = (ac + bd).mul_(_fixed(1.175875602)).add_(half)
    ac, bd = both - ac.mul_(_fixed(1.961570560)), both - bd.mul_(_fixed(0.390180644))
    ad, bc = (a + d).mul_(_fixed(0.899976223)), (b + c).mul_(_fixed(2.562915447))
    return (
        (a * _fixed(0.298631336)).sub_(ad).add_(ac),
        (b * _fixed(2.053119869)).sub_(bc).add_(bd),
        (c * _fixed(3.072711026)).sub_(bc).add_(ac),
        (d * _fixed(1.501321110)).sub_(ad).add_(bd),
    )
