"""No name from inside a file leads out of the folder."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sononerve.errors import InputError
from sononerve.io.inside import path_inside

OUT = [
    *("/etc/passwd", "//host/a", "..", "../a", "a/../../b", "a/..", "..\\a", "a\\..\\b", "C:\\a", "C:a", "c:/a"),
    *("\\\\host\\share\\a", "\\a", "a\0b", "\0", "\ud800"),
]


@pytest.mark.parametrize("name", OUT)
def test_a_name_that_leads_out_is_refused(tmp_path, name):
    with pytest.raises(InputError, match=r"list: .*leaves the data set's folder; expected a path below it"):
        path_inside(tmp_path, name, "list")


@pytest.mark.parametrize("name", ["", ".", "./", "a" * 300 + ".png", "a/" * 3000 + "b"])
def test_a_name_that_is_none_is_refused(tmp_path, name):
    with pytest.raises(InputError, match="is no name of a file"):
        path_inside(tmp_path, name, "list")


@pytest.mark.parametrize("name", ["a.png", "a/b c.png", "a\\b.png", "./ä.png", "a..b/...png"])
def test_a_name_below_stays(tmp_path, name):
    path = path_inside(tmp_path, name, "list")
    assert path.relative_to(tmp_path).as_posix() == name.replace("\\", "/").removeprefix("./")


def test_links_that_lead_out_or_round_are_refused(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "out").symlink_to(tmp_path)
    (tmp_path / "in" / "round").symlink_to(tmp_path / "in" / "round")
    for name in ("out", "out/a.png", "round/a.png"):
        with pytest.raises(InputError, match="leaves"):
            path_inside(tmp_path / "in", name, "list")


@given(st.text(max_size=30))
def test_any_name_stays_or_is_refused(tmp_path_factory, name):
    folder = tmp_path_factory.getbasetemp()
    try:
        path = path_inside(folder, name, "list")
    except InputError as refused:
        assert "\n" not in str(refused)
        return
    assert path.resolve().is_relative_to(folder.resolve())
