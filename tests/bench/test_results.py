from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lcd_plugin.bench.headline import headline
from lcd_plugin.bench.results import (
    EvaluateResult,
    PretrainResult,
    check_seal,
    key_of,
    quick_look,
    read_result,
    seal_of,
    write_result,
)
from lcd_plugin.files import write_whole


def result() -> PretrainResult:
    identity = {"method": "lcd", "seed": 0}
    return PretrainResult(key=key_of(identity), identity=identity, phases={"steps": 1.5})


def score(**changes: Any) -> EvaluateResult:
    identity = {"method": "lcd", "seed": 0}
    return EvaluateResult(key=key_of(identity), identity=identity, **changes)


def change(path: Path, how: Callable[[dict[str, Any]], object]) -> None:
    """Change what a JSON file says."""
    document = json.loads(path.read_bytes())
    how(document)
    path.write_text(json.dumps(document))


def unsealed(folder: Path) -> None:
    """Make a result as it was written before there were seals."""

    def older(document: dict[str, Any]) -> None:
        for name in ("seal", "sizes", "transient"):
            del document[name]

    change(folder / "result.json", older)


def test_a_result_comes_back_with_the_checksums_of_its_files(tmp_path: Path):
    written = write_result(tmp_path, result(), {"weights": b"abc"})
    # SHA-256 of "abc", from FIPS 180-2.
    assert written.files["weights"].startswith("ba7816bf8f01cfea414140de5dae2223")
    assert read_result(tmp_path, PretrainResult) == written


def test_nothing_temporary_stays(tmp_path: Path):
    write_result(tmp_path, result(), {"weights": b"abc"})
    assert sorted(p.name for p in tmp_path.iterdir()) == ["result.json", "weights"]


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "file"
    write_whole(path, b"old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_whole(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda folder: (folder / "result.json").write_text('{"key": '),
        lambda folder: (folder / "result.json").unlink(),
        lambda folder: (folder / "weights").unlink(),
        lambda folder: (folder / "result.json").write_text(
            (folder / "result.json").read_text().replace('"seed": 0', '"seed": 1')
        ),
        lambda folder: (folder / "result.json").write_text(
            (folder / "result.json")
            .read_text()
            .replace('"schema_version": 1', '"schema_version": 0')
        ),
    ],
)
def test_what_cannot_be_relied_on_counts_as_not_there(tmp_path: Path, spoil):
    write_result(tmp_path, result(), {"weights": b"abc"})
    spoil(tmp_path)
    assert read_result(tmp_path, PretrainResult) is None


def test_a_result_of_the_other_kind_is_none(tmp_path: Path):
    identity = {"a": 1}
    evaluation = EvaluateResult(key=key_of(identity), identity=identity, n_test=3)
    write_result(tmp_path, evaluation, {})
    assert read_result(tmp_path, PretrainResult) is None


def test_key_ignores_order_and_sees_every_value():
    assert key_of({"a": 1, "b": {"c": 2, "d": 3}}) == key_of({"b": {"d": 3, "c": 2}, "a": 1})
    assert key_of({"a": 1}) != key_of({"a": 1.5})


def test_a_score_that_is_not_known_comes_back(tmp_path: Path):
    identity = {"a": 1}
    evaluation = EvaluateResult(key=key_of(identity), identity=identity, macro={"auroc": math.nan})
    write_result(tmp_path, evaluation, {})
    again = read_result(tmp_path, EvaluateResult)
    assert again is not None
    assert math.isnan(again.macro["auroc"])


def test_a_failure_can_name_a_file_that_is_no_unicode(tmp_path: Path):
    name = os.fsdecode(b"caf\xe9.dat")
    failed = score(status="failed", error=f"no file {name}", traceback=name)
    written = write_result(tmp_path, failed, {})
    assert written.error == r"no file caf\udce9.dat"
    assert read_result(tmp_path, EvaluateResult) == written


class TestSeal:
    def test_it_is_the_hash_of_the_sorted_json_without_it(self, tmp_path: Path):
        written = write_result(tmp_path, score(macro={"auroc": 0.1 + 0.2}), {"a": b"abc"})
        document = json.loads((tmp_path / "result.json").read_bytes())
        assert document.pop("seal") == written.seal
        text = json.dumps(document, sort_keys=True, separators=(",", ":"))
        assert written.seal == hashlib.sha256(text.encode()).hexdigest()

    @pytest.mark.parametrize(
        "how",
        [
            lambda d: d["macro"].update(auroc=0.9),
            lambda d: d["macro"].update(auroc=d["macro"]["auroc"] + 1e-16),
            lambda d: d.update(n_test=4),
            lambda d: d["per_class"]["auroc"].reverse(),
            lambda d: d.update(status="failed"),
            lambda d: d["sizes"].update(a=4),
            lambda d: d["provenance"].update(host="other"),
            lambda d: d.update(transient=True),
            lambda d: d.pop("transient"),
            lambda d: d.pop("phases"),
            lambda d: d.pop("seal"),
            lambda d: d.update(seal=None),
            lambda d: d.update(seal=7),
            lambda d: d.update(seal=d["seal"][::-1]),
        ],
    )
    def test_whatever_is_changed_by_hand_is_seen(self, tmp_path: Path, how: Any):
        sealed = score(macro={"auroc": 0.5}, n_test=3, per_class={"auroc": (0.25, None)})
        write_result(tmp_path, sealed, {"a": b"abc"})
        change(tmp_path / "result.json", how)
        assert not check_seal((tmp_path / "result.json").read_bytes())
        assert read_result(tmp_path, EvaluateResult) is None
        assert quick_look(tmp_path, EvaluateResult, sealed.key) is None

    def test_other_spaces_and_another_order_change_nothing(self, tmp_path: Path):
        written = write_result(tmp_path, score(macro={"auroc": 1e-7, "f1": -0.0}), {})
        path = tmp_path / "result.json"
        document = json.loads(path.read_bytes())
        path.write_text(json.dumps(dict(reversed(document.items())), indent=7) + "\r\n")
        assert check_seal(path.read_text())
        assert read_result(tmp_path, EvaluateResult) == written
        assert quick_look(tmp_path, EvaluateResult, written.key) == written

    def test_results_from_before_there_were_seals_stay_valid(self, tmp_path: Path):
        written = write_result(tmp_path, score(n_test=3), {"a": b"abc"})
        unsealed(tmp_path)
        assert check_seal((tmp_path / "result.json").read_bytes())
        older = read_result(tmp_path, EvaluateResult)
        assert older is not None
        assert (older.seal, older.sizes, older.n_test, older.transient) == (None, {}, 3, False)
        assert quick_look(tmp_path, EvaluateResult, written.key) == older
        # Of these it is the hash that tells, since no size is known.
        (tmp_path / "a").write_bytes(b"abd")
        assert quick_look(tmp_path, EvaluateResult, written.key) is None

    @given(
        st.dictionaries(
            st.text(),
            st.recursive(
                st.none() | st.booleans() | st.text() | st.floats(allow_nan=False)
                | st.integers(-(10**40), 10**40),
                lambda inner: st.lists(inner, max_size=3)
                | st.dictionaries(st.text(), inner, max_size=3),
                max_leaves=8,
            ),
            max_size=4,
        ),
        st.floats(),
    )  # fmt: skip
    def test_any_value_survives_being_written_and_read(self, values: dict[str, Any], number: float):
        made = score(chosen=values, macro={"auroc": number}, per_class={"auroc": (number, None)})
        text = made.model_copy(update={"sizes": {}}).model_dump_json(indent=1)
        # Read by another parser than the one that checks.
        document = json.loads(text)
        seal = seal_of(document)
        assert check_seal(json.dumps(document | {"seal": seal}))
        sealed = made.model_copy(update={"seal": seal}).model_dump_json(indent=1)
        assert check_seal(sealed)
        assert EvaluateResult.model_validate_json(sealed).seal == seal


class TestQuickLook:
    def look(self, folder: Path) -> EvaluateResult | None:
        return quick_look(folder, EvaluateResult, score().key)

    def test_it_tells_what_a_resume_needs(self, tmp_path: Path):
        write_result(tmp_path, score(macro={"auroc": 0.75}), {"a": b"abc"})
        complete = self.look(tmp_path)
        assert complete is not None
        assert (complete.status, headline(complete)) == ("complete", "macro AUROC 0.750")
        write_result(tmp_path, score(status="failed", error="killed", transient=True), {})
        failed = self.look(tmp_path)
        assert failed is not None
        assert (failed.status, failed.error, failed.transient) == ("failed", "killed", True)

    def test_no_file_is_read(self, tmp_path: Path):
        write_result(tmp_path, score(), {"a": b"abc"})
        (tmp_path / "a").write_bytes(b"abd")
        assert self.look(tmp_path) is not None
        assert read_result(tmp_path, EvaluateResult) is None

    @pytest.mark.parametrize(
        "spoil",
        [
            lambda folder: (folder / "a").write_bytes(b"ab"),
            lambda folder: (folder / "a").unlink(),
            lambda folder: [(folder / "a").unlink(), (folder / "a").mkdir()],
            lambda folder: [(folder / "a").unlink(), os.mkfifo(folder / "a")],
            lambda folder: (folder / "result.json").unlink(),
            lambda folder: [
                (folder / "result.json").unlink(),
                os.mkfifo(folder / "result.json"),
            ],
            lambda folder: (folder / "result.json").write_bytes(b"[" * 100_000),
            lambda folder: (folder / "result.json").write_bytes(b"[]"),
            lambda folder: (folder / "result.json").write_bytes(b'{"seal": "\\ud800"}'),
            lambda folder: (folder / "result.json").write_bytes(b'{"a": ' + b"9" * 9999 + b"}"),
            lambda folder: os.truncate(folder / "result.json", 2**40),
        ],
    )
    def test_what_cannot_be_relied_on_counts_as_not_there(self, tmp_path: Path, spoil: Any):
        write_result(tmp_path, score(), {"a": b"abc"})
        spoil(tmp_path)
        assert self.look(tmp_path) is None
        assert read_result(tmp_path, EvaluateResult) is None

    def test_the_result_of_another_cell_is_none_of_this_one(self, tmp_path: Path):
        write_result(tmp_path, score(), {})
        assert quick_look(tmp_path, EvaluateResult, "0" * 16) is None
        assert quick_look(tmp_path, PretrainResult, score().key) is None

    @pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "", ".", "..", "a/b", "a\0b"])
    @pytest.mark.parametrize("sealed", [True, False])
    def test_files_are_beside_their_result(self, tmp_path: Path, name: str, sealed: bool):
        (tmp_path / "secret").write_bytes(b"abc")
        folder = tmp_path / "cell"
        write_result(folder, score(), {})
        path = folder / "result.json"
        change(path, lambda d: d.update(files={name: hashlib.sha256(b"abc").hexdigest()}))
        change(path, lambda d: d.update(sizes={name: 3}))
        change(path, lambda d: d.update(seal=seal_of(d)))
        if not sealed:
            unsealed(folder)
        assert check_seal(path.read_bytes())
        assert self.look(folder) is None
        assert read_result(folder, EvaluateResult) is None

    @given(data=st.data())
    def test_any_bytes_are_a_result_or_none(
        self, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
    ):
        folder = tmp_path_factory.mktemp("cell")
        write_result(folder, score(macro={"auroc": 0.5}, n_test=3), {"a": b"abc"})
        path = folder / "result.json"
        content = bytearray(path.read_bytes())
        if data.draw(st.booleans()):
            content = bytearray(data.draw(st.binary(max_size=200)))
        else:
            for _ in range(data.draw(st.integers(1, 4))):
                start = data.draw(st.integers(0, len(content)))
                end = start + data.draw(st.integers(0, 3))
                content[start:end] = data.draw(st.binary(max_size=4))
        path.write_bytes(content)
        look, whole = self.look(folder), read_result(folder, EvaluateResult)
        assert look == whole
        if look is not None:  # only spaces were changed, or nothing
            assert (look.macro, look.n_test, headline(look)) == (
                {"auroc": 0.5}, 3, "macro AUROC 0.500",
            )  # fmt: skip

    @given(
        st.dictionaries(
            st.sampled_from([*EvaluateResult.model_fields, "other"]),
            st.none() | st.integers() | st.text() | st.lists(st.none()) | st.just({"a": []}),
        )
    )
    def test_any_document_with_a_seal_is_a_result_or_none(
        self, tmp_path_factory: pytest.TempPathFactory, changes: dict[str, Any]
    ):
        folder = tmp_path_factory.mktemp("cell")
        write_result(folder, score(), {})
        change(folder / "result.json", lambda d: d.update(changes))
        change(folder / "result.json", lambda d: d.update(seal=seal_of(d)))
        look = self.look(folder)
        if look is not None:
            assert (look.key, look.schema_version) == (score().key, 1)
            headline(look)


def test_the_headline_of_a_pretraining_says_what_it_cost():
    trained = result().model_copy(
        update={
            "phases": {"load": 0.5, "steps": 2.0},
            "records_per_s": 1234.0,
            "engine": {"resumed_at": 3},
        }
    )
    assert headline(trained) == (
        "2.5 s (steps 2.0, load 0.5), 1,234 records/s, resumed after epoch 3"
    )
