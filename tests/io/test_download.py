"""Downloads: only over https, only what was meant, never half of it, and no secret in a message."""

import hashlib
import urllib.request

import pytest

from sononerve.errors import InputError
from sononerve.io.download import _SafeRedirects, download, fetch_page, shown

BODY = b"weights" * 1000
SHA256 = hashlib.sha256(BODY).hexdigest()


def test_an_address_with_other_letters_is_asked_for_in_ascii(web, tmp_path):
    web.put("/f%C3%BCr%20a.bin?x=%C3%A4&y=1", BODY)
    download(f"{web.address}/für a.bin?x=ä&y=1", tmp_path / "a.bin", SHA256, 10_000)
    assert (tmp_path / "a.bin").read_bytes() == BODY


def test_a_file_comes_whole_and_its_sha256_is_told(web, tmp_path):
    seen = []
    address = web.put("/a.bin", BODY)
    found = download(address, tmp_path / "new" / "a.bin", SHA256.upper(), 10_000, lambda *sizes: seen.append(sizes))
    assert (tmp_path / "new" / "a.bin").read_bytes() == BODY
    assert found == SHA256
    assert seen[-1] == (7000, 7000)


@pytest.mark.parametrize(
    ("page", "fault"),
    [
        ({"body": BODY + b"!"}, "SHA-256 is"),
        ({"body": BODY * 2}, "14000 bytes or more; expected at most 10000"),
        ({"body": BODY * 2, "Content_Length": None}, "expected at most 10000"),
        ({"body": BODY[:50], "Content_Length": "7000"}, "ended after 50 of 7000 bytes"),
        ({"status": 404}, "the server says 404"),
        ({"status": 302, "Location": "http://example.org/a.bin"}, "expected an address with https://"),
        ({"status": 302, "Location": "ftp://127.0.0.1/a.bin"}, "expected an address with https://"),
        ({"status": 302, "Location": "file:///etc/passwd"}, "is not allowed"),
        ({"status": 302, "Location": "/a.bin"}, "infinite loop"),
    ],
)
def test_what_is_not_as_it_should_be_leaves_the_old_file(web, tmp_path, page, fault):
    target = tmp_path / "a.bin"
    target.write_text("mine")
    address = web.put("/a.bin", **page)
    with pytest.raises(InputError, match=fault):
        download(address, target, SHA256, 10_000)
    assert [path.name for path in tmp_path.iterdir()] == ["a.bin"]
    assert target.read_text() == "mine"


@pytest.mark.parametrize(
    "address", ["http://example.org/a", "ftp://example.org/a", "file:///etc/passwd", "https://", "https://[::1/a"]
)
def test_other_addresses_are_refused_before_anything_is_sent(tmp_path, address):
    with pytest.raises(InputError, match="expected"):
        download(address, tmp_path / "a", None, 100)
    assert not list(tmp_path.iterdir())


def test_a_server_that_is_not_there_says_what_to_do(web, tmp_path):
    web.server.server_close()
    with pytest.raises(InputError, match=r"cannot be reached .*--from FILE"):
        download(f"{web.address}/a", tmp_path / "a", None, 100)


def test_a_password_goes_to_the_server_and_into_no_message(web, tmp_path):
    web.put("/a", b"yes")
    address = web.address.replace("//", "//me:s%40cret@")
    download(f"{address}/a", tmp_path / "a", None, 100)
    assert web.asked["/a"]["Authorization"] == "Basic bWU6c0BjcmV0"
    with pytest.raises(InputError) as refused:
        download(f"{address}/b?token=s3cret", tmp_path / "b", None, 100)
    assert "cret" not in str(refused.value)
    assert shown("https://me:word@example.org/b?token=1#x") == "https://example.org/b"


def test_a_password_does_not_follow_a_redirect(web, tmp_path):
    web.put("/a", status=302, Location="/b")
    web.put("/b", b"yes")
    download(web.address.replace("//", "//me:word@") + "/a", tmp_path / "a", None, 100)
    assert "Authorization" in web.asked["/a"]
    assert "Authorization" not in web.asked["/b"]


def test_another_server_does_not_send_one_to_this_machine():
    asked = urllib.request.Request("https://example.org/a")
    with pytest.raises(InputError, match=r"https://example.org/a: redirects to this machine"):
        _SafeRedirects().redirect_request(asked, None, 302, "Found", {}, "http://127.0.0.1/b")


def test_without_a_length_the_progress_is_what_is_here(web, tmp_path):
    seen = []
    address = web.put("/a", BODY, Content_Length=None)
    download(address, tmp_path / "a", SHA256, 10_000, lambda *sizes: seen.append(sizes))
    assert seen[-1] == (7000, 7000)


def test_a_page_tells_where_it_was_found(web):
    web.put("/a", status=301, Location="/b/")
    web.put("/b/", "größer".encode())
    assert fetch_page(f"{web.address}/a", 100) == ("größer", f"{web.address}/b/")
