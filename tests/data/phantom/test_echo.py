"""Sound: fully developed speckle, what moves with the tissue, shadow and enhancement."""

import cv2
import numpy as np
import pytest

from sononerve.data import phantom
from sononerve.data.phantom import Echo, Look, PhantomConfig, Probe, Tissue
from sononerve.data.phantom.echo import Beam, Sound, envelope, moving_scatterers, through_beam
from sononerve.data.phantom.scene import draw_anatomy, view_of

BEAM = Beam(axial=0.08, lateral=0.16, focus=15.0, waist=10.0)
PLAIN = PhantomConfig(
    subjects=8,
    frames=1,
    height=512,
    width=512,
    seed=2,
    empty=1.0,
    tissue=Tissue(septa=0, fibres=0, bone=0, decoys=0, fascia=0),
    echo=Echo(clouds_db=0, noise_db=-120),
    probe=Probe(contact=0),
)
STILL = Probe(slide_mm=0, along_mm=0, tilt_deg=0, rock_deg=0, pressure=0, contact=0)


def points(rows, columns, spacing):
    """Pixel middles in mm, in tissue that is bent and pressed."""
    y, x = np.mgrid[:rows, :columns].astype(np.float32) * spacing
    return np.stack((x + 0.4 * np.sin(y / 3), 1.04 * y + 0.3 * np.cos(x / 4)), axis=-1).astype(np.float32)


@pytest.mark.parametrize("spacing", [0.06, 0.09, 0.15])
@pytest.mark.parametrize("along", [0.0, 0.3, 5.7])
def test_homogeneous_tissue_has_fully_developed_speckle(spacing, along):
    shape = (400, 512)
    noise = moving_scatterers((1, 2), points(*shape, spacing), spacing, along)
    sound = Sound(BEAM, loss=1.0, repaid=1.0, noise_db=-120, clouds_db=0, looks=1)
    level, loss, shine = np.full(shape, -30.0, np.float32), np.ones(shape, np.float32), np.zeros(shape, np.float32)
    found = envelope(level, loss, shine, [noise], np.random.default_rng(0), spacing, sound)
    ratios = [part.mean() / part.std() for part in np.array_split(found[20:-20], 4)]
    assert np.mean(ratios) == pytest.approx(1.91, abs=0.06)
    assert ratios == pytest.approx([1.91] * 4, abs=0.15)


def test_a_frame_of_plain_tissue_has_fully_developed_speckle():
    # from the public function, with nothing in the tissue that is larger than a scatterer
    ratios = []
    for subject in range(8):
        found, canvas = phantom.echoes(PLAIN, subject, 0)
        kinds, counts = np.unique(canvas.tissue, return_counts=True)
        inside = canvas.tissue == kinds[counts.argmax()]  # the largest patch, away from its edges
        inside = cv2.erode(inside.astype(np.uint8), np.ones((31, 31)), borderValue=0) > 0
        if inside.sum() < 5000:
            continue
        smooth = cv2.GaussianBlur(np.where(inside, found, 0), (0, 0), 25) / cv2.GaussianBlur(
            inside.astype(np.float32), (0, 0), 25
        ).clip(1e-6)
        values = (found / smooth.clip(1e-9))[inside]
        ratios.append(values.mean() / values.std())
    assert len(ratios) >= 3
    assert np.mean(ratios) == pytest.approx(1.9, abs=0.1)


def test_more_looks_are_weaker_speckle():
    echo = {"clouds_db": (0, 0), "noise_db": (-120, -120)}
    one, four = (
        phantom.echoes(PLAIN.model_copy(update={"echo": Echo(looks=n, **echo)}), 1, 0)[0][100:400] for n in (1, 4)
    )
    detail = [np.log(e + 1e-5) - cv2.GaussianBlur(np.log(e + 1e-5), (0, 0), 3) for e in (one, four)]
    assert detail[1].std() < 0.75 * detail[0].std()


def test_the_beam_is_narrowest_at_its_focus():
    noise = moving_scatterers((3,), points(400, 400, 0.08), 0.08, 0.0)
    echoes = through_beam(noise, 0.08, BEAM)

    def width(rows):
        part = echoes[rows, :, 0]
        return (part[:, 4:] * part[:, :-4]).mean() / (part**2).mean()

    focus = int(15.0 / 0.08)
    assert width(slice(0, 40)) > width(slice(focus - 20, focus + 20)) + 0.1


def test_speckle_moves_with_the_tissue():
    slide = Probe(slide_mm=20, along_mm=0, tilt_deg=0, rock_deg=0, pressure=0, contact=0, sweep_s=20)
    look = Look(smoothing=0, sharpening=0)
    config = PhantomConfig(
        subjects=3, frames=9, height=256, width=256, empty=0, video=True, probe=slide, look=look, seed=4
    )
    for subject in range(3):
        first, later = (phantom.echoes(config, subject, k)[0] for k in (0, 8))
        anatomy = draw_anatomy(config, subject)
        a, b = (view_of(config, anatomy, subject, 0, k) for k in (0, 8))
        moved = (b.pose.left - a.pose.left) / a.spacing
        logs = [np.log(e[20:] + 1e-4) for e in (first, later)]
        shift = cv2.warpAffine(
            logs[1], np.array([[1, 0, moved], [0, 1, 0]]), logs[1].shape[::-1], flags=cv2.INTER_CUBIC
        )
        inner = slice(None), slice(40, -40)
        followed, stayed = (np.corrcoef(e[inner].ravel(), logs[0][inner].ravel())[0, 1] for e in (shift, logs[1]))
        assert followed > 0.75
        assert followed > stayed + 0.1


def test_speckle_changes_as_the_probe_slides_along_the_nerve():
    at = points(200, 200, 0.1)
    planes = [moving_scatterers((5,), at, 0.1, z).ravel() for z in (0.0, 0.05, 0.4, 3.0)]
    alike = [np.corrcoef(planes[0], plane)[0, 1] for plane in planes[1:]]
    assert alike[0] > 0.95
    assert alike[0] > alike[1] > 0.3
    assert abs(alike[2]) < 0.1


def test_tissue_behind_vessels_is_brighter():
    def echoes(radius):
        blood = phantom.Blood(artery=1, vein=0, radius_mm=radius)
        size = {"height": 160, "width": 160}
        config = PhantomConfig(subjects=12, frames=1, empty=0, seed=6, blood=blood, probe=STILL, **size)
        return [phantom.echoes(config, subject, 0) for subject in range(12)]

    gains = []
    for (large, canvas), (small, _) in zip(echoes(3.0), echoes(0.3), strict=True):
        rows, columns = np.nonzero(canvas.labels == 2)
        if not len(rows):
            continue
        left, right = np.percentile(columns, [30, 70]).astype(int)
        behind = slice(rows.max() + 4, rows.max() + 25), slice(left, right)
        if large[behind].size > 40:
            gains.append(20 * np.log10(large[behind].mean() / small[behind].mean()))
    assert len(gains) > 5
    assert np.median(gains) > 2


def test_bone_casts_a_shadow():
    base = {
        "subjects": 10,
        "frames": 1,
        "height": 144,
        "width": 144,
        "empty": 0,
        "seed": 9,
        "echo": Echo(noise_db=-110),
        "probe": STILL,
    }
    clear, bony = (PhantomConfig(tissue=Tissue(bone=share), **base) for share in (0, 1))
    darker = []
    for subject in range(10):
        found, canvas = phantom.echoes(bony, subject, 0)
        bone = [k for k, region in enumerate(canvas.regions) if region.loss > 5]
        deep = np.isin(canvas.tissue, bone)
        deep[: -len(deep) // 8] = False  # what lies lowest has the longest shadow above it
        if deep.sum() > 60:
            darker.append(20 * np.log10(found[deep].mean() / phantom.echoes(clear, subject, 0)[0][deep].mean()))
    assert len(darker) >= 3
    assert np.median(darker) < -12
