"""Frames of videos come exactly by number, whatever the order, from threads and after a fork; nothing else gets in."""

import os
import random
import shutil
import struct
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
from clips import CODECS, number_in, numbered, write_clip, write_numbered

from sononerve.errors import InputError
from sononerve.io import frames, video
from sononerve.io.header import Header

COUNT = 70  # several groups of pictures of mpeg4, whose key frames are 12 apart


@pytest.fixture(scope="module", params=CODECS)
def clip(request, tmp_path_factory):
    """One per container and codec."""
    return write_numbered(tmp_path_factory.mktemp("clips") / request.param, COUNT, CODECS[request.param])


@pytest.fixture
def mp4(tmp_path):
    return write_numbered(tmp_path / "clip.mp4", COUNT)


def test_the_header_tells_number_and_size_and_no_spacing(clip):
    assert frames.read_header(clip) == Header(COUNT, (32, 160), None)
    assert frames.count_frames(clip) == COUNT


def test_frames_come_by_number_in_any_order(clip):
    order = [*range(COUNT), *range(COUNT - 1, -1, -1), *random.Random(0).sample(range(COUNT), 30)]
    assert [number_in(frames.read_frame(clip, place).pixels) for place in order] == order


def test_a_frame_is_the_same_whichever_way_it_was_reached(clip):
    forwards = [frames.read_frame(clip, place).pixels for place in range(20)]
    frames.read_frame(clip, COUNT - 1)
    for place in (15, 3, 19):
        frames.read_frame(clip, 0)
        assert np.array_equal(frames.read_frame(clip, place).pixels, forwards[place])


def test_lossless_video_gives_the_gray_values_back(tmp_path):
    pixels = np.arange(256, dtype=np.uint8).reshape(16, 16).repeat(4, 0).repeat(4, 1)
    path = write_clip(tmp_path / "a.avi", [pixels, pixels[::-1]], "FFV1")
    assert np.array_equal(frames.read_frame(path, 0).pixels, pixels)
    assert np.array_equal(frames.read_frame(path, 1).pixels, pixels[::-1])


@pytest.mark.parametrize("fps", [25, 10, 30000 / 1001])
def test_time_is_the_frames_own(tmp_path, fps):
    path = write_numbered(tmp_path / "a.mp4", 40, fps=fps)
    for place in (0, 1, 39, 7):
        assert frames.read_frame(path, place).time_s == pytest.approx(place / fps, abs=2e-3)


def test_threads_that_ask_for_neighbours_get_their_own_frames(clip):
    order = list(range(COUNT)) * 3
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda place: number_in(frames.read_frame(clip, place).pixels), order))
    assert found == order


def test_frames_a_little_out_of_order_do_not_start_the_file_again(mp4, monkeypatch):
    opened = []
    real = video._open
    monkeypatch.setattr(video, "_open", lambda path: opened.append(path) or real(path))
    order = [first + place for first in range(0, COUNT, 7) for place in (3, 0, 6, 1, 5, 2, 4)]  # as threads ask
    assert [number_in(frames.read_frame(mp4, place).pixels) for place in order] == order
    assert len(opened) == 1


def test_a_child_process_reads_on_beside_its_parent(mp4):
    assert number_in(frames.read_frame(mp4, 20).pixels) == 20
    child = os.fork()
    if child == 0:
        found = [number_in(frames.read_frame(mp4, place).pixels) for place in (21, 40, 5)]
        os._exit(0 if found == [21, 40, 5] else 1)
    assert [number_in(frames.read_frame(mp4, place).pixels) for place in (21, 22, 69)] == [21, 22, 69]
    assert os.waitpid(child, 0)[1] == 0


def test_more_videos_than_are_kept_open_are_read(tmp_path):
    paths = [write_clip(tmp_path / f"{i}.mp4", [numbered(i), numbered(i + 100)]) for i in range(video.OPEN_READERS + 3)]
    for place in (0, 1):
        found = [number_in(frames.read_frame(path, place).pixels) for path in paths]
        assert found == [i + 100 * place for i in range(len(paths))]
    assert len(video._readers) == video.OPEN_READERS


def test_a_file_written_anew_is_read_anew(tmp_path):
    path = write_numbered(tmp_path / "a.mp4", 5)
    assert frames.read_header(path).frames == 5
    assert number_in(frames.read_frame(path, 3).pixels) == 3
    write_clip(path, [numbered(500 + i) for i in range(9)])
    assert frames.read_header(path).frames == 9
    assert number_in(frames.read_frame(path, 3).pixels) == 503


def test_what_is_kept_of_decoded_frames_is_bounded(tmp_path):
    path = write_clip(tmp_path / "a.mp4", [np.full((1200, 1600), i, np.uint8) for i in range(12)])
    frames.read_frame(path, 11)
    kept = video._reader(video.stamp(path)).kept
    assert list(kept) == list(range(11 - video.READERS, 12))  # threads that ask slightly out of order find theirs


def test_of_many_frames_it_must_be_said_which(mp4):
    with pytest.raises(InputError, match=r"clip.mp4: holds 70 frames; say which, from 0"):
        frames.read_frame(mp4)


@pytest.mark.parametrize("place", [70, 10**6])
def test_a_frame_behind_the_end_is_refused(mp4, place):
    with pytest.raises(InputError, match=rf"frame {place} cannot be decoded, the video ends .* after 70 frames"):
        frames.read_frame(mp4, place)
    assert number_in(frames.read_frame(mp4, 69).pixels) == 69


def test_a_negative_frame_is_refused(mp4):
    with pytest.raises(InputError, match="no frame -1"):
        frames.read_frame(mp4, -1)


def test_a_header_that_promises_too_much_is_believed_for_opening_and_no_further(tmp_path):
    path = write_numbered(tmp_path / "a.avi", 30, "MJPG")
    content = bytearray(path.read_bytes())
    at = content.index(b"strh") + 8 + 32  # dwLength
    assert struct.unpack("<I", content[at : at + 4]) == (30,)
    content[at : at + 4] = struct.pack("<I", 500)
    path.write_bytes(content)
    if frames.read_header(path).frames != 30:  # FFmpeg may count by the index instead
        with pytest.raises(InputError, match="after 30 frames"):
            frames.read_frame(path, 40)
    assert frames.count_frames(path) == 30


def test_a_video_cut_off_gives_what_it_has_and_then_one_sentence(tmp_path):
    path = write_numbered(tmp_path / "a.avi", COUNT, "MJPG")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    whole = frames.count_frames(path)
    assert 20 < whole < COUNT
    assert number_in(frames.read_frame(path, whole - 2).pixels) == whole - 2
    with pytest.raises(InputError, match="the video ends or is damaged after") as refused:
        frames.read_frame(path, whole + 1)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not a video at all, but longer than twelve bytes",
        b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nclip.mp4\n#EXT-X-ENDLIST\n",
        b"ffconcat version 1.0\nfile clip.mp4\n",
        b"\x89PNG\r\n\x1a\n" + bytes(100),
        b"RIFF\x00\x00\x00\x00WAVE" + bytes(50),
    ],
)
@pytest.mark.parametrize("name", ["a.mp4", "a.avi"])
def test_what_only_is_called_a_video_is_refused(mp4, name, content):
    path = mp4.with_name(name)
    path.write_bytes(content)
    for read in (frames.read_header, frames.count_frames, frames.read_frame, frames.read_labels):
        with pytest.raises(InputError, match=f"{name}: not a video, by its first bytes; expected MP4, MOV or AVI"):
            read(path)


def test_a_container_with_nothing_in_it_is_refused(tmp_path, capfd):
    (tmp_path / "a.mp4").write_bytes(struct.pack(">I", 20) + b"ftypisom" + bytes(2000))
    with pytest.raises(InputError, match=r"a.mp4: cannot be opened, the video is damaged or its codec unknown"):
        frames.read_frame(tmp_path / "a.mp4", 0)
    assert capfd.readouterr() == ("", "")


def test_a_video_of_too_many_pixels_is_refused_on_opening(tmp_path):
    path = write_clip(tmp_path / "a.avi", [np.zeros((7200, 7200), np.uint8)], "MJPG")
    for read in (frames.read_header, frames.read_frame):
        with pytest.raises(InputError, match=r"a.avi: 7200 x 7200 pixels; expected at most 50000000"):
            read(path)


def test_the_name_is_never_read_as_an_address(tmp_path, monkeypatch, mp4):
    monkeypatch.chdir(tmp_path)
    for name in ("concat:clip.mp4", "file:clip.mp4", "%03d.mp4", "a?b#c.mp4"):
        shutil.copy(mp4, tmp_path / name)
        assert number_in(frames.read_frame(Path(name), 9).pixels) == 9


def test_a_rotation_that_the_file_notes_is_applied_to_header_and_frame_alike(mp4):
    upright = frames.read_frame(mp4, 9).pixels
    content = bytearray(mp4.read_bytes())
    at = content.index(b"tkhd") + 44  # the track's matrix, version 0 of the box
    assert struct.unpack(">9i", content[at : at + 36]) == (65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30)
    content[at : at + 36] = struct.pack(">9i", 0, 65536, 0, -65536, 0, 0, 32 << 16, 0, 1 << 30)
    turned = mp4.with_name("turned.mp4")
    turned.write_bytes(content)
    assert frames.read_header(turned).size == (160, 32)
    assert np.array_equal(frames.read_frame(turned, 9).pixels, np.rot90(upright, -1))


def test_a_mask_video_is_yes_and_no_although_it_was_compressed(tmp_path):
    mask = np.zeros((64, 96), np.uint8)
    mask[20:41, 30:62] = 255
    path = write_clip(tmp_path / "a.mp4", [mask, np.zeros_like(mask), mask])
    for place, expected in ((0, mask), (1, np.zeros_like(mask)), (2, mask)):
        found = frames.read_labels(path, place)
        assert set(np.unique(found)) <= {0, 255}
        assert (found != expected).mean() < 0.01


@pytest.mark.parametrize("codec", ["FFV1", "MJPG", "XVID"])
def test_a_video_of_label_values_is_refused_and_an_empty_one_is_not(tmp_path, codec):
    labels = np.zeros((64, 96), np.uint8)
    labels[20:44, 30:62] = 2
    path = write_clip(tmp_path / "a.avi", [labels * 0, labels], codec)
    for place in (0, 1):
        with pytest.raises(InputError, match=r"a.avi: masks whose brightest value is \d+; expected black and white"):
            frames.read_labels(path, place)
    empty = write_clip(tmp_path / "b.avi", [labels * 0] * 2, codec)
    assert not frames.read_labels(empty, 1).any()


def test_frames_are_known_again_under_another_name(mp4):
    other = mp4.with_name("copy.mp4")
    shutil.copy(mp4, other)
    assert frames.frame_hash(mp4, 3) == frames.frame_hash(other, 3)
    assert len({frames.frame_hash(mp4, place) for place in range(5)}) == 5


def test_opening_decodes_no_frame(mp4, monkeypatch):
    monkeypatch.setattr(video, "_counted", lambda _: pytest.fail("counted by decoding"))
    monkeypatch.setattr(video, "_reader", lambda _: pytest.fail("decoded"))
    assert frames.read_header(mp4).frames == COUNT


# Real clips


def test_real_clips_agree_with_a_plain_pass(shared_data):
    for path in sorted((shared_data / "brachial-plexus" / "videos").iterdir())[:2]:
        capture, plain = cv2.VideoCapture(str(path)), []
        while (read := capture.read())[0]:
            plain.append(read[1])
        assert len(plain) == frames.read_header(path).frames == frames.count_frames(path)
        for place in (len(plain) - 9, 7, 8, len(plain) // 2, 0, len(plain) - 1):
            blue, green, red = (plain[place][..., i].astype(int) for i in range(3))
            expected = np.where(
                (blue == green) & (blue == red), blue, (299 * red + 587 * green + 114 * blue + 500) // 1000
            )
            assert np.array_equal(frames.read_frame(path, place).pixels, expected)


def test_labelled_frames_of_real_clips_are_those_that_were_exported(shared_data):
    """The exported JPEG is closer to the frame of its number than to both neighbours."""
    folder = shared_data / "brachial-plexus"
    exported = sorted(folder.glob("images/*_8018_*.jpg"))
    assert exported
    for picture in exported:
        place = int(picture.stem.rsplit("_", 1)[1])
        pixels = frames.read_frame(picture).pixels.astype(int)
        near = {
            p: np.abs(frames.read_frame(folder / "videos/8018.mp4", p).pixels - pixels).mean()
            for p in range(max(0, place - 1), place + 2)
        }
        assert min(near, key=lambda p: near[p]) == place
