import sys
from pathlib import Path

import pytest

from danlu.errors import WrongInput
from danlu.tasks.label_tables import read_rows
from danlu.tasks.labelled_files import LabelledFiles
from danlu.tasks.rows import Row

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

DATA = Path(__file__).parents[3] / "shared" / "data"


def table(folder, name, content):
    path = folder / name
    data = content if isinstance(content, bytes) else content.encode()
    path.write_bytes(zstd.compress(data) if name.endswith(".zst") else data)
    return path


@pytest.mark.parametrize("name", ["a.tsv", "a.tsv.zst"])
def test_tsv_has_no_quoting(tmp_path, name):
    path = table(tmp_path, name, 'text\tlabel\n他说"好\tpos\n "a" b \tneg\n')
    assert read_rows(path) == [Row('他说"好', "pos", f"{name}:2"), Row('"a" b', "neg", f"{name}:3")]


def test_windows_files_read_the_same(tmp_path):
    path = table(tmp_path, "a.tsv", b"\xef\xbb\xbf" + "text\tlabel\r\n好\tpos\r\n\r\n".encode())
    assert read_rows(path) == [Row("好", "pos", "a.tsv:2")]


def test_csv_quotes_and_columns_by_name(tmp_path):
    path = table(tmp_path, "a.csv", 'id,stars,review\n1,five,"good, and\nlong ""book"""\n2,one,bad\n')
    assert read_rows(path, text="review", label="stars") == [
        Row('good, and\nlong "book"', "five", "a.csv:2"),
        Row("bad", "one", "a.csv:4"),
    ]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.tsv", "txet\tlabel\nx\ty\n", r"a\.tsv:1: no column 'text'; did you mean 'txet'\?$"),
        ("a.tsv", "text\tkind\nx\ty\n", r"a\.tsv:1: no column 'label'; columns: kind, text$"),
        ("a.tsv", "\n", r"a\.tsv: is empty; write the names of the columns into the first line$"),
        ("a.csv", "", r"a\.csv: is empty; write the names of the columns into the first line$"),
        ("a.tsv", "text\tlabel\n好\ta\nx\ty\tz\n", r"a\.tsv:3: has 3 fields, the header has 2$"),
        ("a.tsv", "text\tlabel\n好\ta\n\nx\ty\n", r"a\.tsv:3: has 1 fields, the header has 2$"),
        ("a.tsv", "text\tlabel\nx\t\n", r"a\.tsv:2: the column 'label' is empty; fill it or delete the row$"),
        ("a.tsv", "text\tlabel\n \ty\n", r"a\.tsv:2: the column 'text' is empty"),
        ("a.tsv", "text\tlabel\n", r"a\.tsv: has no row below its header$"),
        ("a.tsv", b"text\tlabel\nx\ty\n\xff\xff\tz\n", r"a\.tsv:3: is not UTF-8; save the file as UTF-8$"),
        ("a.csv", 'text,label\nx,y\n"open,z\n', r"a\.csv:3: is not CSV \(unexpected end of data\); quote fields"),
        ("a.csv", 'text,label\n"x"x,y\n', r"a\.csv:2: is not CSV \(.*\); quote fields"),
        (
            "a.json",
            "{}",
            r"a\.json is not a table that danlu reads; use \.tsv, \.csv or \.jsonl, also with ",
        ),
    ],
)
def test_errors_in_tables_are_one_line(tmp_path, name, content, message):
    path = table(tmp_path, name, content)
    with pytest.raises(WrongInput, match=message) as caught:
        read_rows(path)
    assert str(caught.value).startswith(str(tmp_path))
    assert "\n" not in str(caught.value)


def test_a_long_field_of_a_table_is_read(tmp_path):
    """Regression: Python's reader stops at 131,072 characters, and the message advised to quote a field that was
    quoted."""
    (tmp_path / "long.csv").write_text('text,label\n"' + "long, " * 40_000 + '",a\n')
    assert len(read_rows(tmp_path / "long.csv")[0].text) > 200_000


def test_damaged_compression_is_reported(tmp_path):
    path = tmp_path / "a.tsv.zst"
    path.write_bytes(zstd.compress(b"text\tlabel\nx\ty\n" * 100)[:-9])
    with pytest.raises(WrongInput, match=r"a\.tsv\.zst: damaged or truncated"):
        read_rows(path)


def test_a_missing_file_suggests_the_nearest_table(tmp_path):
    table(tmp_path, "sst2.train.tsv.zst", "text\tlabel\nx\ty\n")
    (tmp_path / "sst2.train.md").write_text("not a table")
    with pytest.raises(WrongInput, match=r"sst.train.tsv.zst does not exist; did you mean .*/sst2\.train\.tsv\.zst\?$"):
        read_rows(tmp_path / "sst.train.tsv.zst")
    with pytest.raises(WrongInput, match=r"does not exist; .* has sst2\.train\.tsv\.zst$"):
        read_rows(tmp_path / "quite another name.csv")
    (tmp_path / "empty").mkdir()
    with pytest.raises(WrongInput, match=r"does not exist; .*empty has no \.tsv, \.csv or \.jsonl$"):
        read_rows(tmp_path / "empty" / "gone" / "a.tsv")


@pytest.fixture
def files(tmp_path):
    return (
        table(tmp_path, "train.tsv", "text\tlabel\n好\tpos\nBad Book\tneg\nfine\tpos\nawful\tneg\n"),
        table(tmp_path, "test.tsv", "text\tlabel\nbad  book\tneg\ngreat\tpos\n"),
        table(tmp_path, "dev.tsv", "text\tlabel\nFINE\tpos\nGreat\tpos\n"),
    )


def test_training_rows_repeated_in_dev_or_test_are_removed(files):
    train, test, dev = files
    task = LabelledFiles(train=train, test=test, dev=dev).read()
    assert [row.text for row in task.train] == ["好", "awful"]
    assert [row.text for row in task.dev] == ["FINE"]
    assert [row.text for row in task.test] == ["bad  book", "great"]
    assert task.classes == ("neg", "pos")
    assert task.facts["train_rows_repeated_in_dev_or_test"] == 2
    assert task.facts["dev_rows_repeated_in_test"] == 1


def test_without_a_development_file_there_are_no_development_rows(files):
    task = LabelledFiles(train=files[0], test=files[1]).read()
    assert task.dev == ()
    assert [row.text for row in task.train] == ["好", "fine", "awful"]


def test_a_test_label_without_training_rows_is_refused(files, tmp_path):
    test = table(tmp_path, "t.tsv", "text\tlabel\nx\tpos\ny\tnegg\n")
    with pytest.raises(WrongInput, match=r"t\.tsv:3: no training row has the label 'negg'; did you mean 'neg'\?$"):
        LabelledFiles(train=files[0], test=test).read()


def test_a_single_class_is_refused(files, tmp_path):
    train = table(tmp_path, "one.tsv", "text\tlabel\nx\tpos\ny\tpos\n")
    with pytest.raises(
        WrongInput, match=r"one\.tsv: the training rows have only the label 'pos'; a task needs two classes$"
    ):
        LabelledFiles(train=train, test=files[1]).read()


@pytest.mark.skipif(not DATA.is_dir(), reason="the shared data is absent")
@pytest.mark.parametrize(
    ("name", "sizes", "classes", "repeated"),
    [
        ("sst2", (6920, 872, 1821), 2, 3),
        ("chnsenticorp_dedup", (7568, 1138, 1176), 2, 0),
        ("tnews_few", (1185, 1098, 2010), 15, 0),
    ],
)
def test_sizes_of_real_tables(name, sizes, classes, repeated):
    train, dev, test = (DATA / f"{name}.{part}.tsv.zst" for part in ("train", "dev", "test"))
    task = LabelledFiles(train=train, test=test, dev=dev).read()
    assert (len(task.train) + repeated, len(task.dev), len(task.test)) == sizes
    assert task.facts["train_rows_repeated_in_dev_or_test"] == repeated
    assert len(task.classes) == classes
