"""The figure: the ECG on its paper, once a model, with what moved the model's score."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import matplotlib as mpl
import numpy as np

from lcd_plugin.data.leads import STANDARD_LEADS, canonical_lead, derive_leads
from lcd_plugin.errors import ConfigError
from lcd_plugin.explain import ecg_paper as paper
from lcd_plugin.explain.legend import (
    AGAINST,
    DARKEST_ALPHA,
    FOR,
    HEADER_MM,
    LEGEND_MM,
    TITLE_MM,
    write_header,
    write_legend,
    write_title,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from lcd_plugin.data.cohort import Recording
    from lcd_plugin.explain.explanation import Explanation
    from lcd_plugin.explain.subject import Subject

Layout = Literal["12x1", "3x4"]
FORMATS = (".svg", ".pdf", ".png")
PNG_DPI = 200
LONGEST_S = 120.0  # 3 m of paper

MARGIN_MM, LEAD_IN_MM = 8.0, 15
LEVELS = 8
HIGHLIGHT_MM = 2.4
COLUMNS = (("I", "II", "III"), ("aVR", "aVL", "aVF"), ("V1", "V2", "V3"), ("V4", "V5", "V6"))


_OUTLINE = re.compile(rb' d="[^"]*"')


@dataclass(frozen=True)
class Strip:
    """A stretch of a lead on the paper.

    Attributes:
        lead: canonical name.
        begin, end: in the recording, in s.
        left: where it begins on the paper, in mm.
        baseline: where the lead's median is, in mm.
    """

    lead: str
    begin: float
    end: float
    left: float
    baseline: float


def leads_of(recording: Recording) -> dict[str, NDArray[np.float64]]:
    """Leads of a recording by canonical name, standard ones first, in mV, less their median.

    Limb leads that are missing are computed from two others.
    """
    rows: dict[str, int] = {}
    for row, name in enumerate(recording.leads):
        rows.setdefault(canonical_lead(name), row)
    found: dict[str, NDArray[np.float64]] = {}
    for lead in dict.fromkeys([*STANDARD_LEADS, *rows]):
        weights = (
            {lead: 1.0} if lead in rows else (derive_leads([lead], list(rows)) or {}).get(lead)
        )
        if weights:
            signal = sum(w * recording.signal[rows[source]] for source, w in weights.items())
            there = np.isfinite(signal)
            found[lead] = signal - (np.median(signal[there]) if there.any() else 0.0)
    return found


def draw(
    subject: Subject, explanations: Sequence[Explanation], layout: Layout = "12x1"
) -> tuple[mpl.figure.Figure, float]:
    """Draw a record once for each model, one below the other.

    Args:
        subject: the record.
        explanations: of one class, at least one.
        layout: `12x1` shows all of every lead; `3x4` the usual quarters and a rhythm strip.

    Returns:
        The figure, and the share in % of the attribution to a lead in 0.1 s from which on the
        overlay is at its darkest, which is the same for all models.

    Raises:
        ConfigError: the model reads more of a record than fits on paper.
    """
    recording = subject.recording
    begin, end = _window(recording, explanations[0])
    leads = leads_of(recording)
    strips, height = (_rows if layout == "12x1" else _quarters)(list(leads), begin, end)
    grid_width = LEAD_IN_MM + 5 * int(np.ceil((end - begin) * paper.MM_A_SECOND / 5))
    panel = TITLE_MM + height
    width = 2 * MARGIN_MM + grid_width
    total = 2 * MARGIN_MM + HEADER_MM + panel * len(explanations) + LEGEND_MM
    figure, axes = paper.new_page(width, total)
    write_header(axes, MARGIN_MM, total - MARGIN_MM, subject, explanations[0])
    shades = [np.quantile(np.abs(e.overlay), 0.995) for e in explanations if e.speaks]
    darkest = float(max(shades, default=0.0)) or 1.0
    for i, explanation in enumerate(explanations):
        bottom = MARGIN_MM + LEGEND_MM + panel * (len(explanations) - 1 - i)
        paper.draw_grid(axes, MARGIN_MM, bottom, grid_width, height, f"grid{i}")
        write_title(axes, MARGIN_MM, bottom + height, explanation)
        for strip in strips:
            _draw_strip(axes, strip, bottom, leads, recording.rate, explanation, darkest)
        _times(axes, strips, bottom)
    write_legend(axes, MARGIN_MM, MARGIN_MM, darkest, LEVELS)
    return figure, darkest


def figure_bytes(figure: mpl.figure.Figure, suffix: str) -> bytes:
    """A figure as a file; `suffix` is one of `FORMATS`. The same figure gives the same bytes."""
    stream = io.BytesIO()
    # Without a salt, names within an SVG differ from one time to the next.
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "ecg", "pdf.fonttype": 42}):
        stamp = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}.get(suffix)
        figure.savefig(stream, format=suffix[1:], dpi=PNG_DPI, metadata=stamp)
    content = stream.getvalue()
    return _OUTLINE.sub(_rounded, content) if suffix == ".svg" else content


def _rounded(outline: re.Match[bytes]) -> bytes:
    """Coordinates to a hundredth of a point, which is 4 um; the file is half as large."""
    return re.sub(rb"\d+\.\d+", lambda number: b"%.2f" % float(number[0]), outline[0])


def check_figure_name(path: Path) -> None:
    """Raise ConfigError if a figure cannot be written under a name."""
    if path.suffix not in FORMATS:
        raise ConfigError(
            f"{path.name}: figures are written as {', '.join(FORMATS)}; give -o such a name."
        )


def _window(recording: Recording, explanation: Explanation) -> tuple[float, float]:
    """The stretch of a recording that is drawn, in s: what the model is shown of it."""
    times, rate = explanation.times, explanation.model.header.data.rate
    length = recording.signal.shape[1] / recording.rate
    begin, end = max(0.0, times[0]), min(length, times[-1] + 1 / rate)
    if end - begin > LONGEST_S:
        raise ConfigError(
            f"The model reads {end - begin:g} s of a record, and at 25 mm/s at most "
            f"{LONGEST_S:g} s can be drawn."
        )
    return begin, end


def _rows(leads: list[str], begin: float, end: float) -> tuple[list[Strip], int]:
    """A line for each lead; also the height of the paper in mm."""
    # As on a page of twelve leads; few leads have room for large amplitudes.
    step = 15 if len(leads) > 6 else 25
    height = step * len(leads) + 10
    left = MARGIN_MM + LEAD_IN_MM
    strips = [
        Strip(lead, begin, end, left, height - 5 - step * (i + 0.5)) for i, lead in enumerate(leads)
    ]
    return strips, height


def _quarters(leads: list[str], begin: float, end: float) -> tuple[list[Strip], int]:
    """Four columns of three leads, one after another in time, and lead II as a whole below."""
    step, left = 25, MARGIN_MM + LEAD_IN_MM
    quarter = (end - begin) / 4
    rhythm = "II" if "II" in leads else leads[0]
    strips = []
    for i, column in enumerate(COLUMNS):
        at = begin + i * quarter
        x = left + i * quarter * paper.MM_A_SECOND
        strips += [
            Strip(lead, at, at + quarter, x, step * (3.5 - row))
            for row, lead in enumerate(column)
            if lead in leads
        ]
    return [*strips, Strip(rhythm, begin, end, left, step / 2)], 4 * step


def _draw_strip(
    axes: Axes,
    strip: Strip,
    bottom: float,
    leads: dict[str, NDArray[np.float64]],
    rate: float,
    explanation: Explanation,
    darkest: float,
) -> None:
    """A stretch of a lead: name, pulse at the left edge, overlay, trace."""
    signal, baseline = leads[strip.lead], bottom + strip.baseline
    first, last = round(strip.begin * rate), min(round(strip.end * rate) + 1, len(signal))
    seconds = np.arange(first, last) / rate
    x = strip.left + (seconds - strip.begin) * paper.MM_A_SECOND
    y = baseline + signal[first:last] * paper.MM_A_MILLIVOLT
    shown = strip.lead in explanation.leads
    ink = paper.INK if shown else paper.FAINT_INK
    if strip.left == MARGIN_MM + LEAD_IN_MM:
        paper.draw_pulse(axes, MARGIN_MM + 8, baseline)
        paper.write(axes, MARGIN_MM + 1, baseline - 0.8, strip.lead, 2.6, ink, bold=True)
    else:
        at = strip.left + 0.5, baseline + 8
        paper.write(axes, *at, strip.lead, 2.6, ink, bold=True, boxed=True)
    paper.draw_line(axes, x, y, ink, 0.25, 3)
    if shown and explanation.speaks:
        share = explanation.overlay[explanation.leads.index(strip.lead)]
        _highlight(axes, strip, x, y, explanation.times, share / darkest)


def _highlight(
    axes: Axes,
    strip: Strip,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    times: NDArray[np.float64],
    strength: NDArray[np.float64],
) -> None:
    """A marker's stroke under the trace, the darker the more; `strength` is in -1 to 1.

    Moments of one shade are one line, which keeps the file small.
    """
    at = strip.left + (times - strip.begin) * paper.MM_A_SECOND
    inside = (times >= strip.begin) & (times < strip.end)
    if not inside.any():
        return
    at, strength = at[inside], strength[inside]
    level = np.minimum(np.round(np.abs(strength) * LEVELS), LEVELS) * np.sign(strength)
    # Each sample holds from halfway after the one before it to halfway before the next.
    edges = np.concatenate([at[:1], (at[1:] + at[:-1]) / 2, at[-1:]])
    ends = np.flatnonzero(np.append(level[1:] != level[:-1], True)) + 1
    strokes: dict[float, list[NDArray[np.float64]]] = {}
    for start, end in zip([0, *ends[:-1]], ends, strict=True):
        along = np.concatenate([edges[start : start + 1], at[start:end], edges[end : end + 1]])
        strokes.setdefault(float(level[start]), []).extend([along, np.array([np.nan])])
    for shade, parts in sorted(strokes.items()):
        if shade:
            along = np.concatenate(parts)
            alpha = DARKEST_ALPHA * abs(shade) / LEVELS
            colour = FOR if shade > 0 else AGAINST
            paper.draw_line(axes, along, np.interp(along, x, y), colour, HIGHLIGHT_MM, 2, alpha)


def _times(axes: Axes, strips: Sequence[Strip], bottom: float) -> None:
    """The recording's own time, every second, along the lowest strip."""
    strip = strips[-1]
    for second in range(int(np.ceil(strip.begin)), int(np.ceil(strip.end))):
        x = strip.left + (second - strip.begin) * paper.MM_A_SECOND
        paper.write(axes, x, bottom + 0.8, f"{second} s", 2.0, paper.FAINT_INK, align="center")
