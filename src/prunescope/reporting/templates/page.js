"use strict";
// Charts, recipe highlight, gallery filter and the table of everything. Names and numbers enter the page as text only.

const views = new Map();
const json = (id) => JSON.parse(document.getElementById(id).textContent);

async function drawChart(place) {
  const name = place.dataset.chart;
  const options = { mode: "vega-lite", actions: false, renderer: "svg", ast: true, tooltip: { theme: "custom" } };
  const { view } = await vegaEmbed(place, json(`specification-${name}`), options);
  views.set(name, view);
  place.parentElement.classList.add("drawn");
  view.resize();
  await view.runAsync();
}

async function drawCharts() {
  for (const place of document.querySelectorAll(".live")) {
    place.style.display = "block"; // it needs a width to be drawn; the still picture stays until it is
    await drawChart(place).catch((error) => console.error(place.dataset.chart, error));
    place.style.display = "";
  }
  document.documentElement.dataset.charts = views.size;
}

function chooseInCharts() {
  for (const select of document.querySelectorAll("select[data-chart]")) {
    select.disabled = false;
    select.addEventListener("change", () => {
      select.closest("figure").querySelector("figcaption").textContent = select.selectedOptions[0].dataset.title;
      views.get(select.dataset.chart)?.signal("shown", select.value).runAsync();
    });
  }
}

function focusRecipes() {
  const buttons = [...document.querySelectorAll("button[data-focus]")];
  for (const button of buttons) {
    button.addEventListener("click", () => {
      const on = button.getAttribute("aria-pressed") !== "true";
      for (const other of buttons) other.setAttribute("aria-pressed", String(on && other === button));
      for (const view of views.values()) view.signal("focus", on ? button.dataset.focus : "").runAsync();
    });
  }
}

function filterGallery() {
  const place = document.getElementById("gallery-place");
  if (!place) return;
  const kind = document.getElementById("gallery-class");
  const count = document.getElementById("gallery-count");
  const tiles = [...document.querySelectorAll(".tile")];
  const update = () => {
    let shown = 0;
    for (const tile of tiles) {
      const fits = tile.dataset.place === place.value && (kind.value === "" || tile.dataset.class === kind.value);
      tile.hidden = !fits;
      shown += fits;
    }
    const all = place.selectedOptions[0].dataset.count;
    count.textContent = kind.value === "" ? all : `${shown} of class ${kind.value} (${all} of all classes)`;
  };
  for (const select of [place, kind]) {
    select.disabled = false;
    select.addEventListener("change", update);
  }
}

// The table of everything: a row has the texts shown, the values to sort by and the raw values for the CSV.
const everything = { rows: [], found: [], limit: 0, step: 100, column: -1, down: false };

function rowElement(row) {
  const line = document.createElement("tr");
  row.shown.forEach((text, i) => {
    const cell = document.createElement("td");
    cell.textContent = text;
    if (i >= everything.numeric) cell.className = row.measured ? "n" : "n reason";
    line.append(cell);
  });
  return line;
}

function showRows() {
  const body = document.querySelector("#all-rows tbody");
  body.replaceChildren(...everything.found.slice(0, everything.limit).map(rowElement));
  document.getElementById("found").textContent = `${everything.found.length} of ${everything.rows.length} rows`;
  document.getElementById("more").hidden = everything.found.length <= everything.limit;
}

function compare(a, b) {
  const [x, y] = [a.sort[everything.column], b.sort[everything.column]];
  if (x === null || y === null) return (x === null) - (y === null);
  const order = typeof x === "number" ? x - y : x.localeCompare(y, "en", { numeric: true });
  return everything.down ? -order : order;
}

function findRows() {
  const words = document.getElementById("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  const items = document.getElementById("with-items").checked;
  const seeds = document.getElementById("with-seeds").checked;
  everything.found = everything.rows.filter(
    (row) => (items || !row.item) && (seeds || !row.seed) && words.every((word) => row.text.includes(word)),
  );
  if (everything.column >= 0) everything.found.sort(compare);
  everything.limit = everything.step;
  showRows();
}

function sortBy(button) {
  const column = Number(button.dataset.column);
  everything.down = everything.column === column && !everything.down;
  everything.column = column;
  for (const head of document.querySelectorAll("#all-rows th")) head.setAttribute("aria-sort", "none");
  button.parentElement.setAttribute("aria-sort", everything.down ? "descending" : "ascending");
  findRows();
}

function csvCell(value) {
  if (value === null) return "";
  let text = String(value);
  if (typeof value === "string" && /^[=+\-@\t\r]/.test(text)) text = `'${text}`; // no formula in a spreadsheet
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function download(columns) {
  const lines = [columns, ...everything.found.map((row) => row.raw)].map((row) => row.map(csvCell).join(","));
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([`${lines.join("\r\n")}\r\n`], { type: "text/csv" }));
  link.download = "results.csv";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

function tabulate() {
  const data = json("rows");
  everything.numeric = data.numeric;
  const unpack = (columns, k) => columns.map(({ values, at }) => values[at[k]]);
  everything.rows = (data.raw[0]?.at ?? []).map((_, k) => {
    const [shown, raw] = [unpack(data.shown, k), unpack(data.raw, k)];
    const row = Object.fromEntries(data.columns.map((name, i) => [name, raw[i]]));
    return {
      shown, raw, item: row.item !== "", seed: row.seed !== null, measured: row.value !== null,
      sort: data.sorted.map((name) => row[name] ?? null),
      text: `${row.measure} ${row.quantity} ${row.level} ${shown.join(" ")}`.toLowerCase(),
    };
  });
  for (const control of document.querySelectorAll("#everything :disabled")) control.disabled = false;
  document.getElementById("search").addEventListener("input", findRows);
  for (const id of ["with-items", "with-seeds"]) document.getElementById(id).addEventListener("change", findRows);
  for (const button of document.querySelectorAll("#all-rows th button")) button.addEventListener("click", () => sortBy(button));
  document.getElementById("more").addEventListener("click", () => { everything.limit += 5 * everything.step; showRows(); });
  document.getElementById("download").addEventListener("click", () => download(data.columns));
  findRows();
}

tabulate();
filterGallery();
focusRecipes();
drawCharts().then(chooseInCharts);
