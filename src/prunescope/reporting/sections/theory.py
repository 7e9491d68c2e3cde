"""Theory: students of a known teacher, where pruning has an exact answer."""

from __future__ import annotations

from prunescope.reporting.reading import Reading, Row
from prunescope.reporting.section import (
    Cell,
    Group,
    Line,
    Note,
    Section,
    Table,
    Told,
    cell,
    figures,
    matching,
    tabulate,
)
from prunescope.reporting.theory_charts import (
    LEARNING,
    STUDENTS,
    errors_chart,
    errors_title,
    kept_rows,
    learning_chart,
    map_chart,
)
from prunescope.reporting.wording import capitalised, number, plain, told

COLUMNS = {
    "kept": "weights kept",
    "error": "error",
    "self_overlap": "Q of a student",
    "block_overlap": "Q inside a block",
    "teacher_overlap": "R with its teacher",
}
FORMS = (
    "Closed forms are those of a student that has converged to equally many copies of each teacher node, teachers "
    "orthogonal. The floor of the error is the expected error of a random choice of as many edges (or nodes) of these "
    "very students, neither retrained nor reweighted."
)


def sentence(reading: Reading) -> str:
    """Say how learning ended, who loses least and most with half of the weights gone, and how theory fares."""
    parts = []
    learned, expected = (reading.of(LEARNING, name) for name in ("error", "theory"))
    if learned and expected:
        end = told(learned[0].number, "", learned[0].low, learned[0].high)
        parts.append(f"students end learning at an error of {end}, the equations at {number(expected[0].number)}")
    rows = [row for row in kept_rows(reading, "error") if row.sparsity > 0]
    if rows:
        title = errors_title(rows)
        parts.append(title[0].lower() + title[1:] if title.startswith("With ") else title)
        parts += gap(rows)
    return capitalised("; ".join(parts) + ".")


def gap(rows: list[Row]) -> list[str]:
    """Say at how many places of the random controls the expectation lies inside the interval."""
    known = [(row.floor, row.low, row.high) for row in rows if row.recipe in ("random_edge", "random_node")]
    inside = [low <= floor <= high for floor, low, high in known if floor is not None and low and high]
    return [f"{sum(inside)} of {len(inside)} intervals of random choices hold their expected error"] if inside else []


def _table(reading: Reading) -> Table:
    rows = reading.of(STUDENTS, "error")
    columns = {name: reading.of(STUDENTS, name) for name in COLUMNS}
    groups: dict[str, list[Line]] = {}
    for row in rows:
        cells = (_cell(matching(own, row.recipe, row.level)) for own in columns.values())
        groups.setdefault(row.recipe, []).append((row.at, *cells, _forms(reading, row)))
    names = ("sparsity", *COLUMNS.values(), "closed form of a random choice")
    caption = "Students before and after pruning; intervals over students and masks"
    return tabulate(caption, names, [Group(name, tuple(lines)) for name, lines in groups.items()], wide=True)


def _forms(reading: Reading, row: Row) -> str:
    """Return the closed form of a random choice, with that of the best choice where it is another."""
    ideal = reading.of(STUDENTS, "ideal", recipe=row.recipe, level=row.level, items=True)
    forms = {r.item: plain(r.number) for r in ideal}
    random = forms.get("random edges", forms.get("random nodes", "none"))
    best = forms.get("best nodes", random)
    return random if best == random else f"{random} (best {best})"


def _cell(row: Row | None) -> Cell:
    return Cell("none") if row is None else cell(row._replace(floor_low=None, floor_high=None))


def tell(reading: Reading) -> Told | None:
    """Return the section, if students of a teacher were measured."""
    if not reading.of(STUDENTS, "error"):
        return None
    charts = figures(learning_chart(reading), errors_chart(reading), map_chart(reading))
    return Told(sentence=sentence(reading), parts=(*charts, _table(reading), Note(text=FORMS)))


NEEDS = f"the measure {STUDENTS} of committees on teacher data"
SECTION = Section(key="theory", title="Theory", needs=NEEDS, tell=tell)
