"""What a machine burned into a frame is found, and tissue is not taken for it."""

import tracemalloc

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from sononerve.data.audit.overlay import find_overlays
from sononerve.data.phantom import PhantomConfig, frame
from sononerve.io.images import read_frame, read_stored

WHITE, YELLOW, GREEN, GREY = (255, 255, 255), (255, 255, 30), (40, 255, 60), (170, 170, 170)


def tissue(height=300, width=400, seed=0):
    """Speckle as wide as an ultrasound beam's, RGB."""
    rng = np.random.default_rng(seed)
    echoes = cv2.GaussianBlur(rng.normal(size=(height, width)), (0, 0), sigmaX=4, sigmaY=1.2)
    gray = np.clip(70 + 30 * echoes / echoes.std(), 0, 255).astype(np.uint8)
    return np.repeat(gray[..., None], 3, axis=-1)


def write(pixels, words, at, size, colour):
    """The same pixels with words in the font that comes with Pillow."""
    image = Image.fromarray(pixels)
    ImageDraw.Draw(image).text(at, words, fill=colour, font=ImageFont.load_default(size))
    return np.array(image)


def cross(pixels, middle, arm, colour, turned=False, thick=1):
    """Draw a + or an x."""
    x, y = middle
    ends = [((-arm, 0), (arm, 0)), ((0, -arm), (0, arm))]
    if turned:
        ends = [((-arm, -arm), (arm, arm)), ((-arm, arm), (arm, -arm))]
    for (a, b), (c, d) in ends:
        cv2.line(pixels, (x + a, y + b), (x + c, y + d), colour, thick)


def contains(box, point):
    x, y, width, height = box
    return x <= point[0] <= x + width and y <= point[1] <= y + height


@pytest.mark.parametrize("seed", range(5))
def test_speckle_is_nothing_that_a_machine_drew(seed):
    found = find_overlays(tissue(seed=seed))
    assert (found.text, found.callipers, found.doppler) == ((), (), None)


@pytest.mark.parametrize("subject", range(6))
def test_the_phantom_is_nothing_that_a_machine_drew(subject):
    found = find_overlays(frame(PhantomConfig(subjects=6, frames=1, height=420, width=580), subject, 0).frame.pixels)
    assert (found.text, found.callipers, found.doppler) == ((), (), None)


@pytest.mark.parametrize("size", [10, 14, 20, 32])
@pytest.mark.parametrize("colour", [WHITE, YELLOW, GREY])
@pytest.mark.parametrize("where", ["tissue", "border"])
def test_a_name_is_found_where_it_stands(size, colour, where):
    pixels = tissue()
    pixels[:60] = 0
    top = 10 if where == "border" else 150
    found = find_overlays(write(pixels, "SMITH JOHN 1962", (40, top), size, colour))
    assert any(contains(box, (40 + 4 * size, top + 0.65 * size)) for box in found.text)
    assert all(top <= y + height / 2 <= top + 1.3 * size for _, y, _, height in found.text)
    assert found.callipers == ()
    assert found.doppler is None


def test_a_name_is_found_in_a_gray_frame_and_after_jpeg(tmp_path):
    pixels = write(tissue(), "Meier, Anna", (60, 120), 16, WHITE)
    Image.fromarray(pixels).save(tmp_path / "a.jpg", quality=60)
    assert find_overlays(read_frame(tmp_path / "a.jpg").pixels).text
    assert find_overlays(read_stored(tmp_path / "a.jpg")).text


def test_yellow_text_is_found_on_tissue_as_bright():
    pixels = np.full((200, 300, 3), 235, np.uint8)
    assert find_overlays(write(pixels, "NERVE 1", (60, 90), 18, YELLOW)).text


@pytest.mark.parametrize("arm", [3, 5, 8, 12])
@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("colour", [WHITE, GREEN])
def test_callipers_are_found_and_are_no_text(arm, turned, colour):
    pixels = tissue()
    places = [(80, 200), (250, 120)]
    for place in places:
        cross(pixels, place, arm, colour, turned)
    found = find_overlays(pixels)
    middles = sorted((x + width / 2, y + height / 2) for x, y, width, height in found.callipers)
    assert len(middles) == 2
    assert np.allclose(middles, places, atol=2)
    assert found.text == ()


def test_the_dotted_line_between_two_marks_is_found():
    pixels = tissue()
    for place in [(80, 200), (280, 200)]:
        cross(pixels, place, 6, YELLOW)
    without = find_overlays(pixels).callipers
    pixels[200, 92:270:5] = YELLOW
    line = set(find_overlays(pixels).callipers) - set(without)
    assert len(line) == 1
    assert line.pop()[2] == pytest.approx(200, abs=4)


def test_a_bright_spot_and_crossing_fascia_are_no_marks():
    pixels = tissue()
    cv2.circle(pixels, (100, 100), 4, WHITE, -1)
    cv2.line(pixels, (0, 220), (399, 180), WHITE, 2)
    cv2.line(pixels, (0, 180), (399, 220), WHITE, 2)
    cv2.line(pixels, (280, 0), (280, 299), WHITE, 2)
    assert find_overlays(cv2.GaussianBlur(pixels, (0, 0), 1.5)).callipers == ()


@pytest.mark.parametrize("colour", [(220, 40, 20), (30, 60, 230), (240, 140, 10)])
@pytest.mark.parametrize("radius", [12, 60])
def test_the_box_of_flow_is_the_box_of_its_colours(colour, radius):
    pixels = tissue()
    cv2.circle(pixels, (200, 150), radius, colour, -1)
    x, y, width, height = find_overlays(pixels).doppler
    assert np.allclose((x, y, width, height), (200 - radius, 150 - radius, 2 * radius, 2 * radius), atol=4)


def test_the_tint_of_a_grey_map_is_no_flow():
    gray = tissue()[..., 0].astype(float)
    for tint in [(1.0, 0.85, 0.6), (0.8, 0.9, 1.0), (1.0, 0.7, 0.4)]:
        pixels = (gray[..., None] * tint).astype(np.uint8)
        assert find_overlays(pixels).doppler is None


def test_a_screen_of_noise_takes_no_more_memory_than_a_frame_with_text():
    noise = np.random.default_rng(0).integers(0, 256, (1080, 1920), np.uint8)
    tracemalloc.start()
    find_overlays(noise)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 500e6


def test_gray_and_equal_channels_give_the_same():
    pixels = write(tissue(), "L12-4", (60, 120), 16, WHITE)
    assert find_overlays(pixels) == find_overlays(pixels[..., 0])


@pytest.mark.parametrize("size", [(1, 1), (5, 7), (40, 3), (30, 30)])
def test_a_tiny_frame_holds_nothing(size):
    assert find_overlays(np.zeros((*size, 3), np.uint8)).text == ()
    assert find_overlays(np.full(size, 200, np.uint8)).callipers == ()


def test_real_frames_are_nearly_free_of_alarms(shared_data):
    files = sorted((shared_data / "usgra-seg" / "images").glob("*.png"))[1::6]
    files += sorted((shared_data / "brachial-plexus" / "images").glob("*.jpg"))[1::30]
    found = [find_overlays(read_stored(file)) for file in files]
    assert sum(bool(one.text or one.callipers) for one in found) <= 0.05 * len(files)
    assert not any(one.doppler for one in found)
