"""The content of each section of the page, from the results and the training log; empty sections are empty lists."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from danlu.report import verdicts
from danlu.report.chart_bars import bar_chart, bars_of, groups
from danlu.report.phrases import Text, phrase, word
from danlu.report.pictures import grey_picture
from danlu.report.pieces import readable_tokens
from danlu.report.training_log import Metrics, Record, downsample, records_of
from danlu.results import (
    ExampleStream,
    ExportResult,
    Figure,
    GeneratedSample,
    InputOutput,
    ModelResult,
    ObjectiveMetrics,
    Results,
    TermLoss,
    TokenizedText,
    finite,
)

MAX_SAMPLES = 8  # during training
MAX_TOKENS = 200  # of one stream


@dataclass(frozen=True)
class Control:
    """A baseline in the table of bits per byte."""

    label: Text
    value: float
    sides: list[Text]  # whether each model has lower or higher bits per byte


@dataclass(frozen=True)
class Bits:
    """The chart and table of models with the same baselines."""

    id: str
    models: list[ModelResult]
    controls: list[Control]
    chart: Markup | None


def bits(results: Results) -> list[Bits]:
    found = []
    for i, models in enumerate(groups(results.pretrain)):
        controls = [
            Control(word("baseline", name), value, [side_of(model, name, value) for model in models])
            for name, value in sorted(models[0].finite_baselines().items(), key=lambda item: item[1])
        ]
        bars = bars_of(models)
        found.append(Bits(f"bits-{i}", models, controls, bar_chart(bars, f"bits-{i}") if bars else None))
    return found


def side_of(model: ModelResult, name: str, value: float) -> Text:
    """Return whether the model's bits per byte are lower or higher than those of a baseline, as in the summary."""
    if not finite(model.bits_per_byte):
        return phrase("verdict.unknown")
    if verdicts.is_short(model.sufficiency):
        return phrase("verdict.short")
    words = {verdicts.BETTER: "bits.lower", verdicts.WORSE: "bits.higher", verdicts.LEVEL: "bits.equal"}
    measured = verdicts.of_difference((model.differences or {}).get(name), higher_is_better=False)
    if measured is not None:
        return phrase("verdict.level" if measured == verdicts.LEVEL else words[measured])
    side = phrase(words[verdicts.of_bits(model.bits_per_byte, value)])
    ends = model.bits_per_byte_interval
    return phrase("bits.inside", side=side) if ends and ends[0] <= value <= ends[1] else side


def terms(results: Results) -> list[tuple[str, str, TermLoss]]:
    """Return (model, term, values) of the models that have more than one term."""
    return [
        (model.name, name, term)
        for model in results.pretrain
        for name, term in (model.terms or {}).items()
        if len(model.terms or {}) > 1
    ]


@dataclass(frozen=True)
class MetricsView:
    """The metrics that an objective defines for its model."""

    id: str
    name: str
    objective: str
    figures: list[tuple[Text, Figure]]  # (name, value)
    samples: list[InputOutput]
    drawn: list[tuple[str, Markup]]  # (title, picture)


def objective_metrics(results: Results) -> list[MetricsView]:
    found = []
    for i, model in enumerate(results.pretrain):
        measured = model.judged or ObjectiveMetrics()
        figures = [
            (figure_name(name), value if isinstance(value, Figure) else Figure(value=value))
            for name, value in measured.figures.items()
        ]
        drawn = [(picture.title, grey_picture(picture)) for picture in measured.pictures]
        if figures or measured.samples or drawn:
            found.append(MetricsView(f"evaluation-{i}", model.name, model.objective, figures, measured.samples, drawn))
    return found


def figure_name(name: str) -> Text:
    """Translate the name of a metric: `part: metric, model`, where part and model are optional."""
    if (known := word("figure", name)) != name:
        return known
    part, colon, figure = name.partition(": ")
    if colon:
        return phrase("evaluation.part", part=part, figure=figure_name(figure))
    figure, comma, model = name.rpartition(", ")
    return phrase("evaluation.of", figure=word("figure", figure), model=word("figure", model)) if comma else name


@dataclass(frozen=True)
class SamplesView:
    """The generated samples of a model."""

    name: str
    after: list[GeneratedSample]  # after training
    during: list[Record]  # during training, downsampled
    total: int  # number of samples during training


def samples(results: Results, metrics: Metrics) -> list[SamplesView]:
    found = []
    for model in results.pretrain:
        records = records_of(metrics, f"pretrain/{model.name}", "sample")
        during = [record for record in records if record.text is not None]
        after = model.samples or []
        if after or during:
            found.append(SamplesView(model.name, after, downsample(during, MAX_SAMPLES), len(during)))
    return found


@dataclass(frozen=True)
class StreamView:
    """One stream of an example."""

    name: str
    tokens: list[tuple[str, str | None]]  # (input token, target or None)
    total: int  # number of tokens
    sequence_labels: dict[str, str]


@dataclass(frozen=True)
class ExampleView:
    """A training example of a model."""

    model: ModelResult
    streams: list[StreamView]


def examples(results: Results) -> list[ExampleView]:
    byte_level = is_byte_level(results)
    found = []
    for model in results.pretrain:
        streams = [stream_view(shown, byte_level) for shown in model.example or []]
        if streams:
            found.append(ExampleView(model, streams))
    return found


def stream_view(shown: ExampleStream, byte_level: bool) -> StreamView:
    """Pair each token with its target, both in readable form."""
    pieces = shown.tokens[:MAX_TOKENS]
    # inputs and targets are converted together, because whether they are decoded is detected from all of them
    readable = iter(readable_tokens(pieces + [target for target in shown.targets if target is not None], byte_level))
    pieces = [next(readable) for _ in pieces]
    targets = [None if target is None else next(readable) for target in shown.targets]
    targets += [None] * (len(pieces) - len(targets))
    return StreamView(
        shown.stream, list(zip(pieces, targets[: len(pieces)], strict=True)), len(shown.tokens), shown.sequence_labels
    )


def tokenized_examples(results: Results) -> list[TokenizedText]:
    if results.tokenizer is None:
        return []
    byte_level = is_byte_level(results)
    return [
        TokenizedText(text=example.text, tokens=readable_tokens(example.tokens, byte_level))
        for example in results.tokenizer.examples
    ]


def is_byte_level(results: Results) -> bool:
    return bool(results.tokenizer and (results.tokenizer.kind or "").startswith("byte"))


def exports(results: Results) -> list[tuple[ExportResult, str]]:
    return [(export, verdict_of(export)) for export in results.exports]


def verdict_of(export: ExportResult) -> str:
    if export.tolerance is None or export.max_logit_difference is None:
        return "unknown"
    return "passed" if export.max_logit_difference <= export.tolerance else "failed"
