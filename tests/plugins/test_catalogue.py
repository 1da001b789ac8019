"""What plugins declare is read once, kept, and read anew when it may have changed, and nothing else of them is run."""

from __future__ import annotations

import json
import os
import random
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import segue
from segue import Client
from segue.plugins import catalogue, catalogue_file, child, installed, told_trace
from segue.plugins.entries import PROVIDERS, path_stamps

if TYPE_CHECKING:
    from sites import Site

ROOT = Path(__file__).parents[2]


def models(declared: Any) -> list[str]:
    """The names of the models of the one provider of a plugin."""
    ((_, read),) = declared.providers
    return [getattr(model, "name", model) for model in read().models]


def kept() -> Path:
    """The file of the catalogue, which is there."""
    file = catalogue_file()
    assert file is not None
    assert file.is_file()
    return file


@pytest.fixture
def never(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes what looks for distributions, and what imports plugins, fail from then on."""

    def forbid() -> None:
        def fail(*_: Any, **__: Any) -> Any:
            raise AssertionError("it was not read from the catalogue")

        monkeypatch.setattr(catalogue, "find", fail)
        monkeypatch.setattr(child, "inspect", fail)

    return forbid


# ── once ─────────────────────────────────────────────────────────────────────────────────────────────


def test_a_plugin_is_imported_once_and_in_another_process(site: Site, never: Any) -> None:
    """The second time nothing is imported and no distribution looked for; this process never imported it."""
    site.install("zoo-light", models=("a", "b"))
    first = site.read()
    assert site.imported() == ["zoo_light"]
    never()
    second = site.read()
    assert site.imported() == []
    assert models(first["zoo-light"]) == models(second["zoo-light"]) == ["a", "b"]
    assert second["zoo-light"].file == str(site.folder / "zoo_light.py")
    assert "zoo_light" not in sys.modules


def test_a_new_plugin_costs_the_import_of_none_of_the_others(site: Site) -> None:
    """Only what came is imported."""
    site.install("zoo-first")
    site.read()
    site.imported()
    site.install("zoo-second")
    assert set(site.read()) == {"zoo-first", "zoo-second"}
    assert site.imported() == ["zoo_second"]


def test_what_is_broken_is_told_again_without_being_tried_again(site: Site, never: Any) -> None:
    """A second start does not wait for what hung or failed at the first."""
    site.install("zoo-broken", "raise RuntimeError('no such luck')")
    site.read()
    never()
    (broken,) = site.read().values()
    assert broken.error is not None
    assert str(broken.error) == "plugin 'zoo-broken' of zoo-broken-dist: RuntimeError: no such luck"
    assert broken.error.plugin == "zoo-broken"
    assert broken.trace[-1] == "RuntimeError: no such luck"


def test_a_traceback_has_the_lines_of_a_plugin_in_a_folder_beside_ours() -> None:
    """A plugin that pip installed is in a folder like `segue_acme`, whose name begins as ours does."""
    file = f"{Path(segue.__file__).parent}_acme/__init__.py"
    with pytest.raises(ImportError) as caught:
        exec(compile("from segue.plugin import hookimp", file, "exec"), {})
    assert f'  File "{file}", line 1, in <module>' in told_trace(caught.value)


def test_what_is_broken_is_tried_again_when_something_was_installed(site: Site) -> None:
    """What it lacked may have come."""
    site.install("zoo-lacking", "import zoo_missing\n" + "from zoo_missing import segue_providers")
    assert site.read()["zoo-lacking"].error is not None
    (site.folder / "zoo_missing.py").write_text(
        "from segue.plugin import hookimpl\n@hookimpl\ndef segue_providers():\n    return []\n"
    )
    assert site.read()["zoo-lacking"].error is None


def test_all_are_asked_again_where_that_is_wanted(site: Site) -> None:
    """``anew`` trusts nothing that is kept."""
    site.install("zoo-light")
    site.read()
    site.imported()
    site.read(anew=True)
    assert site.imported() == ["zoo_light"]


def test_without_a_folder_nothing_is_kept(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """``SEGUE_CACHE=`` keeps nothing, and each start asks."""
    site.install("zoo-light")
    for value in ("", "0"):
        monkeypatch.setenv("SEGUE_CACHE", value)
        assert catalogue_file() is None
        assert "zoo-light" in site.read()
        assert site.imported() == ["zoo_light"]
        assert "zoo-light" in [entry.name for entry in installed(PROVIDERS)]


# ── it may have changed ──────────────────────────────────────────────────────────────────────────────


def test_an_upgraded_plugin_is_read_anew(site: Site) -> None:
    """Another version in place of the first one."""
    site.install("zoo-light", models=("old",))
    site.read()
    site.remove("zoo-light-dist")
    site.install("zoo-light", models=("new",), version="2.0")
    (found,) = site.read().values()
    assert (found.entry.version, models(found)) == ("2.0", ["new"])


def test_the_same_version_installed_again_is_read_anew(site: Site) -> None:
    """As ``pip install --force-reinstall`` of a wheel that was built again does."""
    site.install("zoo-light", models=("old",))
    site.read()
    site.remove("zoo-light-dist")
    file = site.install("zoo-light", models=("new",))
    os.utime(file)
    assert models(site.read()["zoo-light"]) == ["new"]


def test_a_plugin_that_was_removed_is_gone(site: Site) -> None:
    """Also where its module is left behind."""
    site.install("zoo-light")
    site.install("zoo-other")
    site.read()
    site.remove("zoo-light-dist")
    assert list(site.read()) == ["zoo-other"]
    assert "zoo-light" not in [entry.name for entry in installed(PROVIDERS)]


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A source tree that is on the path, as an editable installation puts it there."""
    folder = tmp_path / "src"
    folder.mkdir()
    monkeypatch.setattr(sys, "path", [*sys.path, str(folder)])
    return folder


def test_a_module_of_a_source_tree_is_read_anew_when_it_is_edited(site: Site, source: Path) -> None:
    """Nothing is installed again for that."""
    file = site.install("zoo-edited", models=("old",), source=source)
    os.utime(file, (1_700_000_000, 1_700_000_000))  # Python tells byte code of the same second and size from no other
    site.read()
    file.write_text(file.read_text().replace("'old'", "'new'"))
    assert models(site.read()["zoo-edited"]) == ["new"]


@pytest.mark.parametrize("change", ["edited", "added", "deleted", "data"])
def test_a_package_of_a_source_tree_is_read_anew_when_any_of_its_files_changes(
    site: Site, source: Path, change: str
) -> None:
    """Modules deep inside it, data files, and those that come and go."""
    package = source / "zoo_tree"
    (package / "deep").mkdir(parents=True)
    gives = "import pathlib\nfrom segue.plugin import ProviderSpec, hookimpl\n"
    gives += "here = pathlib.Path(__file__).parent\n@hookimpl\ndef segue_providers():\n"
    gives += "    names = [path.read_text() for path in sorted(here.rglob('*.txt'))]\n"
    gives += "    from .deep.names import names as more\n"
    gives += "    return [ProviderSpec(name='zoo-tree', load='a:b', models=names + more)]\n"
    (package / "__init__.py").write_text(gives)
    (package / "deep" / "__init__.py").write_text("")
    (package / "deep" / "names.py").write_text("names = ['code-1']\n")
    for name in ("one", "two"):
        (package / "deep" / f"{name}.txt").write_text(f"data-{name}")
    site.install("zoo-tree", source=source, module="unused", entry="zoo_tree")
    for path in source.rglob("*"):
        os.utime(path, (1_700_000_000, 1_700_000_000))
    assert models(site.read()["zoo-tree"]) == ["data-one", "data-two", "code-1"]
    match change:
        case "edited":
            (package / "deep" / "names.py").write_text("names = ['code-2']\n")
        case "added":
            (package / "deep" / "three.txt").write_text("data-three")
        case "deleted":
            (package / "deep" / "one.txt").unlink()
        case "data":
            (package / "deep" / "one.txt").write_text("data-new")
    expected = {
        "edited": ["data-one", "data-two", "code-2"],
        "added": ["data-one", "data-three", "data-two", "code-1"],
        "deleted": ["data-two", "code-1"],
        "data": ["data-new", "data-two", "code-1"],
    }
    assert models(site.read()["zoo-tree"]) == expected[change]


def test_what_changes_while_it_is_read_is_not_kept(site: Site, source: Path) -> None:
    """Its time could stay the same at the next change: what was read counts once, and is asked again."""
    site.install(
        "zoo-restless",
        "import os\nos.utime(__file__)\n"
        "from segue.plugin import ProviderSpec, hookimpl\n\n@hookimpl\ndef segue_providers():\n"
        "    return [ProviderSpec(name='zoo-restless', load='a:b', models=['m'])]\n",
        source=source,
    )
    for _ in range(2):
        assert models(site.read()["zoo-restless"]) == ["m"]
        assert site.imported() == ["zoo_restless"]


def test_a_time_that_is_yet_to_come_does_not_keep_it_from_being_kept(site: Site, source: Path) -> None:
    """An archive, or a clock that was wrong once, gives files such times."""
    file = site.install("zoo-future", source=source)
    ahead = time.time() + 86_400
    os.utime(file, (ahead, ahead))
    site.read()
    site.imported()
    site.read()
    assert site.imported() == []


def test_the_same_distribution_in_another_place_is_another(site: Site, tmp_path: Path, monkeypatch: Any) -> None:
    """Name, version and module are the same in two environments that share a catalogue; the content is not."""
    other = type(site)(tmp_path / "other")
    site.install("zoo-light", models=("here",))
    other.install("zoo-light", models=("there",))
    assert models(site.read()["zoo-light"]) == ["here"]
    monkeypatch.setattr(sys, "path", [sys.path[0], str(other.folder), *sys.path[2:]])
    assert models(other.read()["zoo-light"]) == ["there"]


@pytest.mark.parametrize("what", ["prefix", "executable", "version"])
def test_each_environment_has_its_own_file(monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    """By interpreter, its version, and the environment's folder."""
    before = catalogue_file()
    monkeypatch.setattr(sys, what, "another")
    assert catalogue_file() != before


def test_each_version_of_ours_has_its_own_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """What one version wrote another need not understand."""
    before = catalogue_file()
    monkeypatch.setattr("segue.__version__", "99")
    assert catalogue_file() != before


def test_the_folder_of_the_program_makes_no_difference(site: Site, tmp_path: Path, never: Any) -> None:
    """Scripts in two folders share what is kept: in neither is a distribution."""
    site.install("zoo-light")
    site.read()
    never()
    sys.path[0] = str(tmp_path)
    assert list(site.read()) == ["zoo-light"]


def test_a_distribution_beside_the_program_is_found(site: Site, tmp_path: Path) -> None:
    """``python -m segue`` in a folder that has one, as after ``pip install -e .`` of old."""
    site.install("zoo-light")
    site.read()
    beside = type(site)(tmp_path / "beside")
    beside.install("zoo-beside")
    sys.path[0] = str(beside.folder)
    assert "zoo-beside" in [entry.name for entry in installed(PROVIDERS)]


def test_a_program_in_a_zip_file_is_looked_into(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may bring distributions along; so its time counts."""
    file = tmp_path / "program.pyz"
    file.write_bytes(b"")
    monkeypatch.setattr(sys, "path", [str(file), *sys.path])
    assert str(file) in [place for place, *_ in path_stamps()]


def test_a_working_directory_that_is_gone_is_no_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As Python itself leaves it out."""
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    monkeypatch.setattr(sys, "path", ["/first", "", *sys.path])
    assert "" not in [place for place, *_ in path_stamps()]


# ── the file ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def written(site: Site) -> Path:
    """A catalogue with two plugins in it."""
    site.install("zoo-one", models=("a", "b"))
    site.install("zoo-broken", "raise RuntimeError('no such luck')")
    site.read()
    site.imported()
    return kept()


def test_it_is_for_its_user_alone(written: Path) -> None:
    """Neither the file nor the folder can be read or written by others."""
    assert written.stat().st_mode & 0o777 == 0o600
    assert written.parent.stat().st_mode & 0o777 == 0o700
    assert list(written.parent.iterdir()) == [written]


def test_cut_anywhere_it_counts_as_none(written: Path) -> None:
    """Within the checksum, around each line's end, and in between."""
    whole = written.read_bytes()
    assert catalogue._read(written).entries
    ends = [place for place, byte in enumerate(whole) if byte == ord("\n")]
    near = {place + step for place in ends for step in (-1, 0, 1)}
    for length in sorted({*range(40), *near, *range(0, len(whole), 97), len(whole) - 1}):
        written.write_bytes(whole[:length])
        assert not catalogue._read(written).entries, length
    written.write_bytes(whole + b"\n")
    assert not catalogue._read(written).entries


def test_with_a_wrong_byte_it_counts_as_none(written: Path) -> None:
    """Wherever it stands, and whatever it is."""
    whole, chance = written.read_bytes(), random.Random(6)
    for _ in range(300):
        place = chance.randrange(len(whole))
        byte = (whole[place] + chance.randrange(1, 256)) % 256
        written.write_bytes(whole[:place] + bytes([byte]) + whole[place + 1 :])
        assert not catalogue._read(written).entries, place
    for _ in range(50):
        written.write_bytes(chance.randbytes(chance.randrange(2000)))
        assert not catalogue._read(written).entries


def test_a_damaged_one_is_made_anew(site: Site, written: Path) -> None:
    """The plugins are asked again, and then no more."""
    written.write_bytes(written.read_bytes()[:-20])
    assert models(site.read()["zoo-one"]) == ["a", "b"]
    assert sorted(site.imported()) == ["zoo_broken", "zoo_one"]
    assert models(site.read()["zoo-one"]) == ["a", "b"]
    assert site.imported() == []


def test_a_file_of_another_user_counts_as_none(site: Site, written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who could write it would say what is installed here."""
    uid = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: uid + 1)
    assert not catalogue._read(written).entries
    assert models(site.read()["zoo-one"]) == ["a", "b"]


def test_a_folder_in_its_place_costs_nothing_but_the_time(site: Site, written: Path) -> None:
    """It stays as it is, and beside it nothing is left."""
    written.unlink()
    (written / "inside").mkdir(parents=True)
    for _ in range(2):
        assert models(site.read()["zoo-one"]) == ["a", "b"]
        assert "zoo_one" in site.imported()
    assert list(written.parent.iterdir()) == [written]


def test_a_folder_that_cannot_be_written_costs_nothing_but_the_time(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file stands where the folder should be, or no right to write there."""
    site.install("zoo-one")
    place = tmp_path / "closed"
    place.write_text("")
    monkeypatch.setenv("SEGUE_CACHE", str(place / "below"))
    assert "zoo-one" in site.read()
    place.unlink()
    place.mkdir(mode=0o500)
    real = os.open

    def refused(path: Any, flags: int, *args: Any, **named: Any) -> int:
        if flags & os.O_CREAT and str(path).startswith(str(place)):
            raise PermissionError(13, "Permission denied")  # root is refused nothing, so the test refuses itself
        return real(path, flags, *args, **named)

    monkeypatch.setenv("SEGUE_CACHE", str(place))
    monkeypatch.setattr(os, "open", refused)
    assert "zoo-one" in site.read()
    assert list(place.iterdir()) == []


def test_files_of_many_environments_do_not_heap_up(site: Site, written: Path) -> None:
    """Of those that were not looked at for long some go, also what an ended process left behind."""
    for number in range(60):
        path = written.with_name(f"plugins-{number:03}.json" if number % 2 else f"plugins-{number:03}.json.1.1")
        path.write_text("old")
        os.utime(path, (number, number))
    stranger = written.with_name("notes.txt")
    stranger.write_text("not ours")
    site.install("zoo-two")
    site.read()
    left = sorted(path.name for path in written.parent.iterdir())
    assert len(left) == 33
    assert {written.name, stranger.name, "plugins-059.json", "plugins-029.json"} <= set(left)
    assert "plugins-028.json.1.1" not in left


def test_one_that_vanishes_while_files_are_counted_is_no_fault(
    site: Site, written: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two processes may tidy up at the same time."""
    written.with_name("plugins-gone.json").symlink_to("nowhere")
    site.install("zoo-two")
    site.read()
    assert "zoo-two" in site.read()


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"SEGUE_CACHE": "/named"}, "/named"),
        ({"SEGUE_CACHE": "~/named"}, "/home/me/named"),
        ({"XDG_CACHE_HOME": "/xdg"}, "/xdg/segue"),
        ({"XDG_CACHE_HOME": "relative"}, "/home/me/.cache/segue"),
        ({}, "/home/me/.cache/segue"),
    ],
)
def test_where_it_is_kept(monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], expected: str) -> None:
    """The variable, the folder of the desktop's convention, the home."""
    for name in ("SEGUE_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/home/me")
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert str(catalogue.cache_folder()) == expected


def test_without_a_home_the_users_own_is_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the system knows it."""
    for name in ("SEGUE_CACHE", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    assert catalogue.cache_folder() == Path.home() / ".cache" / "segue"


_READER = """
import sys, json
from segue.plugins import catalogued
anew = sys.argv[1] == "anew"
for _ in range(4):
    found = catalogued(lambda e: e.distribution.startswith("zoo-"), time_limit=60, anew=anew)
    print(json.dumps({one.entry.name: [list(read().models) for _, read in one.providers] for one in found}))
"""


def test_many_processes_at_once_all_read_the_same(site: Site) -> None:
    """Writers replace the file under readers and under each other; it is whole at every moment, and nothing is left."""
    for number in range(5):
        site.install(f"zoo-{number}", models=tuple(f"model-{number}-{place}" for place in range(300)))
    environ = os.environ | {"PYTHONPATH": str(site.folder)}
    processes = [
        subprocess.Popen([sys.executable, "-c", _READER, how], env=environ, stdout=subprocess.PIPE, text=True)
        for how in ("anew", "kept", "anew", "kept", "anew", "kept")
    ]
    expected = {f"zoo-{number}": [[[f"model-{number}-{place}", {}] for place in range(300)]] for number in range(5)}
    names = {name: [[f"model-{name[4:]}-{place}" for place in range(300)]] for name in expected}
    for process in processes:
        out, _ = process.communicate(timeout=60)
        assert process.returncode == 0
        assert [json.loads(line) for line in out.splitlines()] == [names] * 4
    folder = Path(os.environ["SEGUE_CACHE"])
    (file,) = folder.iterdir()
    assert catalogue._read(file).entries


# ── plugins that do not come back ────────────────────────────────────────────────────────────────────


@pytest.fixture(params=["forked", "shared"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """With a process for each plugin, and where the system has no forks, with one for all."""
    if request.param == "shared":
        boot = child._BOOT.replace(
            "import main; main(told)", "import main; import segue.plugins.inspection as i; i._FORKS = False; "
            "main(told)",
        )  # fmt: skip
        assert boot != child._BOOT
        monkeypatch.setattr(child, "_BOOT", boot)
    return str(request.param)


@pytest.mark.usefixtures("way")
def test_an_import_that_hangs_is_ended_and_named(site: Site) -> None:
    """The others are read as ever, those before it and those after it."""
    for name in ("zoo-a", "zoo-z"):
        site.install(name)
    site.install("zoo-hangs", "import threading\nthreading.Event().wait()")
    found = site.read(time_limit=1.0)
    assert str(found["zoo-hangs"].error) == "plugin 'zoo-hangs' of zoo-hangs-dist: its import took more than 1 s"
    assert found["zoo-hangs"].seconds == 1.0
    assert [name for name, one in found.items() if one.error is None] == ["zoo-a", "zoo-z"]


def test_a_hook_that_hangs_is_ended_and_named(site: Site) -> None:
    """The limit is for what it declares, too."""
    site.install(
        "zoo-hangs",
        "import threading\nfrom segue.plugin import hookimpl\n\n"
        "@hookimpl\ndef segue_providers():\n    threading.Event().wait()\n",
    )
    assert "took more than 1 s" in str(site.read(time_limit=1.0)["zoo-hangs"].error)


@pytest.mark.parametrize("hangs", [True, False], ids=["hangs", "returns"])
def test_what_a_plugin_started_ends_with_it(site: Site, tmp_path: Path, hangs: bool, way: str) -> None:
    """A process that its import left running holds a pipe open: its end is seen there."""
    fifo = tmp_path / "pipe"
    os.mkfifo(fifo)
    reading = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    try:
        program = "import sys, threading\npipe = open(sys.argv[1], 'w')\npipe.write('x')\npipe.flush()\n"
        program += "threading.Event().wait()\n"
        code = "import select, subprocess, sys, threading\n"
        code += f"subprocess.Popen([sys.executable, '-c', {program!r}, {str(fifo)!r}])\n"
        code += f"watched = open({str(fifo)!r})\nselect.select([watched], [], [])\n"  # until it runs
        site.install("zoo-starts", code + ("threading.Event().wait()\n" if hangs else ""))
        site.read(time_limit=5.0 if hangs else 30.0)
        readable, _, _ = select.select([reading], [], [], 10)
        assert readable
        assert os.read(reading, 10) == b"x"
        readable, _, _ = select.select([reading], [], [], 10)
        assert readable, "what the plugin started still runs"
        assert os.read(reading, 10) == b""
    finally:
        os.close(reading)


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("import os\nos._exit(7)", "its import ended the process with exit code 7"),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", "its import ended the process with SIGKILL"),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)", "its import ended the process with SIGSEGV"),
        ("import os\nos._exit(0)", "its import ended the process with exit code 0"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("import sys\nsys.exit()", "SystemExit"),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGRTMIN + 5)", "its import ended the process with signal 39"),
        (
            (
                "import contextlib, os\nfor number in range(3, 30):\n    with contextlib.suppress(OSError):\n"
                "        os.write(number, b'garbage\\n')"
            ),
            "its import wrote to a descriptor that is none of its own",
        ),
    ],
)
@pytest.mark.usefixtures("way")
def test_an_import_that_ends_the_process_ends_only_itself(site: Site, code: str, told: str) -> None:
    """It is named with how it ended, and the others are read."""
    for name in ("zoo-a", "zoo-z"):
        site.install(name)
    site.install("zoo-ends", code)
    found = site.read()
    assert str(found["zoo-ends"].error) == f"plugin 'zoo-ends' of zoo-ends-dist: {told}"
    assert [name for name, one in found.items() if one.error is None] == ["zoo-a", "zoo-z"]


def test_what_an_import_prints_is_told_and_shown_nowhere(site: Site, capfd: pytest.CaptureFixture[str]) -> None:
    """Nothing of it comes to the output of whoever lists plugins."""
    site.install("zoo-prints", "import os\nprint('hello')\nos.write(2, b'there')\n")
    assert site.read()["zoo-prints"].printed in {"hello\nthere", "therehello\n"}
    assert capfd.readouterr() == ("", "")


# ── nobody is asked who may not be ───────────────────────────────────────────────────────────────────


def test_what_is_denied_is_imported_nowhere(site: Site) -> None:
    """Not in the other process either; allowed later, it is read then."""
    site.install("zoo-denied")
    site.install("zoo-allowed")
    found = site.read(allowed=lambda entry: entry.name != "zoo-denied")
    assert list(found) == ["zoo-allowed"]
    assert site.imported() == ["zoo_allowed"]
    assert list(site.read()) == ["zoo-allowed", "zoo-denied"]
    assert site.imported() == ["zoo_denied"]


def test_what_was_read_before_it_was_denied_is_not_offered(site: Site) -> None:
    """The catalogue still has it."""
    site.install("zoo-denied")
    site.read()
    assert not site.read(allowed=lambda entry: False)


@pytest.mark.parametrize(
    ("plugins", "environ"),
    [
        ({"deny": ["zoo-denied-dist"]}, {}),
        ({"allow": ["zoo-allowed-dist"]}, {}),
        ({}, {"SEGUE_PLUGINS": "zoo-allowed-dist"}),
        ({"allow": ["zoo-allowed-dist", "zoo-denied-dist==2.0"]}, {}),
    ],
    ids=["deny", "allow", "environment", "version"],
)
def test_a_client_imports_nothing_of_what_is_denied(site: Site, plugins: Any, environ: dict[str, str]) -> None:
    """By the configuration and by the environment, before anything of it runs."""
    site.install("zoo-denied")
    site.install("zoo-allowed")
    client = Client(config={"plugins": plugins}, environ=environ)
    assert site.imported() == ["zoo_allowed"]
    assert "zoo-allowed" in client.registry.installed
    assert "zoo-denied" not in client.registry.installed
    (left,) = [plugin for plugin in client.registry.plugins if plugin.name == "zoo-denied"]
    assert left.obstacle is not None


# ── no other process can be had ──────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("why", ["no interpreter", "frozen", "refused", "silent", "late"])
def test_without_another_process_plugins_are_read_here(site: Site, monkeypatch: pytest.MonkeyPatch, why: str) -> None:
    """In a frozen program, inside another one, or where none may be started: then here, and it is kept."""
    site.install("zoo-light", models=("a",))
    match why:
        case "no interpreter":
            monkeypatch.setattr(sys, "executable", "")
        case "frozen":
            monkeypatch.setattr(sys, "frozen", True, raising=False)
        case "refused":

            def refuse(*_: Any, **__: Any) -> Any:
                raise PermissionError(1, "Operation not permitted")

            monkeypatch.setattr(subprocess, "Popen", refuse)
        case "silent":
            monkeypatch.setattr(child, "_BOOT", "pass")
        case "late":
            monkeypatch.setattr(child, "_BOOT", "import threading; threading.Event().wait()")
            monkeypatch.setattr(child, "READY_WITHIN", 0.2)
    assert models(site.read()["zoo-light"]) == ["a"]
    assert "zoo_light" in sys.modules
    site.imported()
    assert models(site.read()["zoo-light"]) == ["a"]
    assert site.imported() == []


def test_a_plugin_cannot_spoil_those_after_it(site: Site) -> None:
    """Each is inspected in a process of its own: functions, modules, limits and folders are as they were."""
    site.install(
        "zoo-a",
        "import json, os, sys, types\njson.dumps = json.loads = None\nos.chdir('/')\nsys.setrecursionlimit(150)\n"
        "sys.modules['zoo_b'] = types.ModuleType('zoo_b')\nsys.path.clear()\n",
    )
    site.install("zoo-b", models=("mine",))
    found = site.read()
    assert found["zoo-b"].error is None
    assert models(found["zoo-b"]) == ["mine"]
    assert found["zoo-a"].replaced == ("json.dumps", "json.loads")


def test_a_process_that_lives_on_and_says_nothing_is_ended(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """It closed what it would have said it through."""
    monkeypatch.setattr(child, "_GONE_WITHIN", 0.2)
    boot = child._BOOT.replace("import main; main(told)", "import inspected; print('{\"ready\": 1}', flush=True); ")
    boot += 'print(\'{"begun": 0, "group": null}\', flush=True); import os, threading; os.close(1); '
    monkeypatch.setattr(child, "_BOOT", boot + "threading.Event().wait()")
    site.install("zoo-light")
    assert "its import ended the process with SIGKILL" in str(site.read()["zoo-light"].error)
