"""What TensorBoard itself reads of what is written for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from lcd_plugin.bench.events import CellEvent
from lcd_plugin.bench.observe import trackers

pytest.importorskip("tensorboard", reason="needs the extra tensorboard")


def scalars(folder: Path) -> dict[str, dict[int, float]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(folder))
    found.Reload()
    tags = found.Tags()["scalars"]
    return {tag: {event.step: event.value for event in found.Scalars(tag)} for tag in tags}


def test_a_pretraining_has_its_curves(tmp_path: Path, cells):
    cell = cells.pretrain()
    [tracker] = trackers(["tensorboard"], tmp_path, "s")
    tracker.listen(CellEvent(cell, "started"))
    for number, loss in ((1, 0.9), (2, 0.5), (3, 0.4)):
        tracker.listen(cells.epoch(cell, number, loss))
    tracker.listen(cells.trained(cell, tmp_path))
    tracker.close()

    [folder] = (tmp_path / "tensorboard").iterdir()
    assert folder.name == f"pretrain-lcd-vgg16_1d-ptbxl-seed0-{cell.key[:8]}"
    found = scalars(folder)
    assert found["loss"] == pytest.approx({1: 0.9, 2: 0.5, 3: 0.4})
    assert found["records_per_s"] == {2: 1000, 3: 1000}
    assert found["history/embedding_std"] == pytest.approx({1: 0.11, 2: 0.12, 3: 0.13})
    assert found["end/seconds"] == {3: 2.5}


def test_scores_are_a_curve_over_the_number_of_labels(tmp_path: Path, cells):
    [tracker] = trackers(["tensorboard"], tmp_path, "s")
    for fraction, n_labels, auroc in ((0.1, 100, 0.7), (1.0, 1000, 0.8)):
        tracker.listen(cells.scored(cells.evaluate(fraction), auroc, n_labels))
    tracker.listen(cells.scored(cells.evaluate(1.0, seed=1), 0.6, 1000))
    tracker.close()
    found = [scalars(f)["test/auroc"] for f in sorted((tmp_path / "tensorboard").iterdir())]
    assert found == [pytest.approx({100: 0.7, 1000: 0.8}), pytest.approx({1000: 0.6})]


def test_a_run_that_goes_on_later_continues_the_same_curve(tmp_path: Path, cells):
    cell = cells.pretrain()
    for numbers in ((1,), (2, 3)):
        [tracker] = trackers(["tensorboard"], tmp_path, "s")
        tracker.listen(CellEvent(cell, "started"))
        for number in numbers:
            tracker.listen(cells.epoch(cell, number, number / 10))
        tracker.listen(CellEvent(cell, "stopped"))
        tracker.close()
    [folder] = (tmp_path / "tensorboard").iterdir()
    assert scalars(folder)["loss"] == pytest.approx({1: 0.1, 2: 0.2, 3: 0.3})


def test_settings_are_what_the_hparams_plugin_reads(tmp_path: Path, cells):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    [tracker] = trackers(["tensorboard"], tmp_path, "s")
    tracker.listen(CellEvent(cells.pretrain(seed=3), "started"))
    tracker.close()
    [folder] = (tmp_path / "tensorboard").iterdir()
    found = EventAccumulator(str(folder))
    found.Reload()
    content = found.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    told = HParamsPluginData.FromString(content).session_start_info.hparams
    assert told["method"].string_value == "lcd"
    assert told["seed"].number_value == 3


@pytest.mark.parametrize("method", ["../../up", "a/b", "ä\x1b[31m\nx" + 300 * "y"])
def test_no_name_leads_out_of_the_folder(method: str, tmp_path: Path, cells):
    [tracker] = trackers(["tensorboard"], tmp_path / "out", "s")
    tracker.listen(CellEvent(cells.pretrain(method=method), "started"))
    tracker.close()
    [folder] = (tmp_path / "out" / "tensorboard").iterdir()
    assert folder.name.startswith("pretrain-")
    assert folder.name.isascii()
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_disk_that_cannot_be_written_switches_it_off(tmp_path: Path, cells, caplog):
    (tmp_path / "tensorboard").write_text("in the way")
    [tracker] = trackers(["tensorboard"], tmp_path, "s")
    tracker.listen(CellEvent(cells.pretrain(), "started"))
    tracker.close()
    assert "TensorBoard is switched off" in caplog.text
