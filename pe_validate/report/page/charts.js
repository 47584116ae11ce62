"use strict";
// The charts, by Observable Plot. Colours are the page's own variables, so they follow its scheme.

const LEAST = 0.01; // fractions of a limit below it are drawn there
const LEGIBLE = { fill: "var(--ink)", stroke: "var(--card)", strokeWidth: 4 }; // over lines
const FULL_SCALE = 160; // dB; float32 arithmetic alone ends near 120

/** Return the width that a chart may have: less on a phone. */
function room(most) {
  return Math.max(300, Math.min(most, document.documentElement.clientWidth - 52));
}

/** Return the margin for names on the left: a third of the chart at most. */
function names(wanted, width) {
  return Math.min(wanted, Math.round(width / 3));
}

/** Return as much of a name as fits into a margin. */
function shortened(text, margin) {
  const most = Math.floor(margin / 6.5);
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}

/** Return a chart, which is a picture to a screen reader; its numbers are in a table or a sentence beside it. */
function chart(label, options, most = 640) {
  const width = room(most);
  const marginLeft = names(options.marginLeft, width);
  const y = options.y && { ...options.y, tickFormat: (value) => shortened(options.y.tickFormat ? options.y.tickFormat(value) : value, marginLeft) };
  const drawn = Plot.plot({ className: "pe-plot", width, marginTop: 8, marginBottom: 40, ...options, marginLeft, ...(y && { y }) });
  drawn.setAttribute("role", "img");
  drawn.setAttribute("aria-label", label);
  for (const part of drawn.querySelectorAll("[aria-label]")) part.removeAttribute("aria-label"); // of a picture
  return el("div", { class: "chart" }, drawn);
}

function within(low, value, high) {
  return Math.min(Math.max(value, low), high);
}

/** Return the end of a logarithmic axis of fractions of a limit. */
function farthest(values) {
  return within(3, 3 * Math.max(...values.filter(Number.isFinite), 1), 1e4);
}

function usedAxis(end) {
  return { type: "log", domain: [LEAST, end], grid: true, label: "fraction of the limit that is used →",
    tickFormat: (value) => (Number.isInteger(Math.round(Math.log10(value) * 1e6) / 1e6) ? String(value) : ""), labelAnchor: "center" };
}

/** Draw the worst margin of every case, by gate. */
function headroomChart(points, open) {
  const end = farthest(points.map((point) => point.used));
  const gates = [...new Set(points.map((point) => point.gate))];
  const drawn = points.map((point) => ({ ...point, x: within(LEAST, point.used, end) }));
  const r = within(1.3, Math.sqrt((room(1140) * gates.length) / points.length), 3.5); // so that they fit beside each other
  const made = chart("How much of its limit each case uses, by gate", {
    marginLeft: 90, marginRight: 20, height: 48 + 80 * gates.length, x: usedAxis(end),
    fy: { domain: gates, label: null, axis: "left", padding: 0.05 },
    marks: [
      Plot.ruleX([1], { stroke: "var(--bad)", strokeWidth: 1.5 }),
      Plot.dot(drawn, Plot.dodgeY({ fy: "gate", x: "x", anchor: "middle", r, padding: 0.3,
        fill: (point) => (point.used > 1 ? "var(--bad)" : "var(--accent)"), fillOpacity: 0.75,
        title: (point) => `${point.name}\n${point.gate} uses ${fraction(point.used)} of its limit` })),
    ],
  }, 1140);
  const dots = [...made.querySelectorAll("circle")];
  for (const dot of dots) dot.addEventListener("click", () => open(dot.querySelector("title").textContent.split("\n")[0]));
  return made;
}

/** Draw the margins of a gate by input, the worst ones if there are many. */
function inputsChart(gate, rows, most = 24) {
  const shown = [...rows].sort((a, b) => b.used - a.used).slice(0, most);
  const end = farthest(shown.map((row) => row.used));
  const drawn = shown.map((row) => ({ ...row, x: within(LEAST, row.used, end) }));
  return chart(`How much of the limit of ${gate} each input uses`, {
    marginLeft: 170, marginRight: 70, height: 48 + (shown.length > 12 ? 19 : 30) * shown.length, x: usedAxis(end),
    y: { domain: shown.map((row) => row.input), label: null, tickSize: 0 },
    marks: [
      Plot.ruleX([1], { stroke: "var(--bad)", strokeWidth: 1.5 }),
      Plot.ruleY(drawn, { y: "input", x1: LEAST, x2: "x", stroke: "var(--line)", strokeWidth: 2 }),
      Plot.dot(drawn, { y: "input", x: "x", r: 4.5, fill: (row) => (row.used > 1 ? "var(--bad)" : "var(--accent)") }),
      Plot.text(drawn, { y: "input", x: "x", dx: 9, textAnchor: "start", text: (row) => row.said, ...LEGIBLE }),
    ],
  });
}

/** Draw the agreement at every place of the model, from the image to the features. */
function placesChart(explanation) {
  const steps = explanation.steps.map((step, at) => ({ ...step, at, snr: num(step.snr_db) }));
  const x = (step) => within(0, Number.isNaN(step.snr) ? 0 : step.snr, FULL_SCALE);
  const limit = num(explanation.limit_db);
  const here = steps.filter((step) => step.place === explanation.place);
  return chart(`Agreement at every place, on ${explanation.image}`, {
    marginLeft: 170, marginRight: 90, height: 48 + 17 * steps.length,
    x: { domain: [0, FULL_SCALE], grid: true, label: "agreement with the model, dB →", labelAnchor: "center" },
    y: { type: "point", domain: steps.map((step) => step.at), label: null, tickSize: 0, tickFormat: (at) => steps[at].place },
    marks: [
      Number.isFinite(limit) ? Plot.ruleX([within(0, limit, FULL_SCALE)], { stroke: "var(--bad)", strokeDasharray: "4 3" }) : null,
      Plot.line(steps, { x, y: "at", stroke: "var(--accent)", strokeWidth: 1.5 }),
      Plot.dot(steps, { x, y: "at", r: 3.2, fill: "var(--accent)" }),
      Plot.dot(here, { x, y: "at", r: 6, fill: "var(--bad)" }),
      Plot.text(here, { x, y: "at", dx: 12, textAnchor: "start", text: (step) => `${decibels(step.snr)}, here`, ...LEGIBLE, fontWeight: "bold" }),
    ],
  });
}

/** Draw the ratios of every round to each rival, with the interval of their median. */
function latencyChart(latency) {
  const rivals = Object.keys(latency.ratios);
  const rounds = rivals.flatMap((rival) => ((latency.paired || {})[rival] || []).map((ratio) => ({ rival, ratio })));
  const ranges = rivals.map((rival) => ({ rival, ...latency.ratios[rival] }));
  const budget = latency.budget ? [{ rival: rivals[0], ratio: latency.budget.ratio }] : [];
  const ends = [1, ...rounds.map((each) => each.ratio), ...ranges.flatMap((each) => [each.low, each.high]), ...budget.map((each) => each.ratio)];
  return chart("Time of this program, divided by that of each rival in the same round", {
    marginLeft: 110, marginRight: 90, height: 48 + 46 * rivals.length,
    x: { domain: [0, 1.1 * Math.max(...ends.filter(Number.isFinite))], grid: true, label: "time ÷ rival's time, round by round →", labelAnchor: "center" },
    y: { domain: rivals, label: null, tickSize: 0 },
    marks: [
      Plot.ruleX([1], { stroke: "var(--dim)", strokeDasharray: "2 3" }),
      Plot.tickX(rounds, { x: "ratio", y: "rival", stroke: "var(--accent)", strokeOpacity: 0.45, inset: 7 }),
      Plot.ruleY(ranges, { x1: "low", x2: "high", y: "rival", stroke: "var(--ink)", strokeWidth: 5 }),
      Plot.dot(ranges, { x: "median", y: "rival", r: 4.5, fill: "var(--card)", stroke: "var(--ink)", strokeWidth: 2 }),
      Plot.tickX(budget, { x: "ratio", y: "rival", stroke: "var(--bad)", strokeWidth: 2.5 }),
    ],
  });
}

/** Draw shares of the work by kernel, the largest first. */
function kernelsChart(label, shares, most = 12) {
  const rows = Object.entries(shares).map(([kernel, share]) => ({ kernel, share: num(share) }));
  const shown = rows.sort((a, b) => b.share - a.share).slice(0, most);
  return chart(label, {
    marginLeft: 250, marginRight: 60, height: 48 + 20 * shown.length,
    x: { domain: [0, 1], percent: false, tickFormat: (value) => `${Math.round(100 * value)} %`, grid: true, label, labelAnchor: "center" },
    y: { domain: shown.map((row) => row.kernel), label: null, tickSize: 0 },
    marks: [Plot.barX(shown, { x: "share", y: "kernel", fill: "var(--accent)", insetTop: 2, insetBottom: 2,
      title: (row) => `${row.kernel}: ${(100 * row.share).toFixed(1)} %` })],
  });
}
