"""Several bundles in one: the mean of their probabilities, and where they disagree. ONNX and NumPy, no PyTorch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
import onnx
import yaml
from numpy.typing import NDArray
from onnx import compose, parser
from safetensors import SafetensorError
from safetensors.numpy import load, save

from .. import __version__
from ..errors import InputError
from ..runtime.bundle import (
    CARD,
    CONFIG,
    GRAPH,
    MAX_FILE,
    SCORES,
    SPLIT,
    WEIGHTS,
    Bundle,
    Member,
    RuntimeConfig,
    told_name,
)
from ..runtime.postprocess import PostProcess
from ..runtime.predictor import AGREEMENT, DISAGREEMENT
from .restore import NETWORKS, RecordedPlan, RecordedTraining, prefix
from .start import carried

FEWEST = 2

_NEGENTROPY = """
  {x}_sum = ReduceSum({x}, label_axis)
  {x}_rest = Sub(one, {x}_sum)
  {x}_background = Max({x}_rest, zero)
  {x}_labels = Concat<axis = 1>({x}_background, {x})
  {x}_above = Max({x}_labels, tiny)
  {x}_log = Log({x}_above)
  {x}_product = Mul({x}_labels, {x}_log)
  {x}_negentropy = ReduceSum<keepdims = 0>({x}_product, label_axis)
"""

_MASKS = """
  {x}_likeliest = ArgMax<axis = 1>({x})
  {x}_is = Equal({x}_likeliest, each_class)
  {x}_enough = Greater({x}_sum, half)
  {x}_marks = And({x}_is, {x}_enough)
  {x}_marked = Cast<to = 1>({x}_marks)
  {x}_area = ReduceSum<keepdims = 0>({x}_marked, image_axes)
"""

_PAIR = """
  {x}{y}_both = Mul({x}_marked, {y}_marked)
  {x}{y}_overlap = ReduceSum<keepdims = 0>({x}{y}_both, image_axes)
  {x}{y}_twice = Add({x}{y}_overlap, {x}{y}_overlap)
  {x}{y}_each = Add({x}_area, {y}_area)
  {x}{y}_dice = Div({x}{y}_twice, {x}{y}_each)
"""


def join(bundles: Sequence[Bundle]) -> Bundle:
    """One bundle, in memory, that answers as all of ``bundles`` together.

    Its graph holds theirs and gives the mean of their ``probabilities`` ``(N, C, H, W)``; ``disagreement``
    ``(N, H, W)`` and ``agreement`` ``(N, C)``, which are `sononerve.runtime.answer.mean_of`'s; the mean of ``presence``
    where all have it; and the mean of ``box`` where all have one. They may be different networks of different canvases.
    Raises `InputError` for fewer than two, one that is there twice, classes that differ, and a bundle that is an
    ensemble or cannot be read.

    >>> Predictor(join([Bundle.open("run-0"), Bundle.open("run-1")])).predict(frame).uncertainty  # doctest: +SKIP
    """
    _check(bundles)
    first, graphs = bundles[0].config, [_graph(bundle) for bundle in bundles]
    splits = _splits(bundles)
    starts, start_files = carried([(one, bundle) for bundle in bundles for one in bundle.config.starts])
    config = RuntimeConfig(
        classes=first.classes,
        postprocess=_shared_rules(
            [bundle.config.postprocess for bundle in bundles],
            alike=len({"presence" in _outputs(graph) for graph in graphs}) == 1,
        ),
        appearance=first.appearance,
        nerve_share=_mean([bundle.config.nerve_share for bundle in bundles]),
        fold=first.fold,
        close_up=first.close_up if len({bundle.config.close_up for bundle in bundles}) == 1 else 0.0,
        starts=starts,
        members=tuple(
            Member(name=told_name(bundle), identity=bundle.identity, fold=bundle.config.fold, split=file)
            for bundle, (file, _) in zip(bundles, splits, strict=True)
        ),
    )
    recorded = {"sononerve": __version__} | config.model_dump(mode="json") | {NETWORKS: [_network(b) for b in bundles]}
    files = {
        GRAPH: _joined(bundles, graphs),
        WEIGHTS: save({f"{prefix(i)}{n}": v for i, b in enumerate(bundles) for n, v in _weights(b).items()}),
        CONFIG: yaml.safe_dump(recorded, sort_keys=False).encode(),
        SCORES: b"{}\n",
        CARD: _card(bundles).encode(),
    }
    files |= start_files | {file: split for file, split in splits if split is not None}
    return Bundle(Path("ensemble"), files, config)


def _shared_rules(every: Sequence[PostProcess], alike: bool) -> PostProcess:
    """The members' rules where all have the same; else their mean thresholds alone, for each was chosen for one.

    ``alike``: whether all or none tell presence themselves: those of one and of another kind have no common threshold.
    """
    presences = [rules.presence if alike else 0.0 for rules in every]
    if len(set(every)) == 1:
        return every[0].model_copy(update={"presence": presences[0]})
    return PostProcess(
        threshold=_mean([rules.threshold for rules in every]), presence=_mean(presences) if all(presences) else 0.0
    )


def _joined(bundles: Sequence[Bundle], graphs: Sequence[onnx.ModelProto]) -> bytes:
    """One graph of all the bundles' graphs, serialised; they share the input ``frame``."""
    for bundle, graph in zip(bundles, graphs, strict=True):
        if _versions(graph) != _versions(graphs[0]):
            raise InputError(
                f"{bundle.source}: {GRAPH} is of another version of ONNX than that of {bundles[0].source}; export both "
                "with one sononerve"
            )
    given = [_outputs(graph) for graph in graphs]
    heads = [head for head in ("presence", "box", AGREEMENT) if all(head in names for names in given)]
    prefixed = [compose.add_prefix(g, f"{i}/", rename_inputs=False) for i, g in enumerate(graphs)]
    side_by_side = onnx.helper.make_graph(
        [node for graph in prefixed for node in graph.graph.node],
        "members",
        list(prefixed[0].graph.input),
        [o for g in prefixed for o in g.graph.output if o.name.partition("/")[2] in ("probabilities", *heads)],
        [tensor for graph in prefixed for tensor in graph.graph.initializer],
    )
    both = {"opset_imports": graphs[0].opset_import, "ir_version": graphs[0].ir_version}
    joined = compose.merge_models(
        onnx.helper.make_model(side_by_side, **both),
        _mean_graph(len(bundles), len(bundles[0].config.classes), heads, graphs[0]),
        io_map=[(f"{i}/{n}", f"{n}_{i}") for n in ("probabilities", *heads) for i in range(len(bundles))],
    )
    del joined.opset_import[1:]  # each part brought the same one
    joined.producer_name = "sononerve"
    onnx.checker.check_model(joined, full_check=True)
    return bytes(joined.SerializeToString())


def _mean_graph(count: int, classes: int, heads: Sequence[str], like: onnx.ModelProto) -> onnx.ModelProto:
    """Members' outputs to the ensemble's: means, the mutual information of label and member, and how far they agree."""
    names = [f"probabilities_{i}" for i in range(count)]
    shapes = {"probabilities": f"float[N, {classes}, H, W]", "presence": "float[N]", "box": "float[N, 4]"}
    shapes[AGREEMENT] = f"float[N, {classes}]"
    within = [f"{AGREEMENT}_{i}" for i in range(count)] if AGREEMENT in heads else []
    averaged = ["probabilities", *(head for head in heads if head != AGREEMENT)]
    taken = ", ".join(f"{shapes[n]} {n}_{i}" for n in ("probabilities", *heads) for i in range(count))
    told = ", ".join(f"{shapes[n]} {n}" for n in averaged)
    means = "".join(f"  {n} = Mean({', '.join(f'{n}_{i}' for i in range(count))})\n" for n in averaged)
    pairs = list(combinations(names, 2))
    return parser.parse_model(f"""<ir_version: {like.ir_version}, opset_import: ["" : {like.opset_import[0].version}]>
mean ({taken}) => ({told}, float[N, H, W] {DISAGREEMENT}, float[N, {classes}] {AGREEMENT}) {{
  zero = Constant<value = float {{0}}>()
  half = Constant<value = float {{0.5}}>()
  one = Constant<value = float {{1}}>()
  tiny = Constant<value = float {{1e-12}}>()
  label_axis = Constant<value = int64[1] {{1}}>()
  largest = Constant<value = float {{{math.log(classes + 1):.9g}}}>()
{means}
{"".join(_NEGENTROPY.format(x=x) for x in ("probabilities", *names))}
  within = Mean({", ".join(f"{x}_negentropy" for x in names)})
  information = Sub(within, probabilities_negentropy)
  share = Div(information, largest)
  {DISAGREEMENT} = Max(share, zero)
  each_class = Constant<value = int64[1, {classes}, 1, 1] {{{", ".join(map(str, range(classes)))}}}>()
  image_axes = Constant<value = int64[2] {{2, 3}}>()
{"".join(_MASKS.format(x=x) for x in names)}
{"".join(_PAIR.format(x=x, y=y) for x, y in pairs)}
  between = Mean({", ".join(f"{x}{y}_dice" for x, y in pairs)})
{f"  inside = Mean({', '.join(within)})" if within else ""}
  {AGREEMENT} = {"Min(between, inside)" if within else "Identity(between)"}
}}""")


def _check(bundles: Sequence[Bundle]) -> None:
    if len(bundles) < FEWEST:
        raise InputError(f"{len(bundles)} model(s) to join; expected at least {FEWEST}, the runs' folders")
    first = bundles[0]
    for bundle in bundles:
        if GRAPH not in bundle.files:
            raise InputError(f"{bundle.source}: holds its graph in int8 alone; join the run that it was exported from")
        if bundle.config.members:
            raise InputError(f"{bundle.source}: is an ensemble itself; name the models that it was made of")
        if bundle.config.classes != first.config.classes:
            raise InputError(
                f"{bundle.source}: its classes are {', '.join(bundle.config.classes)}, those of {first.source} "
                f"{', '.join(first.config.classes)}; expected the same, in the same order"
            )
    for file in (GRAPH, WEIGHTS):
        size = sum(len(bundle.files[file]) for bundle in bundles)
        if size > MAX_FILE // 2:
            raise InputError(f"{first.source} and others: {file} would have {size} bytes; join fewer models")
    twins = [bundle for i, bundle in enumerate(bundles) if bundle.identity in {b.identity for b in bundles[:i]}]
    if twins:
        raise InputError(f"{twins[0].source}: is there twice; expected different models")


def _graph(bundle: Bundle) -> onnx.ModelProto:
    try:
        graph = onnx.load_from_string(bundle.files[GRAPH])
        onnx.checker.check_model(graph)
    except Exception as error:  # protobuf's and the checker's errors share no base class
        raise InputError(f"{bundle.source}: {GRAPH} cannot be read ({error}); export it again") from error
    return graph


def _outputs(graph: onnx.ModelProto) -> list[str]:
    return [output.name for output in graph.graph.output]


def _versions(graph: onnx.ModelProto) -> list[tuple[str, int]]:
    return [(opset.domain, opset.version) for opset in graph.opset_import]


def _weights(bundle: Bundle) -> dict[str, NDArray[np.generic]]:
    try:
        return dict(load(bundle.files[WEIGHTS]))
    except SafetensorError as error:
        raise InputError(f"{bundle.source}: {WEIGHTS} cannot be read ({error}); export it again") from error


def _network(bundle: Bundle) -> dict[str, object]:
    """What `sononerve.train.restore.member_of` needs of a member's configuration."""
    recorded = yaml.safe_load(bundle.files[CONFIG])
    kept = {key: recorded[key] for key in ("training", "plan", "temperature") if key in recorded}
    for key, fields in (("training", RecordedTraining.model_fields), ("plan", RecordedPlan.model_fields)):
        if key in kept:
            kept[key] = {name: value for name, value in kept[key].items() if name in fields}
    return kept


def _splits(bundles: Sequence[Bundle]) -> list[tuple[str, bytes | None]]:
    """Each member's split by the file it gets, the same for members of one split; None where it has none."""
    files: dict[bytes | None, str] = {}
    for bundle in bundles:
        name = SPLIT if not files else SPLIT.replace(".", f"_{len(files) + 1}.")
        files.setdefault(bundle.files.get(SPLIT), name)
    return [(files[content], content) for content in (bundle.files.get(SPLIT) for bundle in bundles)]


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _card(bundles: Sequence[Bundle]) -> str:
    lines = "\n".join(f"- {told_name(b)}, fold {b.config.fold}, {b.identity}" for b in bundles)
    return f"""# Ensemble of {len(bundles)}: {", ".join(bundles[0].config.classes)}

Not a medical device: for research only.

The mean of the probabilities of these models, each with its own scaling and temperature:

{lines}

- cost: that of all members together, at every frame
- disagreement: mutual information of label and member, as a share of the largest entropy, 0..1
- expected Dice: the mean Dice between members
- made by sononerve {__version__}

## Held-out scores

Not yet scored. Only frames count as held out that no member was fitted or tuned on; folds of one cross-validation have
none in common.
"""
