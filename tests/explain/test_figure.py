"""The figure to scale: measured in the SVG itself, with an XML parser and nothing of ours."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from torch import nn

from lcd_plugin.data.cohort import Recording
from lcd_plugin.data.settings import DataSettings
from lcd_plugin.data.store import TaskEntry
from lcd_plugin.errors import ConfigError
from lcd_plugin.explain.attribution import Attribution
from lcd_plugin.explain.explanation import Explanation
from lcd_plugin.explain.figure import check_figure_name, draw, figure_bytes, leads_of
from lcd_plugin.explain.model_file import FineTuned, ModelHeader
from lcd_plugin.explain.subject import Subject

SVG = "{http://www.w3.org/2000/svg}"
STANDARD = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
MODEL_LEADS = ("II", "V1")
HOSTILE = "<script>alert(1)</script>'\"&]]>--$\\frac{1}{0}$\u202egpj"


def subject(name: str = "r1", leads: tuple[str, ...] = STANDARD, rate: float = 200) -> Subject:
    """Flat but for a step of 1 mV from 4 s to 6 s in V6."""
    signal = np.zeros((len(leads), round(10 * rate)))
    signal[-1, round(4 * rate) : round(6 * rate)] = 1.0
    return Subject(name, Recording(signal, rate, leads), labels=("A",))


def explanation(name: str = "lcd", overlay: np.ndarray | None = None) -> Explanation:
    header = ModelHeader(
        name=name,
        encoder="none",
        settings={},
        data=DataSettings(leads=MODEL_LEADS),
        dataset="made-up",
        fingerprint="",
        task=TaskEntry(name="label", classes=("A", name), kind="multi-label"),
        training={"n_labels": 12},
    )
    if overlay is None:
        overlay = np.zeros((2, 1000))
        overlay[0, 200:210], overlay[1, 700:720] = 1.0, -0.5
    values = overlay.astype(np.float32)
    times = np.arange(1000) / 100
    model = FineTuned(header, nn.Identity(), {})
    return Explanation(model, name, 0.5, Attribution(values, 1.0, 0.0), overlay, times, ())


def svg(figure: object) -> ET.Element:
    return ET.fromstring(figure_bytes(figure, ".svg"))


def millimetres(root: ET.Element) -> float:
    """Millimetres that a unit of the document is on paper."""
    width, unit = re.fullmatch(r"([\d.]+)(pt)", root.get("width")).groups()
    assert unit == "pt"
    units = float(root.get("viewBox").split()[2])
    return float(width) / units * 25.4 / 72


def outline(root: ET.Element, name: str) -> np.ndarray:
    [group] = [g for g in root.iter(f"{SVG}g") if g.get("id") == name]
    numbers = re.findall(r"-?[\d.]+", group.find(f"{SVG}path").get("d"))
    return np.array(numbers, dtype=float).reshape(-1, 2) * millimetres(root)


@pytest.mark.parametrize(("step", "across"), [(1, "grid0-1mm"), (5, "grid0-5mm")])
def test_lines_of_the_grid_are_so_many_millimetres_apart(step: int, across: str):
    figure, _ = draw(subject(), [explanation()])
    corners = outline(svg(figure), across)  # two a line; matplotlib repeats the last one
    points = corners[: len(corners) // 2 * 2].reshape(-1, 2, 2)
    upright = points[points[:, 0, 0] == points[:, 1, 0]][:, 0, 0]
    lying = points[points[:, 0, 1] == points[:, 1, 1]][:, 0, 1]
    for lines in (upright, lying):
        assert len(lines) > 10
        np.testing.assert_allclose(np.abs(np.diff(np.sort(lines))), step, atol=0.01)


def test_a_millivolt_is_ten_millimetres_and_a_second_25():
    root = svg(draw(subject(), [explanation()])[0])
    scale = millimetres(root)
    found = []
    for path in root.iter(f"{SVG}path"):
        points = np.array(re.findall(r"-?[\d.]+", path.get("d") or ""), dtype=float)
        if points.size % 2 == 0 and "#1a1a1a" not in (path.get("style") or ""):
            points = points.reshape(-1, 2) * scale
            found.append(np.ptp(points, axis=0))
    # The trace of V6 is all of 10 s wide and 1 mV high (less one sample).
    assert any(abs(w - 249.875) < 0.02 and abs(h - 10) < 0.01 for w, h in found)
    pulses = [g for g in root.iter(f"{SVG}g") if (g.get("id") or "").startswith("calibration")]
    assert len(pulses) == 12
    numbers = re.findall(r"-?[\d.]+", pulses[0].find(f"{SVG}path").get("d"))
    corners = np.array(numbers, dtype=float).reshape(-1, 2) * scale
    assert np.ptp(corners[:, 1]) == pytest.approx(10, abs=0.01)
    assert np.diff(corners[:, 0]).max() == pytest.approx(5, abs=0.01)


def test_png_and_pdf_are_as_large_as_the_svg(tmp_path: Path):
    figure, _ = draw(subject(), [explanation()])
    width = float(svg(figure).get("width").removesuffix("pt")) * 25.4 / 72
    png = figure_bytes(figure, ".png")
    pixels = int.from_bytes(png[16:20], "big")
    at = png.index(b"pHYs") + 4
    a_metre = int.from_bytes(png[at : at + 4], "big")
    assert pixels / a_metre * 1000 == pytest.approx(width, abs=0.3)
    pdf = figure_bytes(figure, ".pdf")
    box = re.search(rb"/MediaBox \[ ?0 0 ([\d.]+) ", pdf)
    assert float(box[1]) * 25.4 / 72 == pytest.approx(width, abs=0.01)


def test_the_overlay_lies_where_the_attribution_is():
    root = svg(draw(subject(), [explanation()])[0])
    scale = millimetres(root)
    for colour, begin, end in (("#e07b00", 2.0, 2.1), ("#2f6fb5", 7.0, 7.2)):
        strokes = []
        for path in root.iter(f"{SVG}path"):
            if f"stroke: {colour}" in (path.get("style") or ""):
                xy = np.array(re.findall(r"-?[\d.]+", path.get("d")), dtype=float).reshape(-1, 2)
                strokes.append(xy * scale)
        [stroke] = strokes
        edge = 8 + 15  # margin and lead-in
        seconds = (stroke[:, 0] - edge) / 25
        assert seconds.min() == pytest.approx(begin, abs=0.011)
        assert seconds.max() == pytest.approx(end, abs=0.011)


def test_the_scale_is_one_for_all_models():
    weak = np.zeros((2, 1000))
    weak[:, :500] = 0.1
    strong = weak * 8
    figure, darkest = draw(subject(), [explanation("weak", weak), explanation("strong", strong)])
    assert darkest == pytest.approx(0.8)
    alphas = [
        float(match)
        for path in svg(figure).iter(f"{SVG}path")
        if "stroke: #e07b00" in (path.get("style") or "")
        for match in re.findall(r"stroke-opacity: ([\d.]+)", path.get("style"))
    ]
    assert sorted(set(alphas)) == pytest.approx([0.9 / 8, 0.9])


def test_a_model_that_the_record_does_not_move_gets_no_overlay():
    faint = explanation()
    values = faint.attribution.values * 0.01
    idle = replace(faint, attribution=Attribution(values, 0.0, 0.0))
    root = svg(draw(subject(), [idle])[0])
    strokes = [p.get("style") or "" for p in root.iter(f"{SVG}path")]
    assert not [s for s in strokes if "stroke: #e07b00" in s or "stroke: #2f6fb5" in s]
    assert "hardly moves the score" in "".join(root.itertext())


def test_names_are_text_and_nothing_else():
    hostile = Subject(HOSTILE, subject().recording, labels=(HOSTILE,))
    content = figure_bytes(draw(hostile, [explanation(HOSTILE)])[0], ".svg")
    root = ET.fromstring(content)
    assert not [e for e in root.iter() if e.tag.lower().endswith("script")]
    texts = ["".join(e.itertext()) for e in root.iter(f"{SVG}text")]
    assert any("<script>alert(1)</script>" in text and "$\\frac{1}{0}$" in text for text in texts)
    assert "\u202e" not in content.decode()
    for suffix in (".png", ".pdf"):
        assert figure_bytes(draw(hostile, [explanation(HOSTILE)])[0], suffix)


def test_three_by_four_shows_quarters_and_a_rhythm_strip():
    root = svg(draw(subject(), [explanation()], "3x4")[0])
    texts = ["".join(e.itertext()) for e in root.iter(f"{SVG}text")]
    assert [texts.count(lead) for lead in STANDARD] == [1, 2, *[1] * 10]


def test_missing_limb_leads_are_computed_and_two_leads_are_enough():
    signal = np.random.default_rng(0).normal(size=(2, 1000))
    both = leads_of(Recording(signal, 100, ("I", "II")))
    assert list(both) == ["I", "II", "III", "aVR", "aVL", "aVF"]
    three = signal[1] - signal[0]
    np.testing.assert_allclose(both["III"], three - np.median(three), atol=1e-9)
    holter = leads_of(Recording(signal, 100, ("MLII", "ECG1")))
    assert list(holter) == ["II", "ECG1"]
    draw(subject(leads=("MLII", "V5")), [explanation()], "12x1")
    draw(subject(leads=("MLII", "V5")), [explanation()], "3x4")


def test_the_same_figure_is_the_same_file():
    first, second = (figure_bytes(draw(subject(), [explanation()])[0], ".svg") for _ in range(2))
    assert first == second


def test_another_suffix_is_refused():
    with pytest.raises(ConfigError, match=r"\.svg, \.pdf, \.png"):
        check_figure_name(Path("figure.jpg"))
