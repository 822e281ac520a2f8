"""What runs a bundle may be chosen, gives the same answer, and says what it cannot do."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from bright import bright_files, bright_frame, rising_files

from sononerve.errors import InputError
from sononerve.frame import Frame
from sononerve.runtime.bundle import GRAPH, Bundle, in_precision, write_bundle
from sononerve.runtime.engine import CPU_ENGINES, GPU_ENGINES, EngineChoice, EngineName
from sononerve.runtime.engines import default_engine, open_engine
from sononerve.runtime.onnx_runtime import PROVIDERS
from sononerve.runtime.open_vino import OWN_SIZES
from sononerve.runtime.predictor import Predictor


@pytest.fixture(params=CPU_ENGINES)
def engine(request: pytest.FixtureRequest) -> EngineName:
    pytest.importorskip(request.param)
    return request.param


def test_every_engine_gives_the_answer_that_the_graph_has(bundle: Path, engine: EngineName) -> None:
    found = Predictor.load(bundle, EngineChoice(engine=engine)).predict(Frame(bright_frame()))
    expected = np.where(bright_frame() == 100, 0.9, 0).astype(np.float32)
    np.testing.assert_allclose(found.probabilities[0], expected, atol=1e-7)


def test_more_sizes_than_have_a_graph_of_their_own_are_answered_in_any_order(
    tmp_path: Path, engine: EngineName
) -> None:
    write_bundle(tmp_path / "bundle", rising_files())
    predictor = Predictor.load(tmp_path / "bundle", EngineChoice(engine=engine))
    widths = list(range(1, OWN_SIZES + 4))
    for width in [*widths, *widths[::-1]]:
        found = predictor.predict(Frame(np.zeros((3, width), np.uint8))).probabilities
        np.testing.assert_allclose(found[0], np.tile(0.1 * np.arange(1, width + 1), (3, 1)), atol=1e-6)


def test_threads_of_any_engine_may_share_one_graph(bundle: Path, engine: EngineName) -> None:
    predictor = Predictor.load(bundle, EngineChoice(engine=engine))
    frames = [Frame(np.roll(bright_frame(), n, axis=n % 2)[: 30 - n % 3]) for n in range(40)]
    expected = [predictor.predict(frame).labels for frame in frames]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda frame: predictor.predict(frame).labels, frames))
    assert all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))


ALL_AT_ONCE = """
import sys, threading
import numpy as np
from sononerve.runtime.bundle import GRAPH, Bundle
from sononerve.runtime.engine import EngineChoice
from sononerve.runtime.engines import open_engine
sys.setswitchinterval(1e-6)
engine, started = open_engine(Bundle.open(sys.argv[1]), GRAPH, EngineChoice(engine=sys.argv[2])), threading.Barrier(40)
seen = []
def look():
    started.wait()
    seen.append(engine.run({"frame": np.zeros((1, 1, 30, 40), np.uint8)}))
threads = [threading.Thread(target=look) for _ in range(40)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert len(seen) == 40
"""


def test_threads_may_give_a_process_its_first_frames(bundle: Path, engine: EngineName) -> None:
    for _ in range(3):  # in OpenVINO it ended in a deadlock two times in three
        command = [sys.executable, "-c", ALL_AT_ONCE, str(bundle), engine]
        assert subprocess.run(command, timeout=60, check=False).returncode == 0


def test_int8_without_a_graph_for_it_says_how_to_make_one(bundle: Path) -> None:
    with pytest.raises(InputError, match=r"has no model\.int8\.onnx.*sononerve export RUN --precision int8"):
        Predictor.load(bundle, EngineChoice(precision="int8"))


def test_a_bundle_runs_in_the_precision_that_it_is_meant_for(tmp_path: Path) -> None:
    files = bright_files() | {in_precision(GRAPH, "int8"): rising_files()[GRAPH]}
    files["config.yaml"] += b"precision: int8\n"
    write_bundle(tmp_path / "bundle", files)
    frame = Frame(bright_frame())
    meant, full = (
        Predictor.load(tmp_path / "bundle"),
        Predictor.load(tmp_path / "bundle", EngineChoice(precision="fp32")),
    )
    assert meant.predict(frame).probabilities[0, 0, 1] == pytest.approx(0.2)
    assert full.predict(frame).probabilities.max() == pytest.approx(0.9)
    assert meant.identity == full.identity + "+int8"


def test_bf16_is_refused_where_the_engine_has_none(bundle: Path) -> None:
    with pytest.raises(InputError, match=r"ONNX Runtime is not run in it.*--engine openvino, or --precision fp32"):
        Predictor.load(bundle, EngineChoice(engine="onnxruntime", precision="bf16"))


def test_without_openvino_onnx_runtime_runs_and_openvino_is_told_how_to_install(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "openvino" else object())
    assert default_engine() == "onnxruntime"
    with pytest.raises(InputError, match=r"pip install 'sononerve\[openvino\]'"):
        Predictor.load(bundle, EngineChoice(engine="openvino"))


@pytest.mark.filterwarnings("ignore:Specified provider")
@pytest.mark.parametrize("gpu", GPU_ENGINES)
def test_an_engine_on_a_gpu_is_never_replaced_by_the_processor_in_silence(
    bundle: Path, gpu: EngineName, monkeypatch: pytest.MonkeyPatch
) -> None:
    import onnxruntime

    wanted = PROVIDERS[gpu].name
    if wanted in onnxruntime.get_available_providers():
        pytest.skip("ONNX Runtime is built for GPUs here")
    with pytest.raises(InputError, match=rf"{wanted}: .*onnxruntime-gpu in place of.*another --engine"):
        Predictor.load(bundle, EngineChoice(engine=gpu))
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [wanted])
    with pytest.raises(InputError, match=rf"{wanted}: .*another --engine.*'sononerve tune' measures again"):
        Predictor.load(bundle, EngineChoice(engine=gpu))


def test_a_graph_that_no_engine_knows_is_refused_on_one_line(bundle: Path, engine: EngineName) -> None:
    opened = Bundle.open(bundle)
    broken = replace(opened, files={**opened.files, GRAPH: opened.files[GRAPH].replace(b"Equal", b"Unknw")})
    with pytest.raises(InputError, match=r"model\.onnx cannot be run \(.+\); export it again$") as told:
        open_engine(broken, GRAPH, EngineChoice(engine=engine))
    assert "\n" not in str(told.value)
