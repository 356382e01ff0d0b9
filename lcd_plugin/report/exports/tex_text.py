"""Text that LaTeX sets as it is."""

from __future__ import annotations

import itertools
import unicodedata

from lcd_plugin.report.plain_text import one_line

# Braces keep `[` and `*` off a `\\` before them, whose options they would be.
_WRITTEN = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "_": r"\_",
    "%": r"\%",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "`": r"\textasciigrave{}",
    "'": r"\textquotesingle{}",
    '"': r"{\char34}",
    "[": "{[}",
    "]": "{]}",
    "*": "{*}",
    "\u2013": "--",
    "\u2014": "---",
    "\u2026": r"\ldots{}",
    "\u00d7": r"$\times$",
    "\u00b7": r"$\cdot$",
    "\u00b1": r"$\pm$",
    "\u00b5": r"$\mu$",
    "\u03bc": r"$\mu$",
    "\u2212": "$-$",
    "\u00df": r"\ss{}",
    "\u00e6": r"\ae{}",
    "\u00c6": r"\AE{}",
    "\u00f8": r"\o{}",
    "\u00d8": r"\O{}",
    "\u0142": r"\l{}",
    "\u0141": r"\L{}",
}
_LIGATURES = "-,!?"  # `--` would be a dash, and the like
_ACCENTS = {
    "\u0300": "`", "\u0301": "'", "\u0302": "^", "\u0303": "~", "\u0304": "=", "\u0306": "u",
    "\u0307": ".", "\u0308": '"', "\u030a": "r", "\u030b": "H", "\u030c": "v", "\u0327": "c",
}  # fmt: skip


def tex(text: str) -> str:
    """Text that sets as it is in any encoding of fonts, and holds no command.

    Letters that pdfLaTeX has no font for, such as Chinese ones, are written `U+4E2D`.
    """
    line = unicodedata.normalize("NFC", one_line(text))
    written = [_character(c) for c in line]
    for place, (before, c) in enumerate(itertools.pairwise(line)):
        if before == c and c in _LIGATURES:
            written[place] += "{}"
    return "".join(written)


def _character(c: str) -> str:
    if c in _WRITTEN:
        return _WRITTEN[c]
    if c.isascii():
        return c
    base, *accents = list(unicodedata.normalize("NFD", c))
    if base.isascii() and base.isalpha() and len(accents) == 1 and accents[0] in _ACCENTS:
        return rf"\{_ACCENTS[accents[0]]}{{{base}}}"
    return f"U+{ord(c):04X}"
