"""Sets with missing videos or broken annotations, and calls of `data prepare` that fail or are killed."""

import json
import os
import shutil
import signal
import subprocess
import sys
from functools import partial

import pytest

from ctnet.cli import main
from ctnet.data.manifest import DataInfo, Manifest
from ctnet.data.prepare import prepare, verify
from ctnet.data.sets.scan import recall
from ctnet.errors import DataError
from tests.support.killed import killed
from tests.support.layouts import LAYOUTS, film, images


def test_report_names_missing_broken_and_repeated_videos(own, tmp_path, monkeypatch, capsys):
    source = own("something_v1")
    homes = sorted((source / "20bn-something-something-v1").iterdir())
    for image in homes[0].iterdir():
        image.unlink()
    homes[0].rmdir()
    for image in homes[1].iterdir():
        image.unlink()
    with (source / "something-something-v1-train.csv").open("a") as file:
        file.write(f"{homes[2].name};Opening something\n")
    monkeypatch.setenv("CTNET_DATA", str(tmp_path / "sets"))
    assert main.main(["data", "prepare", "something_v1", "--source", str(source)]) == 0
    output = capsys.readouterr()
    folder = tmp_path / "sets" / "something_v1"
    assert output.out == f"{folder}\n" and f"see {folder / 'report.txt'}" in output.err
    assert "train: 7 found of 10 listed\ntest: 6 found of 6 listed" in output.err
    lines = (folder / "report.txt").read_text().splitlines()
    assert f"left out of train: {homes[0]}: no such file" in lines
    assert sum(line.startswith(f"left out of train: {homes[1]}: ") for line in lines) == 1
    assert any(line.startswith(f"left out of train: {homes[2]}: listed twice (") for line in lines)
    assert DataInfo.read(folder).splits == {"train": 7, "test": 6} and verify(folder) == []


def test_list_files_name_frame_folders_and_videos(clips, tmp_path):
    """As in the release: image names have a prefix, and a list may say more frames than there are."""
    source = tmp_path / "source"
    images(source / "val" / "jf7RDuUTrsQ", clips[0][0], "image_{:06d}.jpg")
    images(source / "train" / "-5wLopwbGX0", clips[1][0], "image_{:06d}.jpg")
    film(source / "train" / "a name.mp4", clips[1][1])
    lists = [tmp_path / "kinetics_train_list.txt", tmp_path / "kinetics_val_list.txt"]
    lists[0].write_text("train/-5wLopwbGX0 6 1\ntrain/a name 8 0\n")
    lists[1].write_text("val/jf7RDuUTrsQ 61 0\n")
    folder = prepare("kinetics400", root=tmp_path / "sets", source=source, lists=lists)
    info = DataInfo.read(folder)
    assert info.classes == ("0", "1") and info.splits == {"train": 2, "test": 1} and verify(folder) == []
    m = Manifest.read(folder, "train", info)
    assert m.frames.tolist() == [6, 8] and m.labels.tolist() == [1, 0] and m.path(1) == source / "train" / "a name.mp4"
    short = f"kept, but short: {source / 'val' / 'jf7RDuUTrsQ'}: 8 frames, its list says 61"
    assert short in (folder / "report.txt").read_text().splitlines()
    (tmp_path / "category.txt").write_text("Turning left\nTurning right\n")
    folder = prepare("something_v1", root=tmp_path / "sets", source=source, lists=lists)
    assert DataInfo.read(folder).classes == ("Turning left", "Turning right") and DataInfo.read(folder).flip == (1, 0)
    (tmp_path / "category.txt").write_text("one\n")
    with pytest.raises(DataError, match="train_list.txt: line 1: label 1 is out of range: .* names 1 classes"):
        prepare("kinetics400", root=tmp_path / "sets", source=source, lists=lists)
    with pytest.raises(DataError, match="rest.txt: the name of a list must say which split it is"):
        prepare("mine", root=tmp_path / "sets", source=source, lists=[tmp_path / "rest.txt"])


def test_split_without_usable_video_gives_error(own, tmp_path):
    source = own("kinetics400")
    shutil.copytree(source / "val", source / "val" / "copy")
    with pytest.raises(DataError, match="0 of 6 videos of its test split can be used; .*: one of 2 files"):
        prepare("kinetics400", root=tmp_path / "sets", source=source)
    assert not (tmp_path / "sets" / "kinetics400").exists()


def test_symlink_loop_does_not_duplicate_files(own, tmp_path):
    source = own("kinetics400")
    (source / "a").symlink_to(source / "val")
    (source / "val" / "loop").symlink_to(source)
    folder = prepare("kinetics400", root=tmp_path / "sets", source=source)
    assert json.loads((folder / "dataset.json").read_text())["splits"] == {"train": 9, "test": 6}
    assert "left out" not in (folder / "report.txt").read_text()


def test_video_name_not_in_utf8_is_left_out_and_reported(clips, tmp_path):
    for side in ("train", "test"):
        video = film(tmp_path / "source" / side / "a" / "0.avi", clips[0][0])
    shutil.copy(video, os.fsdecode(os.fsencode(video.parent) + b"/caf\xe9.avi"))
    (video.parent / os.fsdecode(b"broken\xe9.avi")).touch()
    folder = prepare("mine", root=tmp_path / "sets", source=tmp_path / "source")
    assert json.loads((folder / "dataset.json").read_text())["splits"] == {"train": 1, "test": 1}
    report = (folder / "report.txt").read_text(encoding="utf-8")
    assert f"left out of test: {video.parent}/caf\ufffd.avi: a name that is not in UTF-8; rename it" in report


def test_grid_sentence_without_video_is_reported(own, tmp_path):
    source = own("grid10")
    (source / "s2" / "bbaf5a.mpg").unlink()
    folder = prepare("grid10", root=tmp_path / "sets", source=source)
    report = (folder / "report.txt").read_text()
    assert f"{source / 's2' / 'bbaf5a.mpg'}: no such file (the word 'four')" in report


def test_files_of_one_name_are_chosen_by_folder_or_left_out(own, clips, tmp_path):
    source = own("kinetics400")
    first = "-_id1000_000007_000017.mp4"
    film(source / "val" / "abseiling" / first, clips[0][0])
    assert DataInfo.read(prepare("kinetics400", root=tmp_path / "a", source=source)).splits["train"] == 9
    film(source / "train" / "old" / first, clips[0][0])
    assert DataInfo.read(prepare("kinetics400", root=tmp_path / "a", source=source)).splits["train"] == 9
    (source / "train" / "abseiling" / first).rename(source / "train" / first)
    folder = prepare("kinetics400", root=tmp_path / "a", source=source)
    assert DataInfo.read(folder).splits["train"] == 8
    assert f"{first}: one of 2 files of this name (" in (folder / "report.txt").read_text()


def test_mini_kinetics_ids_missing_from_kinetics_are_reported(own, tmp_path):
    source = own("mini_kinetics")
    with (source / "val_ytid_list.txt").open("a") as file:
        file.write("unknown-id-\n")
    folder = prepare("mini_kinetics", root=tmp_path / "sets", source=source)
    report = (folder / "report.txt").read_text()
    assert "test: 4 found of 5 listed" in report
    assert f"unknown-id-: not in {source}/annotations/val.csv ({source}/val_ytid_list.txt: line 5)" in report


# set, annotation file, what is replaced in it (by NEW; None removes the file), part of the message
WRONG = [
    ("something_v1", "something-something-v1-labels.csv", None, "holds no something-something-v1-labels.csv"),
    ("something_v1", "something-something-v1-train.csv", ";", "train.csv: line 1: must be id;template, not '1000,"),
    (
        "something_v1",
        "something-something-v1-train.csv",
        "1000;",
        "train.csv: line 1: '../../1000' is not a path inside ",
    ),
    ("something_v1", "something-something-v1-validation.csv", "Opening s", "validation.csv: line 5: unknown class 'Cl"),
    ("something_v2", "labels/train.json", "{", "train.json: line 2: not JSON"),
    ("something_v2", "labels/train.json", '"1001"', "train.json: entry 2: needs an id and a template"),
    ("something_v2", "labels/labels.json", '"2"', "labels.json: its indices must be 0 to 2, each once"),
    ("kinetics400", "annotations/val.csv", "youtube_id", "val.csv: line 1 lacks the column youtube_id"),
    ("kinetics400", "annotations/train.csv", "zumba,-_id1010,7", "train.csv: line 8: time_start must be a whole num"),
    ("kinetics400", "annotations/val.csv", "tai chi", "val.csv: line 4: unknown class 'Tai'"),
    ("mini_kinetics", "train_ytid_list.txt", None, "holds no train_ytid_list.txt"),
    ("ucf101", "ucfTrainTestlist/classInd.txt", "2 Hand", "classInd.txt: line 2: must be '2 CLASS', not '3 Hand"),
    ("ucf101", "ucfTrainTestlist/trainlist01.txt", ".avi 2", "line 4: class 3 is not HandstandPushups in classInd"),
    ("ucf101", "ucfTrainTestlist/testlist01.txt", "Shotput/", "testlist01.txt: line 5: unknown class 'elsewhere'"),
    ("hmdb51", "testTrainMulti_7030_splits/wave_test_split1.txt", " 2 ", "line 7: must be 'VIDEO 0', 1 or 2, not"),
    ("hmdb51", "testTrainMulti_7030_splits", None, "holds no testTrainMulti_7030_splits"),
    ("grid16", "align/s1/bbaf2n.align", "bin", "bbaf2n.align: line 1: must be 'start end word', not "),
    ("grid16", "align/s1/bbaf2n.align", "at", "bbaf2n.align: 5 words; a sentence of GRID has 6"),
    ("grid16", "align", None, "source: not GRID: needs the talkers' folders"),
]
NEW = {
    ";": ",",
    "1000;": "../../1000;",
    "Opening s": "Closing s",
    "{": "{{",
    '"1001"': "1001",
    '"2"': '"3"',
    "youtube_id": "id",
    "zumba,-_id1010,7": "zumba,-_id1010,7s",
    "tai chi": "Tai",
    "2 Hand": "3 Hand",
    ".avi 2": ".avi 3",
    "Shotput/": "elsewhere/",
    " 2 ": " 3 ",
    "bin": "",
    "at": "sp",
}


@pytest.mark.parametrize("name, file, old, message", WRONG, ids=[f"{w[0]}-{k}" for k, w in enumerate(WRONG)])
def test_broken_annotation_error_names_file_and_line(name, file, old, message, own, tmp_path, monkeypatch, capsys):
    source = own(name)
    path = source / file
    if old is None:
        path.rename(tmp_path / "gone")
    else:
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, NEW[old]))
    monkeypatch.setenv("CTNET_DATA", str(tmp_path / "sets"))
    assert main.main(["data", "prepare", name, "--source", str(source)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("ctnet: ") and error.count("\n") == 1 and message in error
    assert not (tmp_path / "sets").exists()


@pytest.mark.parametrize("name", LAYOUTS)
def test_missing_or_empty_source_is_named_in_error(name, tmp_path):
    with pytest.raises(DataError, match=f"{tmp_path}/nowhere: "):
        prepare(name, root=tmp_path / "sets", source=tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=f"{tmp_path}/empty: "):
        prepare(name, root=tmp_path / "sets", source=tmp_path / "empty")
    assert not (tmp_path / "sets").exists()


def test_no_set_is_made_when_every_video_is_missing(own, tmp_path):
    source = own("ucf101")
    (source / "UCF-101").rename(tmp_path / "gone")
    (source / "UCF-101").mkdir()
    with pytest.raises(DataError, match="0 of 9 videos of its train split can be used; the first: .*: no such"):
        prepare("ucf101", root=tmp_path / "sets", source=source)
    assert not (tmp_path / "sets" / "ucf101").exists()


COUNT = "from ctnet.data.prepare import prepare; prepare('mine', 'cpu', sys.argv[1], 2, sys.argv[2])"


def test_killed_call_resumes_counting_where_it_stopped(clips, tmp_path):
    source, memory, whole = tmp_path / "source", tmp_path / "sets" / ".mine.scan", 500
    content = film(tmp_path / "one.avi", clips[0][0]).read_bytes()
    for split in ("train", "test"):
        (source / split / "a").mkdir(parents=True)
        for k in range(whole // 2):
            (source / split / "a" / f"{k}.avi").write_bytes(content)
    killed(30, COUNT, tmp_path / "sets", source)
    assert not (tmp_path / "sets" / "mine").exists()
    kept = recall(memory)
    assert len(kept) == 30
    for video in kept:  # if it were counted again, it would be found broken
        changed = video.stat()
        video.write_bytes(b"text")
        os.utime(video, ns=(changed.st_atime_ns, changed.st_mtime_ns))
    with memory.open("a") as file:
        file.write('["/half a li')
    folder = prepare("mine", root=tmp_path / "sets", workers=2, source=source)
    assert DataInfo.read(folder).splits == {"train": whole // 2, "test": whole // 2}
    assert not memory.exists() and sorted(p.name for p in folder.iterdir()) == [
        "dataset.json",
        "report.txt",
        "test.csv",
        "train.csv",
    ]


def test_changed_video_is_counted_again(clips, tmp_path):
    for split in ("train", "test"):
        video = film(tmp_path / "source" / split / "a" / "0.avi", clips[0][0])
    memory = tmp_path / "sets" / ".mine.scan"
    memory.parent.mkdir()
    memory.write_text(json.dumps([str(video), video.stat().st_mtime_ns - 1, 5]) + "\n")
    folder = prepare("mine", root=tmp_path / "sets", source=tmp_path / "source")
    assert Manifest.read(folder, "test", DataInfo.read(folder)).frames.tolist() == [8]


def test_unwritable_folder_is_named_in_error(sources, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="file/ucf101: cannot be written .*; free space or set CTNET_DATA"):
        prepare("ucf101", root=tmp_path / "file", source=sources("ucf101"))


def test_full_disk_keeps_the_old_set(sources, tmp_path):
    """A limit on the file size makes writing fail as on a full disk."""
    old = prepare("ucf101", root=tmp_path, source=sources("ucf101"))
    before = {p.name: p.read_bytes() for p in old.iterdir()}
    code = "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (300, 300)); import signal; "
    code += (
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); from ctnet.cli.main import main; sys.exit(main(sys.argv[1:]))"
    )
    words = ["data", "prepare", "ucf101", "--source", str(sources("ucf101"))]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "CTNET_DATA": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code, *words], env=environment, capture_output=True, text=True)
    assert done.returncode == 2 and "ucf101: cannot be written (File too large); free space" in done.stderr
    assert {p.name: p.read_bytes() for p in old.iterdir()} == before


def test_set_is_restored_after_its_replacement_was_killed(clips, tmp_path):
    """Between the two renames there is only the old set, under another name."""
    for split in ("train", "test"):
        film(tmp_path / "source" / split / "a" / "0.avi", clips[0][0])
    folder = prepare("mine", root=tmp_path / "sets", source=tmp_path / "source")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    folder.rename(folder.with_name(".mine-1-old.partial"))
    other = tmp_path / "sets" / ".mine-2-77-old.partial"  # belongs to another set
    other.mkdir()
    (tmp_path / "source" / "test" / "a" / "0.avi").write_text("no video")
    with pytest.raises(DataError, match="0 of 1 videos of its test split"):
        prepare("mine", root=tmp_path / "sets", source=tmp_path / "source")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before and other.is_dir()


def test_label_far_out_of_range_error_names_its_line(clips, tmp_path):
    film(tmp_path / "source" / "a.avi", clips[0][0])
    (tmp_path / "train.txt").write_text("a 6 0\nb 8 900000000\n")
    (tmp_path / "val.txt").write_text("a 6 0\n")
    lists = [tmp_path / "train.txt", tmp_path / "val.txt"]
    with pytest.raises(DataError, match=r"train.txt: line 2: label 900000000 is out of range: there is no .*category"):
        prepare("mine", root=tmp_path / "sets", source=tmp_path / "source", lists=lists)


@pytest.mark.parametrize("name, near", [("kinetic400", "kinetics400"), ("kinetics600", "kinetics400"), ("mine", "")])
def test_name_close_to_a_published_set_gives_note(name, near, clips, tmp_path, capsys):
    for split in ("train", "test"):
        film(tmp_path / "source" / split / "a" / "0.avi", clips[0][0])
    prepare(name, root=tmp_path / "sets", source=tmp_path / "source")
    assert (f"'{name}' is read as class folders of your own; it is not {near}" in capsys.readouterr().err) == bool(near)


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGTERM, signal.SIGKILL])
def test_crashing_video_is_reported_but_killed_worker_stops_the_call(clips, tmp_path, monkeypatch, number):
    """A crash (SIGSEGV) is the video's fault; a signal from outside (SIGTERM, SIGKILL) is not, and counting resumes."""
    for split in ("train", "test"):
        for k in range(3):
            film(tmp_path / "source" / split / "a" / f"{k}.avi", clips[0][0])
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(
        "import os, signal\nfrom pathlib import Path\nstat = Path.stat\n"
        "def crash(path, **options):\n"
        f"    if path.name == '1.avi' and path.parent.parent.name == 'train': os.kill(os.getpid(), {int(number)})\n"
        "    return stat(path, **options)\n"
        "import sys\nif sys.argv[0:1] != ['-c']: Path.stat = crash\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(site))
    call = partial(prepare, "mine", root=tmp_path / "sets", workers=2, source=tmp_path / "source")
    if number == signal.SIGSEGV:
        folder = call()
        assert DataInfo.read(folder).splits == {"train": 2, "test": 3}
        assert "train/a/1.avi: reading it crashes the program (signal 11)" in (folder / "report.txt").read_text()
        return
    with pytest.raises(
        DataError, match=rf"stopped at .*train/a/1.avi \(signal {int(number)}\); run the same command to resume"
    ):
        call()
    monkeypatch.delenv("PYTHONPATH")
    assert DataInfo.read(call()).splits == {"train": 3, "test": 3}
