"""One table of wrong inputs: each ends with exit code 2 and one line that says what is wrong and what to do.

The same table is run in Chinese. Wrong inputs that need damaged files are in `test_model_verbs.py` and
`test_errors_are_one_line.py`.
"""

from __future__ import annotations

import json
import re
import shlex

import pytest
from tiny_recipe import write_tiny_recipe

import danlu

ENCODER = (
    "models.reader={objective: masked, architecture: {name: transformer, layers: 1, width: 16, heads: 2, context: 16, "
    "activation: relu2}, training: {budget: 2 steps, batch_tokens: 64, validations: 1, validation_tokens: 64}}"
)
MODEL = "run/model/reader"
ROWS = "--train train.tsv --test test.tsv"

WRONG = [
    # commands and options
    ("rnu", "no command 'rnu'; did you mean 'run'?"),
    ("corpus chek", "No such command 'chek'"),
    ("run", "Missing argument 'RECIPE|TEXT'"),
    ("generate run", "Missing argument 'PROMPT'"),
    ("cluster run", r"Missing argument 'SOURCE\.\.\.'"),
    ("corpus build eng", "Missing option '--out'"),
    (f"export {MODEL}", "Missing option '--to'"),
    ("run tiny.yaml --outt x", "No such option '--outt'. Did you mean '--out'"),
    ("matrix x", r"unexpected extra argument \(x\)"),
    ("doctor x", r"unexpected extra argument \(x\)"),
    ("schema x", r"unexpected extra argument \(x\)"),
    ("demo --out", "Option '--out' requires an argument"),
    ("demo x", "'x' is not key.path=value"),
    (f"finetune {MODEL} {ROWS} --seeds 0", "'--seeds': 0 is not in the range"),
    (f"finetune {MODEL} --train train.tsv --split 1.5", "'--split': 1.5 is not in the range"),
    (f"finetune {MODEL} --train train.tsv", "give --test FILE or --split 0.2"),
    (f"finetune {MODEL} {ROWS} --split 0.2", r"give either test \(a table\) or split"),
    ("compare tiny.yaml", "exactly one of --tokens, --time and --flops"),
    # budgets
    ("run eng --budget soon", "--budget: 'soon' is not a budget such as 5min"),
    ("run eng --budget '40 steps'", "--budget: '40 steps' is not a time such as 4min"),
    ("run demo --budget 0s", "--budget: '0s' must be above 0"),
    ("run tiny.yaml --budget 2min", "no time budget to scale; set models.NAME.training.budget"),
    ("compare tiny.yaml --tokens x", "budget: 'x tokens' is not a budget"),
    (f"finetune {MODEL} {ROWS} --budget soon", "training.budget: 'soon' is not a budget"),
    # web addresses
    ("run https://example.com/a.txt", "address https://example.com/a.txt, and danlu downloads nothing; download it"),
    ("run tiny.yaml corpus.source=https://example.com/", "corpus.source is the address https://example.com/, and"),
    ("run eng corpus.source=s3://bucket/a", "corpus.source is the address s3://bucket/a, and danlu downloads nothing"),
    ("init https://example.com/", "the text is the address https://example.com/"),
    ("show https://example.com/a.yaml", "the recipe or text is the address"),
    ("corpus check https://example.com/a", "the text is the address https://example.com/a"),
    (f"evaluate {MODEL} https://example.com/a", "the text is the address"),
    (f"finetune {MODEL} --train https://a.org/t.tsv --test test.tsv", "--train is the address https://a.org/t.tsv"),
    ("generate https://huggingface.co/gpt2 The", "the model is the address .* download it and give the file or folder"),
    ("pretrain tiny.yaml --from hf://gpt2", "the model is the address hf://gpt2"),
    # texts
    ("run nosuch/", "no file or folder 'nosuch/'; give a text that exists, or a recipe"),
    ("run engg", "no recipe 'engg': neither a file nor a shipped recipe; did you mean 'eng'?"),
    ("run qqqqq", "list the shipped recipes with: danlu recipes"),
    ("run /nosuch/there", "no file or folder '/nosuch/there'"),
    ("run /proc/nosuchfile", "/proc/nosuchfile"),
    ("run /proc/self/mem", "source: /proc/self/mem is not in a supported text format|cannot be read"),
    ("run /dev/null", "source: /dev/null is neither a file nor a folder"),
    ("init nosuch", "source: nosuch does not exist"),
    ("corpus check eng enf", "source: enf does not exist; did you mean eng?"),
    ("corpus check builtin:pydoc", "builtin:pydoc is unknown; did you mean 'builtin:pydocs'?"),
    ("run picture.png", r"picture\.png"),
    ("run binary.txt", r"binary\.txt"),
    ("run empty.txt", r"empty\.txt: empty|empty\.txt"),
    ("run nothing", "nothing contains no text files|nothing"),
    ("run .", r"is inside the text \.,"),
    ("run eng --out eng/run", "eng/run is inside the text eng, .* choose a folder outside of it with --out"),
    (f"evaluate {MODEL} empty.txt", "holds no text to evaluate on"),
    (f"evaluate {MODEL} eng --documents lines", "documents: 'lines' is no layout of documents; did you mean 'line'?"),
    (f"embed {MODEL} nosuch.txt", "'nosuch.txt': No such file or directory"),
    (f"embed {MODEL} eng", "'eng': Is a directory"),
    (f"embed {MODEL} empty.txt", "empty.txt holds no line; give one text a line"),
    (f"embed {MODEL} eng/1.txt --pooling men", "unknown pooling 'men'; did you mean 'mean'?"),
    # recipes
    ("run run", "run is a run directory; resume its run with: danlu run run/recipe.yaml"),
    ("show eng", "eng is text, not a recipe; write a recipe for it with: danlu init eng"),
    ("compare tiny.yaml eng --tokens 1k", "eng is text, not a recipe"),
    ("compare tiny.yaml tiny.yaml --tokens 1k", "two of the recipes have the same name"),
    ("recipes smok", "did you mean 'smoke'?"),
    ("run smoke machine.device=cudaa", "machine.device: must be 'auto', 'cpu', 'cuda' or 'mps', not 'cudaa'"),
    ("run smoke tokenizer.size=abc", "tokenizer.size: must be a valid integer"),
    ("run smoke models.decoder.objective=causl", "no objective is called 'causl'; did you mean 'causal'?"),
    ("run smoke models.decoder.architecture.heads=3", "width 64 is not a multiple of heads 3; set head_dim or change"),
    ("run smoke corpus.test=0.6", "corpus.test: must be less than 0.5, not 0.6"),
    ("run smoke 'tokenizer={'", "not YAML"),
    ("run smoke no.such=1", "unknown key 'no'"),
    ("run eng no.such=1", "the drafted recipe with overrides: no: unknown key 'no'"),
    ("run eng tokenizer.siz=1 --budget 3s", "tokenizer: unknown key 'siz'|unknown key 'siz'; did you mean 'size'?"),
    ("run eng lr", "'lr' is not key.path=value"),
    ("pretrain eng --model decodr", "has no model 'decodr'; did you mean 'decoder'?"),
    ("cluster run/model/small eng --set docments=3", "unknown key 'docments'; did you mean 'documents'?"),
    # models
    ("generate gpt2 The", "gpt2 is not a folder; give the folder of a saved model"),
    ("generate rum The", "rum is not a folder; give the folder of a saved model; did you mean run?"),
    ("generate eng The", "eng contains no model"),
    (f"generate {MODEL} The", "does not continue text; load a causal one, such as run/model/small"),
    ("fill run/model/small 'the ___'", f"does not fill blanks; load a masked one, such as {MODEL}"),
    (f"fill {MODEL} 'no blank'", r"the text has no blank; mark each blank with <mask>, \[MASK\] or ___"),
    ("classify run text", f"no model of run is fine-tuned; .* it has: {MODEL}, run/model/small"),
    (f"classify {MODEL} text", r"does not classify; load a fine-tuned model \(RUN/tasks/NAME\)"),
    ("generate tuned The", "no model of tuned continues or rewrites text; it has: tuned/tasks/labels/model"),
    ("export tuned --to out", f"fine-tuned model, .* export the model .* from: danlu export {MODEL} --to out"),
    ("export tuned/tasks/labels --to out", "use it with: danlu classify tuned/tasks/labels/model TEXT"),
    ("export run --to out --model smal", "run has no model 'smal'; did you mean 'small'?"),
    (f"export {MODEL} --to out --model reader", "--model: run/model/reader is not a run directory; leave --model out"),
    (f"export {MODEL} --to eng", "eng exists and is not a model saved by danlu|cannot be exported"),
    ("pretrain tiny.yaml --from nosuch", "nosuch is not a folder"),
    (f"neighbours {MODEL} zzqqxxyy", r"'zzqqxxyy' is not in the vocabulary \(its tokens: .*\); give another word"),
    (f"neighbours {MODEL} 炉", "'炉' is not in the vocabulary"),
    (f"neighbours {MODEL} ' '", "' ' is not in the vocabulary; give another word"),
    # labelled rows
    (f"finetune {MODEL} --train trian.tsv --test test.tsv", "trian.tsv does not exist; did you mean .*train.tsv?"),
    (f"finetune {MODEL} --train train.tsv --test train.tsv", "after removing 20 whose text is also in train.tsv"),
    (f"finetune {MODEL} --train iron.tsv --test test.tsv", "have only the label 'iron'; a task needs two classes"),
    (f"finetune {MODEL} --train semicolons.csv --test test.tsv", "separated by semicolons, not by commas; save it"),
    (f"finetune {MODEL} --train commas.tsv --test test.tsv", "separated by commas, not by tabs; save it with tabs"),
    (f"finetune {MODEL} --train double.tsv --test test.tsv", "double.tsv:1: has 2 columns 'label'; rename or delete"),
    (f"finetune {MODEL} --train header.tsv --test test.tsv", "header.tsv: has no row below its header"),
    (f"finetune {MODEL} --train empty.tsv --test test.tsv", "empty.tsv: is empty"),
    (f"finetune {MODEL} --train picture.png --test test.tsv", "is not a table that danlu reads; use .tsv, .csv or"),
    (f"finetune {MODEL} --train broken.jsonl --test test.tsv", "broken.jsonl:2: is not JSON; write one object per"),
    (f"finetune {MODEL} --train uneven.jsonl --test test.tsv", "uneven.jsonl:2: has no field 'label', which line 1"),
    (f"finetune {MODEL} --train list.jsonl --test test.tsv", "list.jsonl:1: is not a JSON object"),
    (f"finetune {MODEL} {ROWS} --text txt", "train.tsv:1: no column 'txt'; did you mean 'text'?"),
    (f"finetune {MODEL} {ROWS} --label text", "no training row has the label 'test 0"),
    (f"finetune {MODEL} {ROWS} --labels-per-class 50", "50 labels per class are asked for, but class 'gold' has 10"),
    (f"finetune {MODEL} {ROWS} --task clasify", "no task is called 'clasify'; did you mean 'classify'?"),
    (f"finetune {MODEL} {ROWS} training.optimzer=3", "unknown key 'optimzer'; did you mean 'optimizer'?"),
    (f"finetune {MODEL} {ROWS} task.max_tokens=99", "99 exceeds the context of the model; lower it to at most 16"),
    # tokenizers
    ("tokenizer train eng --size 999999 --out t", "999999 entries are more than a text of .* bytes can give; lower it"),
    ("tokenizer train eng --kind word --size 999999 --out t", "999999 entries are more than a text of"),
    ("tokenizer train eng --size 3 --out t", "tokenizer: size: must be greater than"),
    ("tokenizer train eng --kind byte_bp --out t", "did you mean 'byte_bpe'?"),
    ("tokenizer train eng --out eng", "eng exists and was not written by danlu; choose another folder with --out"),
    ("tokenizer report eng eng", "eng has no tokenizer.json"),
    ("tokenizer report nosuch eng", "nosuch does not exist; name a tokenizer.json, a .model"),
]  # fmt: skip
"""(command line, regular expression of the message)"""


def write_tables(folder):
    metals = ("iron", "gold")
    tables = {
        "train.tsv": ["text\tlabel", *(f"train {i} the {metals[i % 2]} melts\t{metals[i % 2]}" for i in range(20))],
        "test.tsv": ["text\tlabel", *(f"test {i} the {metals[i % 2]} melts\t{metals[i % 2]}" for i in range(10))],
        "iron.tsv": ["text\tlabel", *(f"{i} melts\tiron" for i in range(5))],
        "semicolons.csv": ["text;label", *(f"{i} melts;{metals[i % 2]}" for i in range(6))],
        "commas.tsv": ["text,label", *(f"{i} melts,{metals[i % 2]}" for i in range(6))],
        "double.tsv": ["text\tlabel\tlabel", "one\tiron\tgold", "two\tgold\tiron"],
        "header.tsv": ["text\tlabel"],
        "empty.tsv": [],
        "rows.jsonl": [json.dumps({"text": f"{i} melts", "label": metals[i % 2]}) for i in range(10)],
        "broken.jsonl": ['{"text": "a", "label": "iron"}', '{"text": '],
        "uneven.jsonl": ['{"text": "a", "label": "iron"}', '{"text": "b"}'],
        "list.jsonl": ["[1, 2]"],
        "empty.txt": [],
    }
    for name, lines in tables.items():
        (folder / name).write_text("\n".join(lines), "utf-8")
    (folder / "picture.png").write_bytes(b"\x89PNG" + bytes(range(256)) * 8)
    (folder / "binary.txt").write_bytes(bytes(range(256)) * 8)
    (folder / "nothing").mkdir()
    (folder / "eng").mkdir()
    for i in range(40):
        (folder / "eng" / f"{i}.txt").write_text(f"The furnace number {i} stands in the north and burns.\n" * 8)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with texts, tables, a run of two models and a fine-tuned model."""
    pytest.importorskip("sklearn")
    folder = tmp_path_factory.mktemp("wrong")
    write_tables(folder)
    tiny = write_tiny_recipe(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        danlu.run(tiny, [ENCODER], out="run", quiet=True)
        machine = ["machine={dtype: float32, threads: 1}"]
        danlu.finetune(
            MODEL, "train.tsv", "test.tsv", seeds=1, budget="1 step", out="tuned", overrides=machine, quiet=True
        )
    return folder


def refused(danlu_command, monkeypatch, place, line, *more):
    """Run a command line that is refused; return its message. Nothing may be left behind."""
    monkeypatch.chdir(place)
    before = sorted(place.rglob("*"))
    code, out, err = danlu_command(*shlex.split(line), *more)
    assert (code, out, len(err)) == (2, "", 1), err
    assert err[0].startswith("danlu: ")
    assert "Traceback" not in err[0]
    assert sorted(place.rglob("*")) == before
    return err[0]


@pytest.mark.parametrize(("line", "expected"), WRONG, ids=[line for line, _ in WRONG])
def test_a_wrong_input_is_one_line_that_says_what_to_do(danlu_command, monkeypatch, place, line, expected):
    found = refused(danlu_command, monkeypatch, place, line, "--lang", "en")
    assert re.search(expected, found), found


@pytest.mark.parametrize("line", [line for line, _ in WRONG])
def test_a_wrong_input_is_one_line_in_chinese_too(danlu_command, monkeypatch, place, line):
    refused(danlu_command, monkeypatch, place, line, "--lang", "zh")


def test_the_table_has_no_line_twice():
    lines = [line for line, _ in WRONG]
    assert len(set(lines)) == len(lines) >= 60


def test_rows_in_json_lines_and_the_labels_that_no_test_row_has(danlu_command, monkeypatch, place, tmp_path):
    monkeypatch.chdir(place)
    words = ["finetune", MODEL, "machine={dtype: float32, threads: 1}", "--seeds", 1, "--budget", "1 step"]
    given = [*words, "--train", "rows.jsonl", "--test", "iron.tsv", "--out", tmp_path / "a b"]
    code, out, err = danlu_command(*given)
    assert (code, out) == (0, f"{tmp_path / 'a b' / 'report.html'}\n"), err
    removed = "5 to train on, 5 to test on, 2 classes (5 training rows with the text of another table removed)"
    assert f"rows       {removed}; no test row has the label 'gold'" in err
    assert err[-1] == f"next       danlu classify '{tmp_path / 'a b' / 'tasks' / 'labels' / 'model'}' 'a text'"
    assert danlu_command(*shlex.split(err[-1])[2:])[0] == 0
