"""What a data set looks like on disk. A new layout is one file here and one line in ``LAYOUTS``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ...errors import InputError
from ...frame import Sample
from ...io.atomic import new_folder
from . import coco, cvat, facts, folders, kaggle, label_studio, labelme, manifest, nnunet, videos
from .facts import Fact
from .names import Folds, Names
from .record import Box, Record, RunLengths, StoredMask

__all__ = ["LAYOUTS", "Box", "Fact", "Layout", "Record", "RunLengths", "StoredMask", "find_layout"]


@dataclass(frozen=True)
class Layout:
    """How data sets of one kind are told apart, read and written.

    ``matches(folder)``: does it look like this? ``read(folder)``: its frames, or `InputError`. ``looks_like`` completes
    the sentence that a user reads where no layout fits. ``writer(samples, classes, folder)`` writes into an empty
    folder, and takes ``folds`` too where ``holds_split``; with ``hides_test`` the test part is then written without
    masks. ``holds``: what it can tell of a frame beside the mask.
    ``lists``: a file lists the frames, so it is believed before the folders. ``unlabelled``: it can tell a frame
    without a mask from one with an empty mask.
    """

    matches: Callable[[Path], bool]
    read: Callable[[Path], list[Record]]
    looks_like: str
    writer: Callable[..., Names] | None = None
    holds: frozenset[Fact] = frozenset()
    holds_split: bool = False
    hides_test: bool = False
    lists: bool = False
    unlabelled: bool = False

    def write(
        self,
        samples: Iterable[tuple[str, Sample]],
        classes: tuple[str, ...],
        folder: Path,
        folds: Folds | None = None,
    ) -> Names:
        """Write named samples, one after another, to the new ``folder``: all or nothing.

        ``names.csv`` is added where frames are called otherwise than before. Raises `InputError` where the folder is
        there and not empty, or where the layout cannot hold a sample.
        """
        if self.writer is None or (folds is not None and not self.holds_split):
            what = "frames" if self.writer is None else "a split"
            raise InputError(f"{folder}: this layout cannot be written with {what}; use another")
        for name in classes:
            if not name.isprintable() or name != name.strip() or not name:
                raise InputError(f"the class {name!r}: expected a name of printed characters; name it with --classes")
        writer = self.writer if folds is None else partial(self.writer, folds=folds)
        with new_folder(folder) as built:
            names: Names = writer(self._labelled(samples), classes, built)
            if not names.given:
                raise InputError(f"{folder}: no frames to write; expected at least one")
            names.write(built)
        return names

    def _labelled(self, samples: Iterable[tuple[str, Sample]]) -> Iterator[tuple[str, Sample]]:
        for name, sample in samples:
            if sample.labels is None and not self.unlabelled:
                raise InputError(
                    f"{name}: has no mask, and this layout cannot tell that from a frame without a nerve; leave it out"
                )
            yield name, sample


LAYOUTS = {
    "manifest": Layout(
        manifest.matches,
        manifest.read,
        "a manifest.csv with the columns image and mask",
        manifest.write,
        facts.ALL,
        lists=True,
    ),
    "videos": Layout(videos.matches, videos.read, "a folder videos/ beside video_boxes.csv or masks/"),
    "kaggle": Layout(
        kaggle.matches,
        kaggle.read,
        "SUBJECT_N.tif beside SUBJECT_N_mask.tif",
        kaggle.write,
        frozenset({"subject", "frame number"}),
        holds_split=True,
        hides_test=True,
    ),
    "folders": Layout(
        folders.matches,
        folders.read,
        "a folder images/ beside a folder masks/",
        folders.write,
        frozenset({"further classes"}),
    ),
    "coco": Layout(coco.matches, coco.read, "a JSON file of COCO's", coco.write, facts.ALL, lists=True),
    "labelme": Layout(
        labelme.matches, labelme.read, "LabelMe's JSON files beside the images", labelme.write, facts.ALL, lists=True
    ),
    "nnunet": Layout(
        nnunet.matches,
        nnunet.read,
        "nnU-Net's dataset.json beside imagesTr/ and labelsTr/",
        nnunet.write,
        frozenset({"further classes"}),
        holds_split=True,
        lists=True,
    ),
    "cvat": Layout(
        cvat.matches,
        cvat.read,
        "CVAT's annotations.xml beside images/",
        cvat.write,
        frozenset({"further classes"}),
        lists=True,
    ),
    "label-studio": Layout(
        label_studio.matches,
        label_studio.read,
        "Label Studio's JSON export with the images below",
        label_studio.write,
        facts.ALL,
        lists=True,
        unlabelled=True,
    ),
}


def find_layout(folder: Path, name: str | None = None) -> str:
    """Name the layout of ``folder``, or check the ``name`` given; raise `InputError` where none or two fit.

    A file that lists the frames, such as a manifest, is believed before the folders images/, videos/ and masks/.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; expected a data set")
    if name is not None:
        if name not in LAYOUTS:
            raise InputError(f"--layout {name}: unknown; expected one of {', '.join(LAYOUTS)}")
        return name
    fitting = [key for key, layout in LAYOUTS.items() if layout.matches(folder)]
    if any(LAYOUTS[key].lists for key in fitting):
        fitting = [key for key in fitting if key not in ("folders", "videos")]
    if not fitting:
        known = "; ".join(f"{layout.looks_like} ({key})" for key, layout in LAYOUTS.items())
        kind = "is empty" if not any(folder.iterdir()) else "holds no data set that is known"
        raise InputError(f"{folder}: {kind}; expected {known}")
    if len(fitting) > 1:
        raise InputError(f"{folder}: looks like {' and '.join(fitting)} at once; say which with --layout")
    return fitting[0]
