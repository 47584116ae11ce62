"use strict";
// The page begins here: what stands behind '#' is the name of the case that is shown.

const title = document.title;

/** Return the position of the case in the address, or -1. */
function addressed() {
  try {
    const name = decodeURIComponent(location.hash.slice(1));
    return data.cases.findIndex((found) => found.name === name);
  } catch { // no address of ours
    return -1;
  }
}

/** Show the case in the address, or the overview. */
function route() {
  const at = addressed();
  const [overview, one] = [document.getElementById("overview"), document.getElementById("case")];
  const before = document.activeElement;
  overview.hidden = at >= 0;
  one.hidden = at < 0;
  one.replaceChildren(...(at < 0 ? [] : caseView(at)));
  document.title = at < 0 ? title : `${data.cases[at].name} – ${title}`;
  if (at >= 0) {
    scrollTo(0, 0);
    document.getElementById("case-title").focus({ preventScroll: true });
    shown = data.cases[at].name;
  } else if (shown !== null) { // back to where the reader was
    const row = [...document.querySelectorAll("#cases a.case")].find((each) => each.dataset.case === shown);
    if (row && before === document.body) row.focus();
    shown = null;
  }
}

let shown = null;

function save() {
  const content = new Blob([JSON.stringify(data.report, null, 1)], { type: "application/json" });
  const made = el("a", { href: URL.createObjectURL(content), download: "report.json" });
  made.click();
  URL.revokeObjectURL(made.href);
}

addEventListener("hashchange", route);
addEventListener("keydown", (event) => { if (event.key === "Escape" && shown !== null) location.hash = ""; });
const saver = document.getElementById("save");
saver.hidden = false;
saver.addEventListener("click", save);
startOverview();
route();
