"""The picture of what augmentation does."""

import io

import numpy as np
from PIL import Image

from sononerve.data.augment import Augment
from sononerve.data.augment.picture import augment_picture
from sononerve.frame import Frame, Sample


def test_the_picture_is_a_png_with_the_frame_and_its_outlines_in_colour():
    y, x = np.indices((48, 64))
    pixels = (120 + 60 * np.sin(x / 5) + 50 * np.cos(y / 7)).astype(np.uint8)
    sample = Sample(Frame(pixels), (pixels > 180).astype(np.uint8))
    drawn = augment_picture(sample, Augment(), 0, "a.png")
    image = np.asarray(Image.open(io.BytesIO(drawn)).convert("RGB")).astype(int)
    assert min(image.shape[:2]) > 500
    assert (np.ptp(image, axis=2) > 60).sum() > 500  # outlines in colour
