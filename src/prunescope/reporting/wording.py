"""How numbers and lists are told: three significant digits, percentages, intervals, reasons."""

from __future__ import annotations

import math
from collections.abc import Iterable

MINUS = "−"
SPACE = "\u00a0"  # keeps a number and its unit on one line


def decimals(value: float, digits: int = 3) -> int:
    """Return how many decimals show ``digits`` significant digits, after rounding.

    Example:
        >>> decimals(12.3), decimals(9.999), decimals(0.0123), decimals(4567.0)
        (1, 1, 4, 0)
    """
    if value == 0:
        return 0
    rounded = float(f"{abs(value):.{digits - 1}e}")
    return max(0, digits - 1 - math.floor(math.log10(rounded)))


def number(value: float, places: int | None = None) -> str:
    """Write a number with ``places`` decimals (by default three significant digits) and a true minus sign.

    Example:
        >>> number(-3.14159), number(0.5), number(1234567.0), number(2e-7)
        ('−3.14', '0.500', '1,234,567', '2.00 × 10⁻⁷')
    """
    if value != 0 and abs(value) < 1e-4 and places is None:
        mantissa, exponent = f"{value:.2e}".split("e")
        text = f"{mantissa} × 10{str(int(exponent)).translate(str.maketrans('-0123456789', '⁻⁰¹²³⁴⁵⁶⁷⁸⁹'))}"
    else:
        text = f"{value:,.{decimals(value) if places is None else places}f}"
        text = text.lstrip("-") if not any(c in "123456789" for c in text) else text
    return text.replace("-", MINUS)


def plain(value: float) -> str:
    """Write a number for a sentence: three significant digits, no trailing zeros.

    Example:
        >>> plain(0.5), plain(-3.1), plain(20.0)
        ('0.5', '−3.1', '20')
    """
    text = number(value)
    return text.rstrip("0").rstrip(".") if "." in text and "×" not in text else text


def _places(value: float, low: float | None, high: float | None, unit: str) -> int | None:
    """Return the decimals that a value and its interval share: no more than the interval bears."""
    half = 0.0 if low is None or high is None else (high - low) / 2
    if unit == "count" and all(float(v).is_integer() for v in (value, low or 0.0, high or 0.0)):
        return 0
    leading, digits = (half, 2) if half > abs(value) else (abs(value), 3)
    if leading != 0 and leading < 1e-4:
        return None
    return max(decimals(leading, digits), 1 if unit == "share" else 0)


def with_unit(text: str, unit: str) -> str:
    r"""Put the unit behind a number: ``%`` for shares, ``×`` for ratios, nothing for counts.

    Example:
        >>> with_unit("2.5", "points"), with_unit("12", "count"), with_unit("1.9", "ratio")
        ('2.5\xa0points', '12', '1.9×')
    """
    if unit == "share":
        return f"{text}{SPACE}%"
    if unit in ("ratio", "times", "factor"):
        return f"{text}×"
    return text if unit in ("", "count", "number") else f"{text}{SPACE}{unit}"


def measured(value: float, unit: str, low: float | None = None, high: float | None = None) -> tuple[str, str]:
    r"""Return a value with its unit, and its interval in brackets (empty if there is none, or none but the value).

    Example:
        >>> measured(0.9731, "share", 0.961, 0.98)
        ('97.3\xa0%', '[96.1, 98.0]')
    """
    scale = 100.0 if unit == "share" else 1.0
    value, low, high = value * scale, _scaled(low, scale), _scaled(high, scale)
    places = _places(value, low, high, unit)
    text = with_unit(number(value, places), unit)
    if low is None or high is None or low == value == high:
        return text, ""
    return text, f"[{number(low, places)}, {number(high, places)}]"


def _scaled(value: float | None, scale: float) -> float | None:
    return None if value is None else value * scale


def told(value: float, unit: str, low: float | None = None, high: float | None = None) -> str:
    """Return a value and its interval as one text, for a sentence."""
    text, interval = measured(value, unit, low, high)
    return f"{text} {interval}" if interval else text


def sparsity(value: float) -> str:
    r"""Write a sparsity so that 99 %, 99.9 % and 99.95 % stay apart.

    Example:
        >>> sparsity(0.9), sparsity(0.89263), sparsity(0.9995), sparsity(0.0)
        ('90\xa0%', '89.3\xa0%', '99.95\xa0%', '0\xa0%')
    """
    places = min(decimals((1 - value) * 100), 6)
    text = f"{value * 100:.{places}f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text) + f"{SPACE}%"


def bare_p(p: float) -> str:
    """Write a p-value under a head that says so.

    Example:
        >>> bare_p(0.0213), bare_p(1e-9)
        ('0.0213', '< 0.001')
    """
    return "< 0.001" if p < 0.001 else plain(p)


def listed(parts: Iterable[str], word: str = "and") -> str:
    """Join names for a sentence.

    Example:
        >>> listed(["a", "b", "c"])
        'a, b and c'
    """
    items = list(parts)
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} {word} {items[-1]}" if items else ""


def counted(n: int, one: str, many: str = "") -> str:
    """Write a number of things.

    Example:
        >>> counted(1, "class", "classes"), counted(1200, "image")
        ('1 class', '1,200 images')
    """
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def duration(seconds: float) -> str:
    r"""Write a wall time in at most two units.

    Example:
        >>> duration(4.2), duration(200), duration(7500)
        ('4.2\xa0s', '3\xa0min 20\xa0s', '2\xa0h 5\xa0min')
    """
    if seconds < 60:
        return f"{plain(seconds)}{SPACE}s"
    whole, units = (round(seconds), ("min", "s")) if seconds < 3600 else (round(seconds / 60), ("h", "min"))
    large, small = divmod(whole, 60)
    return f"{large}{SPACE}{units[0]}" + (f" {small}{SPACE}{units[1]}" if small else "")


def capitalised(text: str) -> str:
    """Raise the first letter of a sentence and leave names inside it alone."""
    return text[:1].upper() + text[1:]
