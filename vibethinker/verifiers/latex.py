"""Answers as written, brought to one form before they are compared: text in, text out, meaning unchanged."""

import re

_SPACING = re.compile(r"\\(?:left|right|displaystyle|limits)(?![A-Za-z])|\\[!,;:]")
_WIDE_SPACING = re.compile(r"\\(?:quad|qquad)(?![A-Za-z])|\\ |~|\s+")
_WHOLE_TEXT = re.compile(r"\\(?:text|textbf|textit|textrm|mathrm|mathbf|mathit|mbox)\{([^{}]*)\}")
_FENCES = (("$$", "$$"), ("$", "$"), ("\\(", "\\)"), ("\\[", "\\]"))
_BARE_FRACTION = re.compile(r"\\frac\s*(?:\{([^{}]*)\}|([0-9]))\s*(?:\{([^{}]*)\}|([0-9]))")
_AROUND_SYMBOL = re.compile(r"\s*([^\w\s\\])\s*", re.ASCII)
_DEGREE = re.compile(r"\^(?:\{\\circ\}|\\circ(?![A-Za-z]))|\\degree(?![A-Za-z])|°")


def normalise(text: str) -> str:
    r"""Without dollar signs, a final full stop, spacing commands, `\text{}` around all of it, or spaces beside symbols.

    A space between two words or numbers stays: `1 2` is not 12.
    """
    text = _without_fences(text.replace("\\$", "").strip())
    text = text.replace("−", "-").replace("{,}", ",").replace("\\dfrac", "\\frac").replace("\\tfrac", "\\frac")
    text = text.replace("\\%", "%").replace("\\lbrack", "[").replace("\\rbrack", "]")
    text = _DEGREE.sub("°", _WIDE_SPACING.sub(" ", _SPACING.sub("", text)))
    text = _BARE_FRACTION.sub(_braced_fraction, text)
    if whole := _WHOLE_TEXT.fullmatch(text.strip()):
        text = whole.group(1)
    return _AROUND_SYMBOL.sub(r"\1", text).strip()


def _without_fences(text: str) -> str:
    if text.endswith(".") and not text.endswith(".."):
        text = text[:-1].rstrip()
    for left, right in _FENCES:
        inner = text[len(left) : len(text) - len(right)]
        if len(text) > len(left) + len(right) and text.startswith(left) and text.endswith(right) and left not in inner:
            return _without_fences(inner.strip())
    return text


def _braced_fraction(match: re.Match[str]) -> str:
    above = match.group(1) if match.group(1) is not None else match.group(2)
    below = match.group(3) if match.group(3) is not None else match.group(4)
    return f"\\frac{{{above}}}{{{below}}}"
