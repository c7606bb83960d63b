"""A report as one page of HTML that needs no network, no script and no other file, for reading, printing and keeping."""

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from app.judgement.observed import Seen, about, region_words
from app.judgement.verdicts import when
from app.overview.facts import flattened, meaning
from app.report import checks, svg
from app.report.gathered import CONFUSED, Case, Report, Row
from app.report.markup import Markup, table, tag
from app.saliency.strips import SAID
from store.judgements import Observation

STYLE = (Path(__file__).parent / "document.css").read_text(encoding="utf-8")
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"  # should anything slip through, it does nothing
MATRIX = 20  # more classes than this are listed as pairs


def page(report: Report) -> str:
    """The whole document."""
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="generator", content="Loupe"),
        tag("title", f"Run {report.run.id}"),
        tag("style", Markup(STYLE)),
    )
    parts = (title, verdicts, observations, measures, by_class, confusion, maps, lineage, recipe, provenance, trail)
    body = tag("body", tag("main", [tag("section", part(report)) for part in parts]))
    return f"<!doctype html>\n{tag('html', head, body, lang='en')}\n"


def picture(data: bytes, alt: str) -> Markup:
    return tag("img", src=f"data:image/png;base64,{base64.b64encode(data).decode()}", alt=alt)


def percent(value: float | None) -> str:
    return "–" if value is None else f"{value * 100:.1f}%"


def number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


def name_of(item: Mapping[str, Any]) -> str:
    return f"{item.get('by') or 'no name given'}, {when(item.get('at') or 0)}"


# What people said


def title(report: Report) -> list[Markup]:
    facts = report.facts
    state, images, network = facts["status"]["state"], facts["images"], facts["facts"]
    said = (
        f"{images.get('title', '')}; {network.get('network')}, {network.get('parameters') or 0:,} parameters; {state}."
    )
    note = report.run.recipe.get("note", "")
    return [
        tag("h1", f"Run {report.run.id}"),
        tag("p", said),
        tag("p", note) if note else Markup(""),
        tag("p", f"Report of {when(facts['made'])}, made by Loupe.", class_="soft"),
    ]


def verdicts(report: Report) -> list[Markup]:
    said = report.facts["verdicts"]
    if not said:
        return [tag("h2", "Verdict"), tag("p", "Nobody has decided about this run yet.")]
    latest, *earlier = reversed(said)
    rows = [(item["verdict"], item["reason"], item["by"] or "no name given", when(item["at"])) for item in earlier]
    return [
        tag("h2", "Verdict"),
        tag("p", tag("span", latest["verdict"], class_="verdict"), tag("small", name_of(latest))),
        tag("p", latest["reason"], class_="said"),
        *([tag("h3", "Earlier verdicts"), table(rows, ("verdict", "reason", "by", "at"))] if rows else []),
    ]


def observations(report: Report) -> list[Markup]:
    said = report.facts["observations"]
    if not said:
        return [tag("h2", "Observations"), tag("p", "Nobody has left an observation on this run yet.")]
    return [tag("h2", f"Observations ({len(said)})"), *(observation(report, item) for item in said)]


def observation(report: Report, item: dict[str, Any]) -> Markup:
    view, drawn = report.seen.get(item["id"], (Seen(report.run.id, 0), b""))
    what = about(Observation(**item))
    parts = [tag("figure", picture(drawn, f"{what}: {view.words}"), tag("figcaption", view.words))] if drawn else []
    words = [
        tag("p", item["text"], class_="said"),
        tag("p", [tag("span", name, class_="tag") for name in item["tags"]]) if item["tags"] else Markup(""),
        tag("p", tag("small", f"{what} · {name_of(item)}")),
        checks.badge(report.facts["checks"], item["technique"], item["layer"], view.epoch),
        tag("p", tag("small", region_words(item["region"]))) if item["region"] else Markup(""),
        tag("p", tag("small", f"Its map is not shown: {view.why}.")) if view.why and item["technique"] else Markup(""),
    ]
    return tag("article", parts, tag("div", words), class_="observation")


# Measures


def measures(report: Report) -> list[Markup]:
    held = report.facts["measures"]
    if not held["epochs"]:
        return [tag("h2", "Measures"), tag("p", "No epoch of this run is finished.")]
    if "likeliest" in held:
        return taken_for(held["likeliest"])
    epochs, accuracy, loss = held["epochs"], held["accuracy"], held["loss"]
    short = {"training sample": "training", "evaluated images": "test"}
    charts = [
        svg.lines("Accuracy by epoch", epochs, renamed(accuracy, short), x_label="epoch", y_label="accuracy", top=1.0),
        svg.lines("Loss by epoch", epochs, renamed(loss, short), x_label="epoch", y_label="cross entropy, nats"),
    ]
    rows = [
        (epoch, *(percent(accuracy[split][at]) for split in short), *(number(loss[split][at]) for split in short))
        for at, epoch in enumerate(epochs)
    ]
    heads = ("epoch", "accuracy, training", "accuracy, test", "loss, training", "loss, test")
    count = report.facts["images"].get("evaluated", 0)
    return [
        tag("h2", "Measures"),
        tag("p", f"Test: {count:,} evaluated images. Training: a fixed sample of the training images.", class_="soft"),
        tag("div", [tag("figure", chart, style="margin:0") for chart in charts], class_="charts"),
        tag("details", tag("summary", "The same in numbers"), table(rows, heads, 5)),
    ]


def taken_for(images: Sequence[Mapping[str, float]]) -> list[Markup]:
    """The likeliest classes of images without a label, of which nothing is right or wrong."""
    rows = [
        (image, "; ".join(f"{name} ({percent(share)})" for name, share in seen.items()))
        for image, seen in enumerate(images)
    ]
    note = "The images have no label, so no accuracy is measured."
    return [
        tag("h2", "What the images are taken for"),
        tag("p", note, class_="soft"),
        table(rows, ("image", "likeliest classes")),
    ]


def renamed(series: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    return {names.get(name, name): values for name, values in series.items()}


def by_class(report: Report) -> list[Markup]:
    held = report.facts["measures"].get("by_class")
    if not held:
        return []
    columns = [held[name] for name in ("precision", "recall", "f1")]
    rows = [
        (name, held["n"][at], *(percent(column[at]) for column in columns))
        for at, name in enumerate(report.facts["classes"])
    ]
    return [tag("h2", f"Classes at epoch {held['epoch']}"), table(rows, ("class", "n", "precision", "recall", "F1"), 4)]


def confusion(report: Report) -> list[Markup]:
    """A matrix shaded by the share of the true class, or, of many classes, the most frequent confusions."""
    held, names = report.facts["measures"].get("confusion"), report.facts["classes"]
    if not held:
        return []
    counts, heading = held["true_by_predicted"], tag("h2", f"Confusion at epoch {held['epoch']}")
    if len(names) > MATRIX:
        pairs = [
            (count, names[true], names[taken])
            for true, line in enumerate(counts)
            for taken, count in enumerate(line)
            if true != taken and count
        ]
        rows = [(true, taken, count) for count, true, taken in sorted(pairs, key=lambda pair: -pair[0])[:CONFUSED]]
        said = f"The {len(rows)} most frequent confusions; the whole matrix is in the JSON file."
        return [heading, tag("p", said, class_="soft"), table(rows, ("true class", "taken for", "images"), 1)]
    head = tag("tr", tag("th", "true ↓ predicted →"), [tag("th", name, scope="col") for name in names])
    lines = [
        tag("tr", tag("th", name, scope="row"), [cell(count, sum(line)) for count in line])
        for name, line in zip(names, counts, strict=True)
    ]
    return [heading, tag("div", tag("table", tag("thead", head), tag("tbody", lines), class_="matrix"), class_="wide")]


def cell(count: int, total: int) -> Markup:
    return tag("td", count or "", style=f"--share: {0.75 * count / total if total else 0:.2f}")


# Maps


def maps(report: Report) -> list[Markup]:
    """The three recommended cases of each class shown."""
    if not report.cases:
        return [tag("h2", "Maps"), tag("p", "This run holds no saliency maps that could be shown.")]
    note = (
        "Chosen by the last epoch: the most confident image of the class taken for it, of another class taken for it, and "
        "of the class taken for another. Each row has one scale, from no evidence to the number beside it."
    )
    parts = [tag("h2", "Maps"), tag("p", note, class_="soft")]
    for name, cases in groupby(report.cases, key=lambda case: case.chosen):
        parts += [tag("h3", f"Class {name}"), *(shown(report, case) for case in cases)]
    return parts + checks.drawn(report.facts["checks"])


def shown(report: Report, case: Case) -> Markup:
    heading = tag(
        "p", tag("b", case.case.capitalize()), f" · {case.words}" if case.words else " · no image is in this case"
    )
    if case.image is None:
        return heading
    head = tag("tr", tag("th", "epoch"), [tag("td", tag("small", epoch)) for epoch in case.epochs])
    lines = [tag("tr", *cells(report, case, row)) for row in case.rows]
    figure = tag("figure", picture(case.picture, case.words), tag("figcaption", f"image {case.image}"))
    grid = tag("div", tag("table", tag("tbody", head, lines)), class_="wide")
    return tag("div", heading, tag("div", figure, grid, class_="maps"))


def cells(report: Report, case: Case, row: Row) -> Iterator[Markup]:
    scale = row.facts.get("scale")
    side = " × ".join(map(str, row.facts["size"]))
    low = "±" if row.facts.get("signed") else "0 to "
    under = f"{row.facts['layer']}, {side}" + (f", {low}{scale:.3g}" if scale is not None else "")
    trust = checks.badge(report.facts["checks"], row.facts["technique"], row.facts["layer"], case.epochs[-1])
    yield tag("th", row.technique, tag("br"), tag("small", under), tag("br"), trust, scope="row")
    if "obstacle" in row.facts:
        yield tag("td", tag("small", row.facts["obstacle"]), colspan=len(case.epochs))
        return
    for epoch, one in zip(case.epochs, row.maps, strict=True):
        what = f"{row.technique} for {case.chosen}, image {case.image}, epoch {epoch}"
        yield tag("td", picture(one, what) if isinstance(one, bytes) else tag("small", SAID.get(one, one)))


# Where it comes from


def lineage(report: Report) -> list[Markup]:
    rows = [
        (str(item.get("parent") or "–"), str(item.get("hypothesis") or "–"), name_of(item))
        for item in report.facts["lineage"]
    ]
    return [tag("h2", "Lineage"), table(rows, ("re-trained from", "expected", "asked by"))] if rows else []


def recipe(report: Report) -> list[Markup]:
    rows = [(name, value, meaning(name)) for name, value in flattened(report.facts["recipe"]) if name != "note"]
    return [tag("h2", "Recipe"), table(rows, ("field", "value", "meaning"))]


def provenance(report: Report) -> list[Markup]:
    facts = report.facts
    rows = [
        ("created", when(facts["facts"].get("created") or 0)),
        ("uuid", facts["facts"].get("uuid")),
        *flattened({"images": facts["images"], **facts["provenance"], "fingerprints": facts["fingerprints"]}),
    ]
    return [tag("h2", "Provenance"), table(rows, ("fact", "value"))]


def trail(report: Report) -> list[Markup]:
    rows = [
        (item["action"], ", ".join(f"{name} {value}" for name, value in flattened(item["what"])), name_of(item))
        for item in report.facts["trail"]
    ]
    return [tag("h2", "Trail"), table(rows, ("act", "what", "by"))] if rows else []


def data(report: Report) -> str:
    """The facts as JSON."""
    return json.dumps(report.facts, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
