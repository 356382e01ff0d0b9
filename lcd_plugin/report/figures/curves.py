"""Training curves: one small panel a method, loss above and the spread of the features below."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from lcd_plugin.report.figures import svg
from lcd_plugin.report.figures.looks import Look
from lcd_plugin.report.run_record import Curve

WIDTH, HEIGHT = 250.0, 214.0
LOSS, SPREAD = (26.0, 98.0), (126.0, 190.0)  # top and bottom of the two plots
LEFT, RIGHT = 46.0, 242.0
MOST_POINTS = 100  # more would be finer than two pixels
COLLAPSED = 0.1  # a spread that ends below this share of its largest value is pointed out


@dataclass(frozen=True)
class TrainingPanel:
    """The panel of one method and its numbers.

    Attributes:
        method: its name.
        name: the same with the recipe, where there are several.
        figure: an `<svg>` element, "" where there are not two epochs with a finite loss.
        nothing: why there is no figure.
        curves: one a seed.
        warning: what a reader should look at, in words; "" if nothing.
    """

    method: str
    name: str
    figure: str
    nothing: str
    curves: tuple[Curve, ...]
    warning: str


def training_panels(curves: Sequence[Curve], looks: Mapping[str, Look]) -> list[TrainingPanel]:
    """Draws the pretrainings of one dataset and encoder, one panel a method, recipe and settings.

    Losses of different methods are different quantities, so each panel has a loss axis of its
    own; the spread of the features is one quantity, and its axis is shared.
    """
    lines = dict.fromkeys((curve.method, curve.recipe, curve.settings) for curve in curves)
    several = len({recipe for _, recipe, _ in lines}) > 1
    spreads = [v for curve in curves for v in curve.embedding_std if math.isfinite(v)]
    top = max(spreads, default=0.0) * 1.1 or 1.0
    panels = []
    for method, recipe, settings in lines:
        own = tuple(
            c for c in curves if (c.method, c.recipe, c.settings) == (method, recipe, settings)
        )
        said = [recipe] if several and recipe else []
        if sum(line[:2] == (method, recipe) for line in lines) > 1:
            said += dict.fromkeys(curve.out for curve in own)  # where the settings are from
        name = f"{method} ({', '.join(said)})" if said else method
        figure = _panel(name, own, looks[method], top)
        panels.append(TrainingPanel(method, name, figure, _nothing(own), own, _warning(own)))
    return panels


def _epochs_of(curves: Sequence[Curve]) -> set[float]:
    """Epochs of which a loss is known."""
    points = (p for curve in curves for p in zip(curve.epoch, curve.loss, strict=False))
    return {epoch for epoch, loss in points if math.isfinite(epoch) and math.isfinite(loss)}


def _nothing(curves: Sequence[Curve]) -> str:
    """Why there is nothing to draw."""
    if _epochs_of(curves):
        return "One epoch: its numbers are in the table."
    return "No epoch has a finite loss."


def _warning(curves: Sequence[Curve]) -> str:
    """Seeds whose loss stopped being a number, or whose features lost their spread."""
    broken = [c.seed for c in curves if not all(map(math.isfinite, c.loss))]
    flat = [
        c.seed
        for c in curves
        if c.embedding_std and c.embedding_std[-1] <= COLLAPSED * max(c.embedding_std)
    ]
    said = []
    if broken:
        said.append(f"loss is not a finite number in seed {', '.join(map(str, broken))}")
    if flat:
        said.append(f"features look collapsed in seed {', '.join(map(str, flat))}")
    return "; ".join(said)


def _panel(name: str, curves: Sequence[Curve], look: Look, top: float) -> str:
    losses = [v for curve in curves for v in curve.loss if math.isfinite(v)]
    epochs = [e for curve in curves for e in curve.epoch if math.isfinite(e)]
    if len(_epochs_of(curves)) < 2:
        return ""
    x = svg.Scale(min(epochs), max(epochs), LEFT + 4, RIGHT - 4)
    air = (max(losses) - min(losses)) * 0.05 or abs(max(losses)) * 0.05 or 0.05
    loss = svg.Scale(min(losses) - air, max(losses) + air, LOSS[1], LOSS[0])
    spread = svg.Scale(0.0, top, SPREAD[1], SPREAD[0])
    seeds = [
        part
        for curve in curves
        for part in (
            *_strokes(curve.epoch, curve.loss, x, loss, f"{name}, seed {curve.seed}: loss"),
            *_strokes(
                curve.epoch,
                curve.embedding_std,
                x,
                spread,
                f"{name}, seed {curve.seed}: spread of the features",
            ),
        )
    ]
    return svg.drawing(
        HEIGHT,
        f"Training curves of {name}: loss and spread of the features by epoch.",
        _axis(loss, "loss", LOSS),
        _axis(spread, "spread of features", SPREAD),
        _epochs(x),
        svg.element("g", *seeds, class_=f"series {look.css}"),
        css="small",
        width=WIDTH,
    )


def _axis(scale: svg.Scale, title: str, edge: tuple[float, float]) -> Markup:
    shown = svg.ticks(scale.low, scale.high, 3)
    parts = [svg.text(0, edge[0] - 10, title, "axis-title")]
    for value in shown:
        parts.append(svg.line(LEFT, scale(value), RIGHT, scale(value), "grid"))
        words = svg.tick_text(value, shown)
        parts.append(svg.text(LEFT - 6, scale(value) + 3.5, words, "tick", "end"))
    return Markup("").join(parts)


def _epochs(x: svg.Scale) -> Markup:
    parts = [
        svg.line(LEFT, SPREAD[1], RIGHT, SPREAD[1], "axis"),
        svg.text(LEFT - 6, SPREAD[1] + 17, "epoch", "axis-title", "end"),
    ]
    for value in [v for v in svg.ticks(x.low, x.high, 4) if v == int(v)] or [x.high]:
        parts.append(svg.text(x(value), SPREAD[1] + 17, f"{value:g}", "tick", "middle"))
    return Markup("").join(parts)


def _strokes(
    epochs: Sequence[float], values: Sequence[float], x: svg.Scale, y: svg.Scale, tip: str
) -> list[Markup]:
    """The curve in pieces: a gap where a value is not finite, thinned to what a screen shows."""
    every = max(1, math.ceil(len(values) / MOST_POINTS))
    pieces: list[list[tuple[float, float]]] = [[]]
    points = list(zip(epochs, values, strict=False))
    for index, (epoch, value) in enumerate(points):
        if not math.isfinite(value):
            pieces.append([])
        elif index % every == 0 or index == len(points) - 1:
            pieces[-1].append((x(epoch), y(value)))
    last = next((v for v in reversed(values) if math.isfinite(v)), math.nan)
    title = svg.element("title", f"{tip}, {last:.4g} at the end")
    return [
        svg.polyline(piece, "seed", title)
        if len(piece) > 1
        else svg.element("circle", cx=piece[0][0], cy=piece[0][1], r=2, class_="marker")
        for piece in pieces
        if piece
    ]
