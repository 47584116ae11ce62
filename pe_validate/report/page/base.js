"use strict";
// What the other scripts share: the data, elements, and numbers in words. Strings of the report become text, never
// markup: elements are made here, and only here.

const data = JSON.parse(document.getElementById("data").textContent);
const MARKS = { pass: "✓", fail: "✗", error: "!" };

/** Return an element with attributes and children; a child is an element or a text, null is left out. */
function el(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value !== null && value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return made;
}

/** Return a stored number; infinities are stored as strings, and what is no number as null. */
function num(value) {
  return value === null || value === undefined ? NaN : Number(value);
}

/** Return a number with a number of decimals; ``equal`` and ``lost`` are the words for infinite decibels. */
function fixed(value, digits, unit = "") {
  const number = num(value);
  if (Number.isNaN(number)) return "–";
  if (!Number.isFinite(number)) return number > 0 ? "∞" : "−∞";
  return number.toFixed(digits) + unit;
}

function decibels(value) {
  const number = num(value);
  return Number.isFinite(number) ? fixed(number, 1, " dB") : number > 0 ? "equal" : number < 0 ? "lost" : "–";
}

function deviations(value) {
  const number = num(value);
  if (!Number.isFinite(number)) return fixed(number, 0);
  return `${number === 0 ? 0 : number < 0.01 ? number.toExponential(1) : Number(number.toPrecision(3))} σ`;
}

/** Return a cosine; one near 1 by its distance from it. */
function cosine(value) {
  const rest = 1 - num(value);
  return rest > 1e-15 && rest < 1e-3 ? `1 − ${rest.toExponential(1)}` : Math.abs(rest) <= 1e-15 ? "1" : fixed(value, 4);
}

/** Return a fraction of a limit in words, as margins.py does. */
function fraction(value) {
  const used = num(value);
  if (used === 0) return "equal";
  if (used < 0.001) return "<0.001";
  if (used < 0.1) return used.toFixed(3);
  if (used < 10) return used.toFixed(2);
  return used < 1e5 ? used.toFixed(0) : Number.isFinite(used) ? ">1e5" : "∞";
}

const SHADES = [0.0625, 0.125, 0.25, 0.5, 0.71, 1, 4];

/** Return the class of a fraction of a limit, as matrix.py does. */
function shade(value) {
  return `u${SHADES.filter((end) => num(value) > end).length}`;
}

function chip(used) {
  return el("span", { class: `chip ${shade(used)}` }, fraction(used));
}

function outcome(status) {
  return el("span", { class: `status ${status}` }, `${MARKS[status]} ${status}`);
}

function count(number, unit) {
  return `${Number(number).toLocaleString("en")} ${unit}`;
}

/** Return a definition list of pairs; a pair whose value is empty is left out. */
function facts(pairs) {
  const kept = pairs.filter(([, value]) => value !== null && value !== undefined && value !== "");
  return el("dl", { class: "facts" }, kept.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))));
}

/** Return a table; cells are texts or elements, and columns that begin with ``#`` hold numbers.
 *
 * With ``attributes.stacks`` its cells stand below each other on a phone.
 */
function table(columns, rows, attributes = {}) {
  const kinds = columns.map((column) => (column.startsWith("#") ? { class: "n" } : {}));
  const heads = columns.map((column, at) => el("th", { scope: "col", ...kinds[at] }, column.replace(/^#/, "")));
  const body = rows.map((cells) => el("tr", {}, cells.map((cell, at) => el("td", { ...kinds[at], ...(cell === "–" && { class: `${kinds[at].class || ""} nothing` }), "data-label": columns[at].replace(/^#/, "") }, cell))));
  return el("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": attributes.label || columns[0] },
    el("table", { class: attributes.stacks ? "plain stacks" : "plain" }, el("thead", {}, el("tr", {}, heads)), el("tbody", {}, body)));
}

/** Return a text to copy, with a button that does. */
function copyable(text) {
  const said = el("span", { class: "hidden", role: "status" });
  const code = el("code", {}, text);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
      said.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(code); // so that the reader can copy it
      button.textContent = "Press Ctrl+C";
    }
    setTimeout(() => { button.textContent = "Copy"; said.textContent = ""; }, 2000);
  };
  const button = el("button", { type: "button", class: "copy", onclick: copy }, "Copy");
  return el("div", { class: "command" }, code, button, said);
}

function link(name) {
  return `#${encodeURIComponent(name).replaceAll("%2F", "/")}`;
}
