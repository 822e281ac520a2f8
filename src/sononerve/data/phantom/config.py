"""What can be asked of the phantom: how many frames of what size, and every knob of what is in them."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field, ValidationError

from ...errors import InputError
from ...settings import first_fault, merge, merge_settings
from .knobs import Knobs, Range, knob

SHARE = "share"
OPTIONS = {"height": "--size", "width": "--size"} | {
    name: f"--{name}" for name in ("subjects", "videos", "frames", "empty", "seed", "machines")
}


class Tissue(Knobs):
    """The layers from the skin down, and what lies in them beside nerves and vessels."""

    skin_mm: Range = knob((0.8, 1.8), 0.2, 5, "mm", "Thickness of the skin.")
    fat_mm: Range = knob((2.0, 11.0), 0.5, 30, "mm", "Thickness of the fat between skin and muscle.")
    muscle_mm: Range = knob((6.0, 16.0), 2, 50, "mm", "Thickness of the upper layer of muscle.")
    septa: Range = knob((2.0, 8.0), 0, 20, "per cm", "Bright sheets in the fat, per cm of width and 5 mm of depth.")
    fibres: Range = knob((5.0, 60.0), 0, 100, "per cm²", "Bright fibre streaks in a muscle.")
    fascia: Range = knob((0.25, 0.9), 0, 1, SHARE, "Brightness of the sheets between layers, of the brightest echo.")
    bend_mm: Range = knob((0.3, 1.4), 0, 4, "mm", "How far layers bend up and down.")
    bone: float = knob(0.3, 0, 1, SHARE, "How many subjects have a bone in view, with its shadow.")
    decoys: float = knob(2.0, 0, 10, "per view", "Bright knots, tendons, dark bundles and lymph nodes.")


class Nerve(Knobs):
    """The nerves of a subject: where they lie, what they look like in cross-section."""

    depth_mm: Range = knob((5.0, 18.0), 2, 50, "mm", "Depth of the middle of the nerve.")
    width_mm: Range = knob((5.0, 20.0), 1, 30, "mm", "Width of the nerve; small ones are as frequent as large ones.")
    flatness: Range = knob((1.1, 2.6), 1, 6, "ratio", "Width over height.")
    lean_deg: Range = knob((-25.0, 25.0), -60, 60, "degrees", "How far the long axis leans out of the horizontal.")
    fascicle: Range = knob((0.18, 0.55), 0.08, 0.8, "ratio", "Height of the largest fascicle over that of the nerve.")
    contrast_db: Range = knob((8.0, 18.0), 0, 30, "dB", "How much darker fascicles are than what lies between them.")
    bright_db: Range = knob((1.0, 11.0), -15, 15, "dB", "Echo of the nerve over that of the tissue around it.")
    rim: Range = knob((0.15, 0.6), 0, 1, SHARE, "Brightness of the epineurium, of the brightest echo.")
    more: float = knob(0.35, 0, 1, SHARE, "How many subjects have two or three nerves side by side.")
    roots: float = knob(0.15, 0, 1, SHARE, "How many subjects have dark roots without a honeycomb in their place.")


class Blood(Knobs):
    """Arteries and veins: dark, round, brighter tissue behind."""

    artery: float = knob(0.85, 0, 1, SHARE, "How many groups of nerves have an artery beside them.")
    vein: float = knob(0.5, 0, 1, SHARE, "How many of the arteries have a vein beside them.")
    radius_mm: Range = knob((1.8, 7.0), 0.3, 12, "mm", "Radius of an artery.")
    wall: Range = knob((0.05, 0.4), 0, 1, SHARE, "Brightness of a vessel's wall, of the brightest echo.")
    pulse: float = knob(0.04, 0, 0.3, SHARE, "How much an artery's radius swells at a heartbeat.")
    softness: float = knob(5.0, 0, 10, "ratio", "How much more a vein gives way to pressure than tissue does.")


class Needle(Knobs):
    """A needle that comes in from the side towards the nerve, and what is injected."""

    share: float = knob(0.08, 0, 1, SHARE, "How many videos show a needle.")
    angle_deg: Range = knob((12.0, 45.0), 3, 75, "degrees", "Its angle to the skin.")
    brightness: Range = knob((0.4, 1.0), 0, 1, SHARE, "Its echo, of the brightest echo.")
    reverberation: float = knob(0.5, 0, 0.9, "ratio", "Each echo below the needle over the one above it.")
    injectate: float = knob(0.6, 0, 1, SHARE, "How many needles have injected, so that the nerve lies in dark fluid.")
    spread_mm: Range = knob((0.6, 2.5), 0.1, 8, "mm", "How far the fluid spreads around the nerve.")


class Probe(Knobs):
    """A linear probe and the hand that moves it."""

    footprint_mm: Range = knob((28.0, 48.0), 10, 80, "mm", "Width of the probe, and of what it sees.")
    depth_mm: Range = knob((16.0, 48.0), 8, 120, "mm", "The depth setting, where it does not fill the frame.")
    fill: float = knob(0.5, 0, 1, SHARE, "How many subjects have a depth that fills the frame; others get margins.")
    place: Range = knob((0.3, 0.7), 0, 1, SHARE, "Where across the view the nerve lies in the middle of a video.")
    slide_mm: float = knob(3.0, 0, 20, "mm", "How far the probe slides across the nerve while it is in view.")
    along_mm: float = knob(8.0, 0, 60, "mm", "How far it slides along the nerve: other tissue, other speckle.")
    tilt_deg: Range = knob((0.0, 7.0), 0, 45, "degrees", "Largest tilt off a right angle; nerve and tendon darken.")
    rock_deg: float = knob(2.0, 0, 15, "degrees", "How far the probe rocks in the plane of the image.")
    pressure: float = knob(0.05, 0, 0.3, SHARE, "How much depth the probe's pressure takes away and gives back.")
    contact: float = knob(0.12, 0, 1, SHARE, "How many videos have a side of the probe off the skin.")
    sweep_s: float = knob(27.5, 2, 600, "s", "How long it takes the probe to slide over the nerve, off and back.")
    fps: float = knob(25.0, 1, 120, "1/s", "Frames a second of a video.")


class Echo(Knobs):
    """How sound makes a picture of the tissue, before the machine turns it into grey."""

    axial_mm: Range = knob((0.05, 0.09), 0.02, 0.6, "mm", "Length of the pulse, as a standard deviation.")
    lateral_mm: Range = knob((0.09, 0.2), 0.03, 2, "mm", "Width of the beam at its focus, as a standard deviation.")
    focus: Range = knob((0.25, 0.7), 0, 1, SHARE, "Where in the depth the focus lies.")
    waist_mm: Range = knob((8.0, 20.0), 2, 100, "mm", "How far from the focus the beam is 1.4 times as wide.")
    loss_db_mm: Range = knob((0.7, 1.3), 0, 4, "dB/mm", "What tissue takes of an echo per mm of depth, both ways.")
    repaid: Range = knob((0.5, 0.95), 0, 1.5, SHARE, "How much of that the machine's gain over depth gives back.")
    noise_db: Range = knob((-94.0, -70.0), -120, 0, "dB", "Electronic noise at the skin, under the brightest echo.")
    looks: int = knob(1, 1, 9, "", "Independent speckle patterns averaged, as in compounding; 1 is full speckle.")
    clouds_db: Range = knob((1.5, 3.0), 0, 10, "dB", "How much the tissue's echo varies over a millimetre or two.")


class Look(Knobs):
    """What a machine makes of the envelope: its grey scale, its filters, its faults."""

    range_db: Range = knob((56.0, 80.0), 20, 120, "dB", "From black to white.")
    gain_db: Range = knob((-8.0, 1.0), -40, 40, "dB", "Overall gain.")
    sliders_db: float = knob(1.5, 0, 15, "dB", "How unevenly the sliders of the gain over depth are set.")
    gamma: Range = knob((1.1, 1.9), 0.3, 4, "", "Bend of the grey map: above 1 dark tissue is darker.")
    smoothing: Range = knob((0.6, 1.0), 0, 1, SHARE, "Speckle reduction of the grey image; 0 leaves Rayleigh's.")
    sharpening: Range = knob((0.0, 0.8), 0, 3, SHARE, "Edge enhancement.")
    dropout: float = knob(0.05, 0, 1, SHARE, "How many machines have dead elements: dark columns.")


class PhantomConfig(Knobs):
    """How many subjects, videos and frames, how large, and what is in them.

    ``empty``: the share of frames without a nerve. ``vessels``: whether vessels are labelled. ``video``: frames follow
    each other in time at `Probe.fps`, else they are spread over the sweep. ``machines``: how many looks there are in
    all; 0 is one for each subject. The rest are groups of knobs: ``PhantomConfig(needle=Needle(share=1))``.
    """

    subjects: int = knob(6, 1, 100_000, "", "How many people.")
    videos: int = knob(1, 1, 1_000, "", "Videos of each subject.")
    frames: int = knob(12, 1, 100_000, "", "Frames of each video.")
    height: int = knob(256, 32, 2048, "pixels", "Height of a frame.")
    width: int = knob(256, 32, 2048, "pixels", "Width of a frame.")
    empty: float = knob(0.2, 0, 1, SHARE, "Frames without a nerve.")
    vessels: bool = Field(True, description="Label vessels as class 2.")
    video: bool = Field(False, description="Frames follow each other in time.")
    machines: int = knob(0, 0, 100_000, "", "How many machines; 0 is one for each subject.")
    seed: int = knob(0, 0, 2**32 - 1, "", "Same seed, same frames.")
    tissue: Tissue = Tissue()
    nerve: Nerve = Nerve()
    blood: Blood = Blood()
    needle: Needle = Needle()
    probe: Probe = Probe()
    echo: Echo = Echo()
    look: Look = Look()

    @property
    def total(self) -> int:
        """How many frames there are in all."""
        return self.subjects * self.videos * self.frames


def configured(told: Mapping[str, object], settings: Mapping[str, object]) -> PhantomConfig:
    """The defaults with what was ``told``, then with ``settings`` by dotted field; `InputError` names a wrong one.

    >>> configured({"subjects": 3}, {"needle.share": 1}).needle.share
    1.0
    """
    values: dict[str, object] = {}
    merge(values, told)
    merge_settings(values, settings)
    try:
        return PhantomConfig.model_validate(values)
    except ValidationError as error:
        raise InputError(f"phantom settings: {first_fault(error, OPTIONS)}") from error
