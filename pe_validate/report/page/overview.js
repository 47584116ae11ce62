"use strict";
// The first view: links to cases, the chart of headroom, and the table that filters and sorts.

/** Make links of the names of cases, which stand in the page as text until there is something to open. */
function linkCases() {
  for (const each of document.querySelectorAll("a.case")) each.href = link(each.dataset.case);
}

/** Draw the headroom, if several numbers are there to compare. */
function drawHeadroom() {
  const points = data.cases.flatMap((found) =>
    Object.entries(found.margins).filter(([, margin]) => margin).map(([gate, margin]) => ({ name: found.name, gate, used: num(margin.used) })));
  if (points.length < 4) return;
  const section = document.getElementById("headroom");
  section.hidden = false; // first: what is hidden has no size
  section.append(headroomChart(points, (name) => { location.hash = link(name); }));
}

/** Show the cases that all filters leave, in the table and in the matrix. */
function filterCases() {
  const { text, status, target } = document.getElementById("filters").elements;
  const words = text.value.toLowerCase().split(/\s+/).filter(Boolean);
  const kept = data.cases.map((found, at) => {
    const result = data.report.results[at];
    const failed = result.verdicts.filter((verdict) => verdict.status !== "pass").map((verdict) => verdict.gate);
    const searched = [found.name, found.status, found.worst ? found.worst.gate : "", ...failed].join(" ").toLowerCase();
    return words.every((word) => searched.includes(word))
      && (!status.value || found.status === status.value) && (!target.value || result.case.target === target.value);
  });
  for (const row of document.querySelectorAll("#cases tbody tr")) row.hidden = !kept[row.dataset.index];
  const names = new Set(data.cases.filter((_, at) => kept[at]).map((found) => found.name));
  for (const each of document.querySelectorAll(".matrix a.case")) each.classList.toggle("out", !names.has(each.dataset.case));
  document.getElementById("count").textContent = `${kept.filter(Boolean).length} of ${kept.length} cases`;
}

/** Sort the table by a column; what has no number comes last in either direction. */
function sortCases(column, heading) {
  const direction = heading.getAttribute("aria-sort") === "ascending" ? -1 : 1;
  for (const other of document.querySelectorAll("#cases thead th")) other.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", direction > 0 ? "ascending" : "descending");
  const key = (row) => row.children[column].dataset.value;
  const numbers = heading.classList.contains("n");
  const compare = (a, b) => {
    const [x, y] = [key(a), key(b)];
    if (x === "" || y === "") return (x === "") - (y === "");
    return direction * (numbers ? pythonNumber(x) - pythonNumber(y) || 0 : x.localeCompare(y, "en", { numeric: true }));
  };
  const body = document.querySelector("#cases tbody");
  body.append(...[...body.children].sort(compare));
}

function pythonNumber(text) {
  return text.endsWith("inf") ? (text.startsWith("-") ? -Number.MAX_VALUE : Number.MAX_VALUE) : Number(text);
}

function makeSortable() {
  document.querySelectorAll("#cases thead th").forEach((heading, column) => {
    const button = el("button", { type: "button", onclick: () => sortCases(column, heading) }, heading.textContent);
    heading.replaceChildren(button);
  });
}

function startOverview() {
  linkCases();
  if (!data.cases.length) return;
  drawHeadroom();
  makeSortable();
  const filters = document.getElementById("filters");
  filters.hidden = false;
  filters.addEventListener("input", filterCases);
  filters.addEventListener("submit", (event) => event.preventDefault());
}
