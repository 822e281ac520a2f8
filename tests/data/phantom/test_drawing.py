"""What is drawn: exact masks and boxes at any size, and anatomy that looks as it is named."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sononerve.data import phantom
from sononerve.data.phantom import Blood, Needle, Nerve, PhantomConfig, Probe
from sononerve.data.phantom.canvas import stamp
from sononerve.data.phantom.scene import draw_anatomy, view_of

STILL = {"slide_mm": 0, "along_mm": 0, "rock_deg": 0, "pressure": 0, "contact": 0}


def ring(mask, pixels):
    return (cv2.dilate(mask.astype(np.uint8), np.ones((2 * pixels + 1,) * 2)) > 0) & ~mask


def decibels(envelope):
    return 20 * np.log10(envelope.clip(1e-6)).mean()


@given(
    radii=st.tuples(st.floats(0.8, 30), st.floats(0.8, 30)),
    centre=st.tuples(st.floats(-10, 50), st.floats(-10, 50)),
    shape=st.tuples(st.integers(8, 40), st.integers(8, 40)),
)
def test_a_pixel_is_in_the_mask_where_its_middle_is_in_the_outline(radii, centre, shape):
    angle = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    outline = np.c_[np.cos(angle), np.sin(angle)] * radii + centre
    labels = np.zeros(shape, np.uint8)
    stamp(labels, outline, 7)
    contour = outline.astype(np.float32)[:, None]
    for row in range(shape[0]):
        for column in range(shape[1]):
            inside = cv2.pointPolygonTest(contour, (float(column), float(row)), True)
            if abs(inside) > 0.4:  # OpenCV fills what a line touches, by a fraction of a quarter pixel
                assert (labels[row, column] == 7) == (inside > 0)


@pytest.mark.parametrize("subject", range(6))
def test_masks_are_the_same_shapes_at_any_size(subject):
    masks = []
    for size in (64, 128, 256, 512):
        config = PhantomConfig(subjects=6, frames=1, height=size, width=size, empty=0, seed=13)
        sample = phantom.frame(config, subject, 0)
        masks.append([(sample.labels == k).sum() * sample.frame.spacing_mm[0] ** 2 for k in (1, 2)])
    for area in np.array(masks).T:
        assert area[2:] == pytest.approx(area[-1], rel=0.05, abs=0.5)
        assert area[:2] == pytest.approx(area[-1], rel=0.2, abs=3.0)


def test_boxes_hold_the_nerves_and_nothing_else():
    config = PhantomConfig(subjects=8, frames=2, height=96, width=96, nerve=Nerve(more=0.7), seed=2)
    for sample in phantom.samples(config):
        nerve, covered = sample.labels == 1, np.zeros(sample.labels.shape, bool)
        for x, y, width, height in sample.boxes.astype(int):
            part = nerve[y : y + height, x : x + width]
            assert part.shape == (height, width)
            assert all(edge.any() for edge in (part[0], part[-1], part[:, 0], part[:, -1]))
            covered[y : y + height, x : x + width] = True
        assert not (nerve & ~covered).any()


def test_margins_are_black_and_without_labels():
    probe = Probe(fill=0, footprint_mm=(40, 40), depth_mm=(18, 18))
    sample = phantom.frame(PhantomConfig(subjects=1, frames=1, empty=0, probe=probe, height=200, width=200), 0, 0)
    rows = np.flatnonzero(sample.frame.pixels.any(axis=1))
    assert sample.frame.spacing_mm == (0.2, 0.2)
    assert rows[-1] - rows[0] + 1 == pytest.approx(90, abs=1)
    outside = np.ones(200, bool)
    outside[rows[0] : rows[-1] + 1] = False
    assert not sample.labels[outside].any()


def test_presence_is_not_told_by_brightness_or_by_vessels():
    config = PhantomConfig(subjects=30, frames=3, height=32, width=32, empty=0.5, seed=3)
    present, cues = [], []
    for sample in phantom.samples(config):
        pixels = sample.frame.pixels[sample.frame.pixels.any(axis=1)].astype(float)
        present.append((sample.labels == 1).any())
        cues.append((pixels.mean(), pixels.std(), np.percentile(pixels, 95), (pixels < 10).mean()))
    present = np.array(present)
    for cue in np.array(cues).T:
        above = (cue[present][:, None] > cue[~present][None]).mean()
        assert 0.33 < above < 0.67


def test_frames_without_a_nerve_have_vessels_too():
    config = PhantomConfig(subjects=12, frames=3, height=40, width=40, empty=0.5, seed=4)
    found = [((s.labels == 1).any(), (s.labels == 2).any()) for s in phantom.samples(config)]
    with_nerve, without = (np.mean([vessel for nerve, vessel in found if nerve == kind]) for kind in (True, False))
    assert without > 0.5 * with_nerve


def contrast(config, subject):
    """Envelope of the nerves over that around them, in dB."""
    found, canvas = phantom.echoes(config, subject, 0)
    nerve = canvas.labels == 1
    return decibels(found[nerve]) - decibels(found[ring(nerve, 10) & (canvas.labels == 0)])


def test_fascicles_are_darker_than_what_lies_between_them():
    nerve = Nerve(roots=0, fascicle=(0.4, 0.5), contrast_db=(10, 12))
    config = PhantomConfig(subjects=8, frames=1, empty=0, seed=3, nerve=nerve)
    darker = []
    for subject in range(8):
        found, canvas = phantom.echoes(config, subject, 0)
        inside, level = canvas.labels == 1, canvas.planes()[0]
        stroma = level > level[inside].max() - 4
        darker.append(decibels(found[inside & stroma]) - decibels(found[inside & ~stroma]))
    assert np.median(darker) > 2.5


def test_a_tilted_probe_darkens_the_nerve():
    straight, tilted = (
        PhantomConfig(
            subjects=8,
            frames=1,
            empty=0,
            seed=5,
            nerve=Nerve(roots=0),
            probe=Probe(tilt_deg=(degrees, degrees), **STILL),
        )
        for degrees in (0, 15)
    )
    assert np.median([contrast(straight, s) - contrast(tilted, s) for s in range(8)]) > 1.0


def test_roots_are_darker_than_what_is_around_them_and_honeycombs_are_not():
    roots, honeycombs = (
        PhantomConfig(subjects=8, frames=1, height=160, width=160, empty=0, seed=6, nerve=Nerve(roots=share))
        for share in (1, 0)
    )
    assert np.median([contrast(roots, s) for s in range(8)]) < -2
    assert np.median([contrast(honeycombs, s) for s in range(8)]) > 0


def test_pressure_flattens_veins_and_not_arteries():
    config = PhantomConfig(subjects=8, frames=1, blood=Blood(artery=1, vein=1))
    for subject in range(8):
        for vessel in draw_anatomy(config, subject).vessels:
            free, pressed = (np.ptp(vessel.at(p, 0.0, 5.0)[:, 1]) for p in (0.0, 0.1))
            assert pressed == pytest.approx(free * (0.5 if vessel.vein else 1.0))


def test_injected_fluid_surrounds_the_nerve():
    config = PhantomConfig(
        subjects=8, frames=1, empty=0, seed=7, needle=Needle(share=1, injectate=1), nerve=Nerve(roots=0, more=0)
    )
    dry = config.model_copy(update={"needle": Needle(share=1, injectate=0)})
    darker = []
    for subject in range(8):
        found, canvas = phantom.echoes(config, subject, 0)
        around = ring(canvas.labels == 1, 4) & (canvas.labels == 0)
        darker.append(decibels(found[around]) - decibels(phantom.echoes(dry, subject, 0)[0][around]))
    assert np.median(darker) < -2


def test_a_needle_is_seen_in_the_frame():
    with_needle, without = (
        PhantomConfig(
            subjects=6, frames=1, empty=0, seed=8, needle=Needle(share=share, injectate=0, angle_deg=(10, 20))
        )
        for share in (1, 0)
    )
    seen = []
    for subject in range(6):
        a, b = (phantom.echoes(c, subject, 0)[0] for c in (with_needle, without))
        seen.append((a > 3 * b).sum())
    assert np.median(seen) > 100


def test_the_probe_moves_smoothly_in_a_video():
    config = PhantomConfig(subjects=2, frames=200, height=64, width=64, empty=0.4, video=True, seed=9)
    for subject in range(2):
        anatomy = draw_anatomy(config, subject)
        poses = [view_of(config, anatomy, subject, 0, k).pose for k in range(200)]
        left, along = np.array([p.left for p in poses]), np.array([p.along for p in poses])
        assert np.abs(np.diff(left)).max() < 1.5  # mm from frame to frame
        assert np.abs(np.diff(along)).max() < 0.2
        assert np.ptp(left) > 1
