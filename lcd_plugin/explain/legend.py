"""The words on the figure: whose ECG, which model, what the overlay means."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.patches import Rectangle

from lcd_plugin.explain import ecg_paper as paper

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from lcd_plugin.explain.explanation import Explanation
    from lcd_plugin.explain.subject import Subject

HEADER_MM, TITLE_MM, LEGEND_MM = 8.0, 16.0, 13.0
FOR, AGAINST = "#e07b00", "#2f6fb5"
DARKEST_ALPHA = 0.9
LONGEST_NAME = 90


def write_header(
    axes: Axes, left: float, top: float, subject: Subject, explanation: Explanation
) -> None:
    """Record and true labels."""
    task = explanation.model.header.task.name
    if subject.labels is None:
        truth = "labels not known"
    else:
        truth = f"labelled {', '.join(subject.labels) or 'with none of the classes'} ({task})"
    text = f"{shortened(subject.name)}, {truth}"
    paper.write(axes, left, top - 4, text, 4.0, bold=True)


def write_title(axes: Axes, left: float, bottom: float, explanation: Explanation) -> None:
    """A model: what it says of the class, what it was trained on, how far it can be believed."""
    header, name = explanation.model.header, explanation.class_name
    title = f"{shortened(header.name)}: probability of {name} {explanation.probability:.2f}"
    paper.write(axes, left, bottom + 9.6, title, 3.6, bold=True)
    paper.write(axes, left, bottom + 5.6, trained_on(explanation), 2.5)
    facts = [moved(explanation)]
    if explanation.deletions:
        facts.append(deletion_text(explanation, 0))
    paper.write(axes, left, bottom + 2, "; ".join(facts), 2.5)


def trained_on(explanation: Explanation) -> str:
    """The labels that a model was fine-tuned on, and its score on the test part."""
    header = explanation.model.header
    training = header.training
    auroc = training.get("test_auroc")
    score = "" if auroc is None else f", test AUROC {auroc:.3f}"
    labels = training.get("n_labels", "?")
    return f"trained on {labels} labels of {header.dataset}/{header.task.name}{score}"


def moved(explanation: Explanation) -> str:
    """How much there is to explain, and whether the attribution adds up to it."""
    attribution = explanation.attribution
    moves = attribution.score - attribution.empty_score
    if not explanation.speaks:
        return f"the record hardly moves the score ({moves:+z.2f}), so there is no overlay"
    return (
        f"the record moves the score by {moves:+z.2f} "
        f"(completeness error {100 * attribution.relative_error:.2g} %)"
    )


def deletion_text(explanation: Explanation, which: int) -> str:
    """One point of the deletion curve, in words."""
    found = explanation.deletions[which]
    return (
        f"without the {100 * found.share:.0f} % of the time that speaks most for "
        f"{explanation.class_name} the score changes by {-found.fall:+z.2f}, elsewhere by "
        f"{-found.random_fall:+z.2f} ± {found.random_std:.2f}"
    )


def write_legend(axes: Axes, left: float, bottom: float, darkest: float, levels: int) -> None:
    """Scales, colours and what they do not say."""
    y, x, box = bottom + 5.5, left + 64, 3.0
    paper.write(axes, left, y, "25 mm/s   10 mm/mV", 2.8, bold=True)
    paper.write(axes, x - 1, y, "against the class", 2.5, align="right")
    steps = [(AGAINST, k) for k in range(levels, 0, -1)] + [(FOR, k) for k in range(1, levels + 1)]
    for i, (colour, k) in enumerate(steps):
        alpha = DARKEST_ALPHA * k / levels
        corner = (x + i * box, y - 0.6)
        axes.add_patch(Rectangle(corner, box, box, facecolor=colour, alpha=alpha, linewidth=0))
    text = (
        f"for it; darkest from {darkest:.2g} % of a model's attribution in 0.1 s of a lead, "
        f"alike in all panels"
    )
    paper.write(axes, x + len(steps) * box + 1, y, text, 2.5)
    paper.write(
        axes,
        left,
        bottom + 0.5,
        "Integrated gradients from a flat record, smoothed by 20 ms. The overlay shows what moved "
        "this model's score, not what is wrong with the heart, and is no diagnosis. "
        "Grey leads are not shown to the model.",
        2.5,
        paper.FAINT_INK,
    )


def shortened(text: str) -> str:
    """A name that fits on a line."""
    return text if len(text) <= LONGEST_NAME else f"…{text[1 - LONGEST_NAME :]}"
