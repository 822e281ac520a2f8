"""Several bundles in one, against sums by hand."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from safetensors.numpy import load

sys.path.insert(0, str(Path(__file__).parents[1] / "runtime"))  # bright.py lives there

from bright import bright_files, bright_frame, even_files

from sononerve.errors import InputError
from sononerve.frame import Frame
from sononerve.runtime.answer import agreement
from sononerve.runtime.bundle import CARD, CONFIG, GRAPH, WEIGHTS, Bundle, write_bundle
from sononerve.runtime.engines import open_engine
from sononerve.runtime.predictor import Predictor
from sononerve.runtime.ways import Ways
from sononerve.train.ensemble import join

Make = Callable[..., Bundle]
FRAME = Frame(np.zeros((3, 5), np.uint8))


@pytest.fixture
def bundled(tmp_path: Path) -> Make:
    """Write files as the bundle of a run and open it."""

    def make(name: str, files: dict[str, bytes]) -> Bundle:
        write_bundle(tmp_path / name / "bundle", files)
        return Bundle.open(tmp_path / name)

    return make


def outputs(bundle: Bundle) -> dict[str, np.ndarray]:
    """Every output of the graph for two frames."""
    return open_engine(bundle, GRAPH).run({"frame": np.zeros((2, 1, 3, 5), np.uint8)})


def test_the_answer_is_exactly_the_mean(bundled: Make) -> None:
    joined = join([bundled("a", even_files(0.25, 0.5)), bundled("b", even_files(0.5, 0.125))])
    found = Predictor(joined).predict(FRAME)
    assert (found.probabilities[0] == 0.375).all()
    assert (found.probabilities[1] == 0.3125).all()
    assert (found.labels == 1).all()


def test_the_mean_follows_the_frame(bundled: Make) -> None:
    """0.9 where it is bright and 0.3 everywhere."""
    joined = join([bundled("a", bright_files_with_weights()), bundled("b", even_files(0.3))])
    frame = Frame(bright_frame())
    expected = np.where(frame.pixels == 100, 0.6, 0.15)
    np.testing.assert_allclose(Predictor(joined).predict(frame).probabilities[0], expected, atol=1e-6)


def bright_files_with_weights() -> dict[str, bytes]:
    """Of `bright_files`, with weights that can be read."""
    return bright_files() | {WEIGHTS: even_files(0.5)[WEIGHTS]}


def test_disagreement_is_as_by_hand(bundled: Make) -> None:
    """In bits: 0.8813 of the mean 0.7, less the mean of 0.4690 of 0.9 and 1 of 0.5."""
    joined = join([bundled("a", even_files(0.9)), bundled("b", even_files(0.5))])
    found = Predictor(joined).predict(FRAME).uncertainty
    np.testing.assert_allclose(found, np.full((3, 5), 0.8813 - 0.7345), atol=1e-4)


def test_agreement_is_that_of_the_members_masks(bundled: Make) -> None:
    """One marks what is bright, two mark everything."""
    members = [bundled("a", bright_files_with_weights()), bundled("b", even_files(0.9)), bundled("c", even_files(0.6))]
    frame = Frame(np.array([[0, 90, 200, 255]], np.uint8))
    looks = [Predictor(member).look([frame]).probabilities for member in members]
    found = Predictor(join(members)).look([frame])
    np.testing.assert_allclose(found.agreement, agreement(looks), atol=1e-6)
    assert 0 < found.agreement.item() < 1


@pytest.mark.parametrize("sure", [0.0, 0.3, 1.0])
def test_equal_members_do_not_disagree(bundled: Make, sure: float) -> None:
    joined = join([twin(bundled, i, even_files(sure)) for i in range(3)])
    found = Predictor(joined).predict(FRAME)
    np.testing.assert_allclose(found.probabilities, sure, atol=1e-6)
    np.testing.assert_allclose(found.uncertainty, 0, atol=1e-6)


def twin(bundled: Make, number: int, files: dict[str, bytes]) -> Bundle:
    """The same model, trained a second time."""
    return bundled(f"twin-{number}", files | {CONFIG: files[CONFIG] + f"note: {number}\n".encode()})


def test_an_ensemble_that_flips_disagrees_as_much_where_the_mirror_says_the_same(bundled: Make) -> None:
    joined = join([bundled("a", even_files(0.9)), bundled("b", even_files(0.5))])
    once, twice = Predictor(joined), Predictor(joined, ways=Ways(flip=True))
    np.testing.assert_allclose(twice.predict(FRAME).uncertainty, once.predict(FRAME).uncertainty, atol=1e-6)


def test_heads_are_averaged_where_all_members_have_them(bundled: Make) -> None:
    a = bundled("a", even_files(0.5, presence=0.25, box=(0.5, 0.5, 0.2, 0.2)))
    b = bundled("b", even_files(0.25, presence=0.75, box=(0.25, 0.5, 0.4, 0.2)))
    found = outputs(join([a, b]))
    np.testing.assert_allclose(found["presence"], [0.5, 0.5])
    np.testing.assert_allclose(found["box"], [[0.375, 0.5, 0.3, 0.2]] * 2, atol=1e-6)


@pytest.mark.parametrize(("margins", "looks_again"), [((2, 2), True), ((2, 0), False), ((2, 3), False)])
def test_it_looks_twice_where_all_members_have_learned_to(
    bundled: Make, margins: tuple[float, float], looks_again: bool
) -> None:
    def member(name: str, sure: float, margin: float) -> Bundle:
        files = even_files(sure, presence=0.9, box=(0.5, 0.5, 0.2, 0.2))
        return bundled(name, files | {CONFIG: files[CONFIG] + f"close_up: {margin}\n".encode()})

    joined = join([member("a", 0.5, margins[0]), member("b", 0.25, margins[1])])
    if looks_again:
        assert Predictor(joined, ways=Ways(second_look=True)).predict(FRAME).presence == pytest.approx(0.9)
    else:
        with pytest.raises(InputError, match="look twice"):
            Predictor(joined, ways=Ways(second_look=True))
    with pytest.raises(InputError, match=r"needs one network.*an ensemble's members can each"):
        Predictor(joined, ways=Ways(sensitivity=0.5))


def test_a_head_that_one_member_lacks_is_left_out(bundled: Make) -> None:
    joined = join([bundled("a", even_files(0.5, presence=0.25)), bundled("b", even_files(0.25))])
    assert set(outputs(joined)) == {"probabilities", "disagreement", "agreement"}


def test_presence_below_which_no_nerve_is_marked_is_the_mean_where_all_tell_presence_in_one_way(bundled: Make) -> None:
    def member(name: str, least: float, told: float | None) -> Bundle:
        files = even_files(0.5, presence=told)
        return bundled(name, files | {CONFIG: files[CONFIG] + f"postprocess: {{presence: {least}}}\n".encode()})

    def joined(*told: tuple[float, float | None]) -> float:
        members = [member(f"{i}-{least}-{tells}", least, tells) for i, (least, tells) in enumerate(told)]
        return join(members).config.postprocess.presence

    assert joined((0.25, 0.5), (0.75, 0.75)) == 0.5
    assert joined((0.25, 0.5), (0.0, 0.75)) == 0
    assert joined((0.25, 0.5), (0.75, None)) == 0
    assert joined((0.5, 0.5), (0.5, None)) == 0  # a judge's presence and a mask's are not alike


def test_it_says_who_is_in_it_and_holds_their_weights_apart(bundled: Make) -> None:
    a, b = bundled("first", even_files(0.5)), bundled("second", even_files(0.25, fold=0))
    joined = join([a, b])
    assert [(m.name, m.fold, m.identity) for m in joined.config.members] == [
        ("first", 0, a.identity),
        ("second", 0, b.identity),
    ]
    assert yaml.safe_load(joined.files[CONFIG])["members"][1]["name"] == "second"
    weights = load(joined.files[WEIGHTS])
    assert {name: value.tolist() for name, value in weights.items()} == {
        "member_0.head": [0.5],
        "member_1.head": [0.25],
    }
    assert "Not a medical device" in joined.files[CARD].decode()


@pytest.mark.parametrize("out", ["both", "both.sono"])
def test_a_folder_and_one_file_both_work(
    bundled: Make, tmp_path: Path, cli: Callable[..., tuple[int, str, str]], out: str
) -> None:
    bundled("a", even_files(0.25))
    bundled("b", even_files(0.5))
    assert cli("ensemble", tmp_path / "a", tmp_path / "b", "--out", tmp_path / out)[0] == 0
    found = Predictor.load(tmp_path / out).predict(FRAME)
    assert (found.probabilities == 0.375).all()
    assert found.uncertainty is not None


@pytest.mark.parametrize("out", ["there", "there.sono"])
def test_what_is_there_is_not_replaced_unasked(
    bundled: Make, tmp_path: Path, cli: Callable[..., tuple[int, str, str]], out: str
) -> None:
    for name, sure in (("a", 0.25), ("b", 0.5), ("c", 0.75)):
        bundled(name, even_files(sure))
    place = ("--out", tmp_path / out)
    assert cli("ensemble", tmp_path / "a", tmp_path / "b", *place)[0] == 0
    status, _, error = cli("ensemble", tmp_path / "a", tmp_path / "c", *place)
    assert (status, "--overwrite" in error) == (2, True)
    assert cli("ensemble", tmp_path / "a", tmp_path / "c", *place, "--overwrite")[0] == 0
    assert (Predictor.load(tmp_path / out).predict(FRAME).probabilities == 0.5).all()


def test_a_folder_that_is_no_bundle_is_never_replaced(
    bundled: Make, tmp_path: Path, cli: Callable[..., tuple[int, str, str]]
) -> None:
    bundled("a", even_files(0.25))
    bundled("b", even_files(0.5))
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "text").write_text("years of work")
    status, _, error = cli("ensemble", tmp_path / "a", tmp_path / "b", "--out", tmp_path / "thesis", "--overwrite")
    assert (status, "not a bundle" in error) == (2, True)
    assert (tmp_path / "thesis" / "text").read_text() == "years of work"


def test_one_model_is_no_ensemble(bundled: Make) -> None:
    with pytest.raises(InputError, match=r"1 model\(s\) to join; expected at least 2"):
        join([bundled("a", even_files(0.5))])


def test_a_model_named_twice_is_refused(bundled: Make) -> None:
    with pytest.raises(InputError, match="is there twice"):
        join([bundled("a", even_files(0.5)), bundled("copy", even_files(0.5))])


def test_other_classes_are_refused_with_both_names(bundled: Make) -> None:
    with pytest.raises(InputError, match=r"b/bundle: its classes are nerve, vessel, those of .*a/bundle nerve;"):
        join([bundled("a", even_files(0.5)), bundled("b", even_files(0.5, 0.25))])


def test_an_ensemble_of_ensembles_is_refused(bundled: Make) -> None:
    a, b = bundled("a", even_files(0.5)), bundled("b", even_files(0.25))
    with pytest.raises(InputError, match="is an ensemble itself"):
        join([join([a, b]), a])


@pytest.mark.parametrize("file", ["model.onnx", "weights.safetensors"])
def test_a_member_that_cannot_be_read_is_named(bundled: Make, file: str) -> None:
    a, b = bundled("a", even_files(0.5)), bundled("b", even_files(0.25))
    broken = replace(b, files={**b.files, file: b"not what it was"})
    with pytest.raises(InputError, match=rf"b/bundle: {file} cannot be read"):
        join([a, broken])
