"""The page as text: self-contained, escaped, complete, small."""

import base64
import hashlib
import json
import re
from collections.abc import Callable
from html import unescape
from pathlib import Path

import pandas as pd
import pytest

from prunescope.core.errors import PrunescopeError
from prunescope.measures.table import COLUMNS
from prunescope.reporting import Material, everything, page, provenance, render, write_figures
from prunescope.reporting.reading import Reading

Change = Callable[..., Reading]


def scripts(html: str) -> list[tuple[str, str]]:
    return re.findall(r"<script([^>]*)>(.*?)</script>", html, flags=re.DOTALL)


def test_the_page_asks_nothing_of_the_network(page: str) -> None:
    markup = re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)
    assert not re.findall(r'(?:src|href)="(?!data:|#)[^"]*"', markup)
    assert "url(http" not in markup
    assert "@import" not in markup
    assert "default-src 'none'" in unescape(page)


def test_only_the_two_scripts_of_this_package_may_run(page: str) -> None:
    running = [text for attributes, text in scripts(page) if "application/json" not in attributes]
    assert len(running) == 2
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy is not None
    for text in running:
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in unescape(policy[1])
    assert "unsafe-eval" not in policy[1]


def test_untrusted_text_stays_text(page: str, hostile: str) -> None:
    assert hostile not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert page.count("<!--") == 0


def test_embedded_data_is_readable_json_without_signs_of_markup(page: str, hostile: str) -> None:
    data = {re.search('id="([^"]+)"', a)[1]: json.loads(t) for a, t in scripts(page) if "json" in a}  # type: ignore[index]
    assert len(data) == 1 + page.count('<div class="still"')
    assert all("<" not in t for a, t in scripts(page) if "json" in a)
    item = data["rows"]["raw"][COLUMNS.index("item")]
    assert hostile in item["values"]


@pytest.mark.parametrize("text", ["</script>", "<!-- <script>", "a\u2028b", "&amp;"])
def test_embedded_text_cannot_end_its_script(text: str) -> None:
    held = page.embedded([text])
    assert not set("<>&\u2028") & set(held)
    assert json.loads(held) == [text]


def test_script_text_cannot_be_ended_by_its_own_strings() -> None:
    assert page.script_text('a = "</SCRIPT><!--"; b < c') == 'a = "\\x3c/SCRIPT>\\x3c!--"; b < c'


def test_the_first_screen_answers_without_scripts(page: str) -> None:
    main = page[page.index("<main>") : page.index('id="sections"')]
    text = " ".join(unescape(re.sub(r"<[^>]+>", " ", main)).replace("\u00a0", " ").split())
    assert "magnitude keeps every promise up to 90 % sparsity" in text
    assert "First to break: accuracy −0.937 points at 95 %" in text
    assert "1 node failed and blocked 1 other" in text
    assert "8 seeds · 6 sparsities from 0 % to 98 %" in text
    assert main.count("<td") == 2 * 6 * 6


def test_every_section_stands_in_the_page_with_a_still_drawing(page: str) -> None:
    assert page.count('<div class="still"') == page.count("<svg xmlns") >= 10
    for key in ("accuracy", "classes", "forgotten", "function", "calibration", "cost", "everything", "provenance"):
        assert f'<section id="{key}">' in page


def test_a_page_of_nothing_names_what_is_missing(material: Material) -> None:
    empty = Material(title="nothing yet", recipes={}, table=material.table.iloc[:0])
    html = render(empty)
    assert "No promise was checked" in html
    assert "Left out for want of numbers" in html
    assert "needs the measure pie on at least two seeds" in html


def test_default_promises_are_called_so(material: Material) -> None:
    parts = {"verdict": material.verdict, "default_budget": True}
    html = render(Material(title="t", recipes={}, table=material.table[material.table["quantity"] == "drop"], **parts))
    assert "prunescope’s defaults" in html


def test_the_page_is_small(page: str) -> None:
    assert len(page.encode()) < 3_000_000


def test_the_table_of_everything_holds_every_row_and_stands_without_scripts(reading: Reading) -> None:
    table = everything.gather(reading)
    unpacked = [[column["values"][k] for k in column["at"]] for column in table.data["raw"]]
    assert sorted(map(str, zip(*unpacked, strict=True))) == sorted(map(str, map(tuple, reading.rows)))
    whole = [row for row in reading.rows if row.seed is None and not row.item]
    assert len(table.rows) == len(whole)
    assert table.note == ""
    assert "1 row not applicable" in table.sentence


def test_too_many_rows_leave_out_single_networks_first_and_say_so(
    reading: Reading, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = sum(row.seed is None for row in reading.rows)
    monkeypatch.setattr(everything, "MOST_ROWS", shared)
    table = everything.gather(reading)
    seeds = table.data["raw"][COLUMNS.index("seed")]["values"]
    assert seeds == [None]
    assert f"holds {shared:,} of {len(reading.rows):,} rows" in table.note


def test_not_applicable_is_told_once_with_its_places(change: Change) -> None:
    def twice(table: pd.DataFrame) -> pd.DataFrame:
        row = table[table["measure"] == "cca"]
        return pd.concat([table, row.assign(level="0.9", sparsity=0.9)])

    told = provenance.gather(change(twice)).not_applicable
    reason = "CCA needs more examples than units: n = 540, p = 640"
    assert told == (("cca (magnitude at 50\u00a0% and magnitude at 90\u00a0%)", reason),)


def test_provenance_of_a_clean_run(change: Change) -> None:
    told = provenance.gather(
        change(lambda table: table[table["measure"] != "cca"], failures=(), blocked=(), notes=("few", "few"))
    )
    assert told.sentence.startswith("Nothing failed.")
    assert told.notes == ("few",)
    assert dict(told.facts)["computing time"] == "1\u00a0min 1\u00a0s"


def test_figures_come_as_svg_and_pdf(material: Material, tmp_path: Path) -> None:
    small = Material(title="t", recipes={}, table=material.table[material.table["measure"] == "calibration"])
    files = write_figures(small, tmp_path / "figures")
    assert [file.name for file in files] == ["calibration.svg", "calibration.pdf"]
    assert files[0].read_text().startswith("<svg")
    pdf = files[1].read_bytes()
    assert pdf.startswith(b"%PDF")
    box = re.search(rb"/MediaBox \[0 0 (\d+)", pdf)
    assert box is not None
    assert int(box[1]) == 252  # points: 3.5 inches


def test_an_unknown_figure_format_is_refused(material: Material, tmp_path: Path) -> None:
    with pytest.raises(PrunescopeError, match=r"unknown figure format 'png'.*pdf, svg"):
        write_figures(material, tmp_path, formats=["png"])
