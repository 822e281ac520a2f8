"""What every layout that names files inside of a file must refuse, and how a test damages a file."""

from sononerve.data.dataset import load_dataset
from sononerve.errors import InputError

OUTSIDE = [
    "/etc/passwd",
    "../secret.png",
    "images/../../secret.png",
    "..\\secret.png",
    "C:\\scans\\a.png",
    "\\\\host\\a.png",
    "link/secret.png",
    "a\0.png",
]
"""Names that lead out of a folder in which ``link`` is a link to its parent."""


def surround(data):
    """Put a frame beside the folder of the data set, and a link that leads to it."""
    data.path.joinpath("link").symlink_to(data.path.parent)
    data.path.joinpath("images").mkdir(exist_ok=True)
    data.path.joinpath("images", "link").symlink_to(data.path.parent)
    data.image("../secret.png")


def refused(folder, layout=None, classes=None):
    """The sentence with which a data set is refused."""
    try:
        load_dataset(folder, layout, classes)
    except InputError as error:
        assert "\n" not in str(error)
        return str(error)
    raise AssertionError("was read")


def read_or_refused(folder, layout):
    """Whether it is read; fails with any other error than the one that is meant for users."""
    try:
        load_dataset(folder, layout)
    except InputError as error:
        assert str(folder) in str(error) or "images/" in str(error)
        return False
    return True


def damaged(content, rng):
    """``content``, some of its bytes changed, taken out or doubled."""
    spoilt = bytearray(content)
    for _ in range(rng.randint(1, 6)):
        place = rng.randrange(len(spoilt))
        what = rng.randrange(4)
        if what == 0:
            spoilt[place] = rng.randrange(256)
        elif what == 1:
            del spoilt[place : place + rng.randint(1, 20)]
        elif what == 2:
            spoilt[place:place] = spoilt[place : place + rng.randint(1, 40)]
        else:
            spoilt[place : place + 1] = rng.choice(
                [b"-1", b"1e400", b"99999999999", b"null", b"[]", b'"', b"NaN", b"{"]
            )
        if not spoilt:
            spoilt = bytearray(b"0")
    return bytes(spoilt)
