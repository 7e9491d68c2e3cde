"""The page in a real browser: it draws, filters, searches, and keeps to itself."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Error, Page, sync_playwright

SECONDS = 1000
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")

Open = Callable[..., Page]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    found = os.environ.get("PRUNESCOPE_BROWSER") or next(filter(None, map(shutil.which, NAMES)), None)
    with sync_playwright() as play:
        try:
            started = play.chromium.launch(executable_path=found, args=[*QUIET, "--disable-sync", "--no-first-run"])
        except Error:
            if found:
                raise
            pytest.skip("no Chromium here: install one, or set PRUNESCOPE_BROWSER")
        yield started
        started.close()


@pytest.fixture(scope="module")
def file(page: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(page, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def troubles() -> list[str]:
    return []


@pytest.fixture(autouse=True)
def quiet(troubles: list[str]) -> Iterator[None]:
    """After every test: no console message, no error, no dialog, no request beyond the file itself."""
    yield
    assert troubles == []


@pytest.fixture(scope="module")
def visit(browser: Browser, file: Path, troubles: list[str]) -> Open:
    def opened(width: int = 1280, **options: object) -> Page:
        view = browser.new_page(viewport={"width": width, "height": 900}, **options)  # type: ignore[arg-type]
        view.on("console", lambda message: troubles.append(f"console: {message.text}"))
        view.on("pageerror", lambda error: troubles.append(f"error: {error}"))
        view.on("dialog", lambda dialog: troubles.append(f"dialog: {dialog.message}"))
        view.on("request", lambda request: troubles.append(request.url) if remote(request.url) else None)
        view.goto(file.as_uri())
        if options.get("java_script_enabled", True):
            view.wait_for_function("document.documentElement.dataset.charts !== undefined", timeout=60 * SECONDS)
        return view

    def remote(url: str) -> bool:
        return not url.startswith(("data:", "blob:")) and url != file.as_uri()

    return opened


@pytest.fixture(scope="module")
def desk(visit: Open) -> Page:
    return visit()


def test_all_charts_are_drawn_in_place_of_their_stills(desk: Page) -> None:
    assert desk.locator(".chart.drawn .live svg").count() == desk.locator(".chart").count() >= 10
    assert desk.locator(".still:visible").count() == 0
    widths = desk.eval_on_selector_all(".live svg", "all => all.map(svg => svg.getBoundingClientRect().width)")
    assert min(widths) > 400


def test_a_choice_changes_the_chart_and_its_statement(desk: Page) -> None:
    figure = desk.locator("#chart-classes")
    before = figure.locator(".live").inner_html()
    figure.locator("select").select_option(label="random at 98\u00a0%")
    desk.wait_for_function("html => document.querySelector('#chart-classes .live').innerHTML !== html", arg=before)
    assert figure.locator("figcaption").inner_text().startswith("random at 98")


def test_a_recipe_is_highlighted_in_all_charts(desk: Page) -> None:
    line = desk.locator("#chart-accuracy .live .mark-line path").first
    assert line.get_attribute("opacity") == "1"
    desk.locator("button[data-focus=magnitude]").click()
    desk.wait_for_function(
        "document.querySelector('#chart-accuracy .live .mark-line path').getAttribute('opacity') < 1"
    )
    desk.locator("button[data-focus=magnitude]").click()
    assert desk.locator("button[aria-pressed=true]").count() == 0


def test_the_gallery_filters_by_place_and_class(desk: Page, hostile: str) -> None:
    tiles = desk.locator(".tile:visible")
    first = tiles.count()
    assert first > 0
    desk.locator("#gallery-place").select_option(label="random at 98\u00a0%")
    assert tiles.count() > first
    assert {t.get_attribute("data-place") for t in tiles.all()} == {"random\u241f0.98"}
    desk.locator("#gallery-class").select_option(label=hostile)
    assert 0 < tiles.count() == desk.locator(f'.tile:visible[data-class="{hostile}"]').count()
    assert hostile in desk.locator("#gallery-count").inner_text()
    assert desk.locator(".tile img").first.evaluate("image => getComputedStyle(image).imageRendering") == "pixelated"


def test_the_table_searches_sorts_and_shows_more(desk: Page) -> None:
    found, rows = desk.locator("#found"), desk.locator("#all-rows tbody tr")
    assert rows.count() == 100
    desk.locator("#more").click()
    assert rows.count() > 100
    desk.locator("#search").fill("Magnitude  accuracy drop")
    assert found.inner_text().startswith("12 of ")  # the drop and that of the worst class at six sparsities
    desk.locator("#with-items").check()
    assert found.inner_text().startswith("72 of ")  # and that of ten classes
    heading = desk.get_by_role("button", name="value")
    heading.click()
    rising = numbers(desk)
    assert rising == sorted(rising)
    heading.click()
    assert numbers(desk) == sorted(rising, reverse=True)
    assert desk.locator('th[aria-sort="descending"]').count() == 1


def numbers(view: Page) -> list[float]:
    texts = view.locator("#all-rows tbody tr td:nth-child(7)").all_inner_texts()
    return [float(text.split("\u00a0")[0].replace("−", "-")) for text in texts]


def test_the_table_downloads_as_csv_without_formulas(desk: Page, hostile: str, tmp_path: Path) -> None:
    desk.locator("#search").fill("magnitude accuracy 0.98 drop")
    desk.locator("#with-items").check()
    with desk.expect_download() as waited:
        desk.get_by_role("button", name="Download CSV").click()
    saved = tmp_path / "results.csv"
    waited.value.save_as(saved)
    head, *lines = saved.read_text(encoding="utf-8").splitlines()
    assert head.startswith("study,recipe,level,sparsity,view,measure,quantity,item,seed,value,low,high")
    assert len(lines) == int(desk.locator("#found").inner_text().split()[0])
    assert any(hostile in line for line in lines)
    cells = ["=1+1", "@x", "-2", 'say "hi", you', None, -2]
    made = desk.evaluate("cells => cells.map(csvCell)", cells)
    assert made == ["'=1+1", "'@x", "'-2", '"say ""hi"", you"', "", "-2"]


def test_a_hostile_name_is_text_everywhere(desk: Page, hostile: str) -> None:
    assert desk.locator("#classes table").get_by_text(hostile, exact=True).count() == 1
    assert (
        desk.locator("#provenance details")
        .first.locator("summary")
        .inner_text()
        .startswith("random 0.98, seed 7 <script>")
    )
    assert desk.locator("script").count() == 3 + desk.locator(".chart").count()
    point = desk.locator("#chart-classes .live .mark-symbol path").first
    point.scroll_into_view_if_needed()
    point.hover(force=True)
    tip = desk.locator("#vg-tooltip-element.visible")
    tip.wait_for(timeout=5 * SECONDS)
    assert tip.locator("script").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_everything_without_scrolling_sideways(visit: Open, scheme: str) -> None:
    phone = visit(390, color_scheme=scheme)
    assert phone.evaluate("document.documentElement.scrollWidth") == 390
    wide = (
        "all => all.filter(x => x.getBoundingClientRect().right > 391 && !x.closest('.scroll')).map(x => x.outerHTML)"
    )
    assert phone.eval_on_selector_all("main *:not(.unseen)", wide) == []
    phone.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_contrast(visit: Open, scheme: str) -> None:
    view = visit(1280, color_scheme=scheme, java_script_enabled=True)
    colours = view.evaluate(
        """() => [...document.querySelectorAll('p, td, th, dt, dd, figcaption, .value, .floor, small, a, summary')]
            .filter((x) => x.checkVisibility() && x.textContent.trim() !== '')
            .map((x) => {
                let ground = x;
                while (getComputedStyle(ground).backgroundColor === 'rgba(0, 0, 0, 0)' && ground.parentElement) {
                    ground = ground.parentElement;
                }
                return [getComputedStyle(x).color, getComputedStyle(ground).backgroundColor, x.className];
            })"""
    )
    assert len(colours) > 500
    ratios = {(ink, ground): contrast(luminance(ink), luminance(ground)) for ink, ground, _ in colours}
    assert min(ratios.values()) >= 4.5, ratios
    view.close()


def luminance(colour: str) -> float:
    parts = [int(part) / 255 for part in colour[colour.index("(") + 1 : -1].split(",")[:3]]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: float, other: float) -> float:
    return (max(one, other) + 0.05) / (min(one, other) + 0.05)


def test_without_scripts_the_stills_and_the_table_stand(visit: Open) -> None:
    view = visit(1280, java_script_enabled=False)
    assert view.locator(".still svg:visible").count() == view.locator(".chart").count()
    assert view.locator("#all-rows tbody tr").count() > 200
    assert view.locator(".tile:visible").count() > 0
    assert view.get_by_text("keeps every promise up to").count() == 1
    view.close()


def test_the_page_prints_its_stills(desk: Page, tmp_path: Path) -> None:
    desk.emulate_media(media="print")
    assert desk.locator(".still svg:visible").count() == desk.locator(".chart").count()
    assert desk.locator(".live:visible").count() == 0
    assert desk.pdf(path=tmp_path / "report.pdf").startswith(b"%PDF")
    desk.emulate_media(media="screen")
