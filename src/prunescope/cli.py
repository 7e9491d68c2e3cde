"""The command line: each verb calls one public function and prints; no decisions."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

import prunescope
from prunescope.core.errors import PrunescopeError
from prunescope.study import catalog
from prunescope.study.audit import audit as audit_networks
from prunescope.study.battery import parse_numbers, read_names
from prunescope.study.display import Display
from prunescope.study.doctor import environment, examine
from prunescope.study.export import export as export_network
from prunescope.study.garbage import garbage
from prunescope.study.report import report as write_report
from prunescope.study.run import Summary, default_store, forecast, pick_siblings
from prunescope.study.run import results as read_results
from prunescope.study.run import run as run_study
from prunescope.study.status import status as read_status
from prunescope.study.study import Study, load_study, parse_place, parse_setting

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, help=prunescope.__doc__)


class Format(StrEnum):
    """How a table is printed."""

    table = "table"
    csv = "csv"
    parquet = "parquet"
    json = "json"


Name = Annotated[str, typer.Argument(metavar="STUDY", help="a preset's name or a YAML file")]
Size = Annotated[str, typer.Option(help="tiny, small or paper")]
Settings = Annotated[list[str] | None, typer.Option("--set", metavar="A.B=C", help="set one field of the study")]
Places = Annotated[list[str] | None, typer.Option("--data", metavar="NAME=PATH", help="other place for a data set")]
Folder = Annotated[
    str | None, typer.Option("--store", help="folder of artefacts [PRUNESCOPE_STORE or prunescope-store]")
]
Workers = Annotated[int | None, typer.Option(help="worker processes [one a core]")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:i or mps")]


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="folder of the report")] = Path("prunescope-demo"),
    store: Folder = None,
    workers: Workers = None,
    device: Device = "auto",
) -> None:
    """Run the embedded study on handwritten digits and write OUT/report.html."""
    study = load_study("demo")
    summary = _run(study, store=store, workers=workers, device=device)
    page = out / "report.html"
    typer.echo(page if page.is_file() and not summary.done else write_report(study, page, store=store))
    raise typer.Exit(0 if summary.complete else 1)


@app.command()
def run(
    study: Name,
    size: Size = "tiny",
    data: Places = None,
    store: Folder = None,
    workers: Workers = None,
    on: Annotated[str, typer.Option(help="local, inline, ray or ray://HOST:PORT")] = "local",
    settings: Settings = None,
    device: Device = "auto",
    siblings: Annotated[
        str, typer.Option(metavar="N|auto|off", help="networks that differ only by seed trained at once")
    ] = "off",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="tell what would be run, run nothing")] = False,
) -> None:
    """Run what is missing of a study; what is in the store is not computed again."""
    chosen = _study(study, size, settings, data)
    pick_siblings(siblings)
    if dry_run:
        typer.echo(forecast(chosen, store=store, workers=workers))
        return
    summary = _run(chosen, store=store, workers=workers, on=on, device=device, siblings=siblings)
    raise typer.Exit(0 if summary.complete else 1)


@app.command()
def audit(
    dense: Annotated[list[str], typer.Option(metavar="FILE", help="checkpoint; again for other seeds")],
    pruned: Annotated[list[str], typer.Option(metavar="FILE", help="checkpoint, or FILE=MODEL; again for others")],
    data: Annotated[str, typer.Option(metavar="REF", help="a registered name, NAME=PATH, a path, or owner/name")],
    model: Annotated[str | None, typer.Option(metavar="REF", help="a registered name, or file.py:factory, …")] = None,
    mean: Annotated[str | None, typer.Option(metavar="R,G,B", help="of images in [0, 1], by channel")] = None,
    std: Annotated[str | None, typer.Option(metavar="R,G,B", help="of images in [0, 1], by channel")] = None,
    resize: Annotated[int | None, typer.Option(metavar="N", help="images become squares of this side")] = None,
    limit: Annotated[int | None, typer.Option(metavar="N", help="at most so many images, stratified")] = None,
    classes: Annotated[Path | None, typer.Option(help="file of class names, one a line, as the outputs")] = None,
    measures: Annotated[str | None, typer.Option(metavar="A,B", help="measures; corruptions adds those views")] = None,
    budget: Annotated[Path | None, typer.Option(help="YAML file of promises; exit code 1 if one is broken")] = None,
    out: Annotated[Path, typer.Option(help="folder of report, table and verdict")] = Path("prunescope-audit"),
    store: Folder = None,
    trust: Annotated[bool, typer.Option("--trust", help="unpickle whole modules: runs code in the files")] = False,
    device: Device = "auto",
) -> None:
    """Tell what pruning did to a network, from checkpoints: OUT/report.html, results.csv and verdict.json."""
    with _watched() as display:
        found = audit_networks(
            dense,
            pruned,
            data,
            model=model,
            mean=parse_numbers(mean, "--mean"),
            std=parse_numbers(std, "--std"),
            resize=resize,
            limit=limit,
            classes=None if classes is None else read_names(classes),
            measures=None if measures is None else [name.strip() for name in measures.split(",") if name.strip()],
            budget=budget,
            store=store,
            trust=trust,
            device=device,
            listen=display.show,
        )
    for note in found.notes:
        typer.echo(f"note: {note}", err=True)
    typer.echo(str(found.summary), err=True)
    typer.echo(f"{found}\n{found.write(out)}")
    raise typer.Exit(0 if found.summary.complete and (budget is None or found.verdict.kept) else 1)


@app.command()
def report(
    study: Name,
    size: Size = "tiny",
    data: Places = None,
    store: Folder = None,
    settings: Settings = None,
    out: Annotated[Path | None, typer.Option(help="HTML file [STUDY-report.html]")] = None,
    figures: Annotated[Path | None, typer.Option(help="folder for the charts as SVG and PDF")] = None,
) -> None:
    """Write a study's report as one self-contained HTML file and print its path."""
    chosen = _study(study, size, settings, data)
    typer.echo(write_report(chosen, out or f"{chosen.name}-report.html", store=store, figures=figures))


@app.command()
def results(
    study: Name,
    size: Size = "tiny",
    data: Places = None,
    store: Folder = None,
    settings: Settings = None,
    form: Annotated[Format, typer.Option("--format", help="how the rows are printed")] = Format.table,
) -> None:
    """Print a study's results, one row for each value of each measurement."""
    table = read_results(_study(study, size, settings, data), store=store)
    if form is Format.parquet:
        table.to_parquet(sys.stdout.buffer, index=False)
    elif form is Format.table:
        typer.echo(table.dropna(axis=1, how="all").to_string(index=False, float_format="{:.4g}".format, na_rep=""))
    else:
        typer.echo(table.to_csv(index=False) if form is Format.csv else table.to_json(orient="records"), nl=False)


@app.command()
def export(
    study: Name,
    recipe: Annotated[str, typer.Option(help="whose network")],
    to: Annotated[Path, typer.Option(help="file to write, .safetensors or .pt")],
    seed: Annotated[int | None, typer.Option(help="of the network [the first]")] = None,
    sparsity: Annotated[float | None, typer.Option(help="level of the recipe [the last]")] = None,
    mask: Annotated[Path | None, typer.Option(help="also write the mask to this file")] = None,
    size: Size = "tiny",
    data: Places = None,
    store: Folder = None,
    settings: Settings = None,
) -> None:
    """Write a trained or pruned network, zeros baked in, and print the file's path."""
    chosen = _study(study, size, settings, data)
    typer.echo(export_network(chosen, to, recipe=recipe, seed=seed, sparsity=sparsity, mask=mask, store=store))


@app.command("status")
def status_(
    study: Name, size: Size = "tiny", data: Places = None, store: Folder = None, settings: Settings = None
) -> None:
    """Tell how far a study is: done, running and where, failed, blocked, waiting, and the time left."""
    typer.echo(str(read_status(_study(study, size, settings, data), store=store)))


@app.command()
def gc(
    studies: Annotated[list[str], typer.Argument(metavar="STUDY…", help="what is kept")],
    size: Size = "tiny",
    data: Places = None,
    store: Folder = None,
    settings: Settings = None,
    remove: Annotated[bool, typer.Option("--remove", help="remove it; without this, only tell")] = False,
) -> None:
    """Tell which artefacts no named study reaches, and remove them with --remove."""
    chosen = [_study(study, size, settings, data) for study in studies]
    typer.echo(str(garbage(chosen, store=store, remove=remove)))


@app.command("list")
def list_(family: Annotated[str, typer.Argument(help="criteria, measures, models, datasets, shifts, …")]) -> None:
    """List the members of a family, one a line, the name first."""
    for name, about in catalog.members(family).items():
        typer.echo(f"{name:<24} {about}")


@app.command()
def explain(name: Annotated[str, typer.Argument(help="a name that `list` shows")]) -> None:
    """Tell a member's options, formula and source."""
    typer.echo(catalog.explain(name))


@app.command()
def doctor(
    store: Folder = None,
    repair: Annotated[bool, typer.Option("--repair", help="remove damaged artefacts; the next run makes them")] = False,
) -> None:
    """Tell versions and devices, and check every artefact of the store."""
    for name, state in environment():
        typer.echo(f"{name:<16} {state}")
    health = examine(store or default_store(), repair=repair)
    typer.echo(f"{'store':<16} {health}")
    for path, wrong in health.damaged:
        typer.echo(f"damaged: {path}: {wrong}")
    raise typer.Exit(1 if health.damaged and not repair else 0)


def main() -> None:
    """Run the command line; a refusal is one message and exit code 2."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a request to end is Ctrl-C, from a scheduler
    try:
        app()
    except PrunescopeError as refusal:
        typer.echo(f"prunescope: {refusal}", err=True)
        sys.exit(2)


def _study(reference: str, size: str, settings: list[str] | None, data: list[str] | None) -> Study:
    return load_study(
        reference,
        size=size,
        settings=dict(parse_setting(text) for text in settings or ()),
        data=dict(parse_place(text) for text in data or ()),
    )


def _run(
    study: Study,
    *,
    store: str | None,
    workers: int | None,
    device: str,
    on: str = "local",
    siblings: str = "off",
) -> Summary:
    with _watched() as display:
        summary = run_study(
            study, store=store, workers=workers, on=on, device=device, siblings=siblings, listen=display.show
        )
    typer.echo(str(summary), err=True)
    return summary


@contextmanager
def _watched() -> Iterator[Display]:
    """Show what runs; Ctrl-C ends it with a word."""
    display = Display(sys.stderr)
    try:
        with display:
            yield display
    except KeyboardInterrupt:
        typer.echo(f"prunescope: stopped after {display}; the same command goes on from here", err=True)
        raise typer.Exit(130) from None
