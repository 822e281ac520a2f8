"""Where sononerve keeps what can be had again."""

from sononerve.io.home import home


def test_the_folder_is_where_the_environment_says(monkeypatch, tmp_path):
    for name in ("SONONERVE_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert home() == tmp_path / ".cache" / "sononerve"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert home() == tmp_path / "cache" / "sononerve"
    monkeypatch.setenv("SONONERVE_HOME", str(tmp_path / "mine"))
    assert home() == tmp_path / "mine"
