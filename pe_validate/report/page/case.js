"use strict";
// The view of one case.

/** Return the sections of a case, in the order in which they are read. */
function caseView(at) {
  const [found, result] = [data.cases[at], data.report.results[at]];
  const sections = [
    caseHead(at, found), wrong(found, result), gatesTable(found, result), places(result.explanation),
    ...result.verdicts.filter((verdict) => verdict.comparisons).map((verdict) => inputs(found, verdict)),
    neighbours(result), latency(result), kernels(result, found), about(result),
  ];
  return sections.filter(Boolean);
}

function section(title, ...children) {
  return el("section", { "aria-label": title }, el("h3", {}, title), ...children);
}

function caseHead(at, found) {
  const beside = (other, words) => (data.cases[other] ? el("a", { href: link(data.cases[other].name) }, words) : null);
  const worst = found.worst ? el("p", {}, "Worst of its limits: ", chip(found.worst.used), ` by ${found.worst.number} of ${found.worst.gate}, on ${found.worst.input}.`) : null;
  return el("div", { class: `casehead ${found.status}` },
    el("nav", { "aria-label": "Cases" }, el("a", { href: "#" }, "← all cases"), beside(at - 1, "previous"), beside(at + 1, "next")),
    el("h2", { tabindex: "-1", id: "case-title" }, outcome(found.status), " ", found.name), worst,
    el("p", { class: "dim" }, "See it again:"), copyable(data.report.results[at].again));
}

function wrong(found, result) {
  const said = found.sentences.filter((sentence) => sentence !== `See it again: ${result.again}`);
  const notes = [...result.notes, ...result.weights_notes];
  if (!said.length && !notes.length) return null;
  const title = said.length ? "What is wrong" : "Notes";
  return section(title, said.map((sentence) => el("p", { class: "said" }, sentence)), notes.map((note) => el("p", { class: "dim" }, note)));
}

function gatesTable(found, result) {
  const rows = result.verdicts.map((verdict) => {
    const [margin, row, worst] = [found.margins[verdict.gate], verdict.tolerance, verdict.worst];
    const limit = row ? numbers("≥ ", row.limit, "≤ ") : "–";
    const observed = worst && row ? numbers("", worst, "") : "–";
    const why = row ? `The limit is there because ${row.reason}` : verdict.sentence;
    const computed = [verdict.producer, verdict.reference].filter(Boolean).join(", against ");
    return [
      [el("b", {}, verdict.gate), el("div", { class: "dim" }, data.asks[verdict.gate])], outcome(verdict.status),
      margin ? chip(margin.used) : "–", observed, limit, [why, computed ? el("div", { class: "dim" }, computed) : null],
    ];
  });
  for (const gate of found.missing) rows.push([[el("b", {}, gate)], outcome("error"), "–", "–", "–", "Required, and nothing judged it."]);
  if (!rows.length) return null;
  return section("Gates", table(["gate", "outcome", "#of limit", "observed at worst", "limit", "why"], rows, { label: "Gates", stacks: true }));
}

/** Return the three numbers of a comparison, or of its limit, below each other. */
function numbers(least, found, most) {
  return [`${least}${decibels(found.snr_db)}`, `${most}${deviations(found.max_rel)}`, `cosine ${least}${cosine(found.cosine)}`].map((line) => el("div", { class: "whole" }, line));
}

function places(explanation) {
  if (!explanation || !explanation.steps.length) return null;
  const steps = explanation.steps.map((step) => [step.place, decibels(step.snr_db), step.value]);
  return section("Error by layer", el("p", { class: "note" }, `Agreement with ${explanation.reference} from the image to the features, on ${explanation.image}; the dashed line is the limit of ${explanation.gate}.`),
    el("div", { class: "beside" }, placesChart(explanation),
      el("details", {}, el("summary", {}, "Numbers"), table(["place", "#agreement", "closest value of the artifact"], steps))));
}

/** Return the picture of an input, whose name may be that of an output, too. */
function picture(input, described = false) {
  const pictures = data.report.pictures || {};
  const name = Object.hasOwn(pictures, input) ? input : Object.keys(pictures).find((each) => input.startsWith(`${each}, `));
  return name === undefined ? null : el("img", { src: pictures[name], alt: described ? name : "", title: name, width: "48", height: "48" });
}

function inputs(found, verdict) {
  const used = found.used[verdict.gate] || {};
  const rows = Object.entries(verdict.comparisons).map(([input, c]) => ({ input, c, used: num(used[input]), said: decibels(c.snr_db) }));
  rows.sort((a, b) => b.used - a.used);
  const known = rows.filter((row) => !Number.isNaN(row.used));
  const seen = rows.some((row) => picture(row.input));
  const cells = rows.map((row) => [...(seen ? [picture(row.input)] : []), row.input, decibels(row.c.snr_db), deviations(row.c.max_rel), cosine(row.c.cosine), Number.isNaN(row.used) ? "–" : chip(row.used)]);
  const plot = known.length ? inputsChart(verdict.gate, known) : null;
  const more = known.length > 24 ? el("p", { class: "note" }, `The worst 24 of ${known.length} inputs; all are in the table.`) : null;
  return section(`Errors over inputs: ${verdict.gate}`, el("div", { class: "beside" },
    el("div", {}, plot, more),
    table([...(seen ? ["picture"] : []), "input", "#SNR", "#max |Δ|", "#cosine", "#of limit"], cells, { label: `Inputs of ${verdict.gate}` })));
}

/** Return the neighbours of the queries that changed most; what one of the two did not find is marked in words, too. */
function neighbours(result) {
  const moved = result.verdicts.flatMap((verdict) => verdict.moved || []);
  if (!moved.length) return null;
  const strip = (who, names, others) => el("tr", {}, el("th", { scope: "row" }, who), names.map((name, rank) => {
    const kept = others[rank] === name ? "kept" : others.includes(name) ? "moved" : who === "artifact" ? "new" : "lost";
    return el("td", { class: kept === "kept" ? "kept" : kept === "moved" ? "shifted" : "changed" }, shownOr(name), el("div", {}, kept));
  }));
  const strips = moved.map((each) => el("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": `Neighbours of ${each.query}` },
    el("table", { class: "strip" }, el("caption", {}, "Query ", shownOr(each.query)),
      el("tbody", {}, strip("float32", each.expected, each.found), strip("artifact", each.found, each.expected)))));
  return section("Nearest neighbours that changed", el("p", { class: "note" }, "The queries whose five nearest changed most, nearest first."), strips);
}

function shownOr(name) {
  return picture(name, true) || el("span", { class: "dim" }, name);
}

function latency(result) {
  const found = result.latency;
  if (!found) return null;
  const rows = Object.entries(found.ratios).map(([rival, ratio]) => [rival, fixed(ratio.median, 2), `${fixed(ratio.low, 2)} – ${fixed(ratio.high, 2)}`]);
  const busy = num(found.others) > 0.1 ? `Inconclusive: others used ${fixed(100 * num(found.others), 0)} % of the machine.` : null;
  const budget = found.budget ? `At most ${found.budget.ratio} of ${Object.keys(found.ratios)[0]}: ${found.budget.reason}` : null;
  return section("Latency", el("p", { class: "note" }, `${found.rounds} rounds with ${found.threads} threads, ${fixed(found.median_ms, 1)} ms in the median. A stroke is a round, the bar the 95 % interval of the median.`),
    [busy, budget].filter(Boolean).map((line) => el("p", {}, line)),
    el("div", { class: "beside" }, rows.length ? latencyChart(found) : null, table(["rival", "#median ratio", "#95 % interval"], rows, { label: "Latency" })));
}

function kernels(result, found) {
  const ran = result.execution;
  if (!ran) return null;
  const total = Object.values(ran.products).reduce((sum, each) => sum + each, 0);
  const did = Object.fromEntries(Object.entries(ran.products).map(([name, each]) => [name, each / total]));
  const unit = ran.instructions ? "instructions" : "multiply-accumulates";
  return section("Kernels", facts([["profile", ran.profile], ["run by", ran.producer], ["cost", found.cost ? count(found.cost, unit) : null]]),
    el("div", { class: "beside" }, total ? kernelsChart("share of KleidiAI's multiply-accumulates", did) : null,
      Object.keys(ran.shares).length ? kernelsChart("share of instructions", ran.shares) : null),
    table(["kernel", "#products", "#instructions"], [...new Set([...Object.keys(ran.products), ...Object.keys(ran.shares)])].map((name) =>
      [name, did[name] === undefined ? "–" : fixed(100 * did[name], 1, " %"), ran.shares[name] === undefined ? "–" : fixed(100 * num(ran.shares[name]), 1, " %")]), { label: "Kernels" }));
}

function about(result) {
  const [made, delegation] = [result.artifact, result.artifact && result.artifact.delegation];
  const specs = (all) => all.map((spec) => `${spec.name}: ${spec.dtype}[${spec.shape.map((n) => (n < 0 ? "?" : n)).join(", ")}]`).join("; ");
  const pairs = Object.entries(result.seconds).map(([stage, seconds]) => [`${stage}, s`, fixed(seconds, 1)]);
  return section("File and cost", facts([
    ["file", made && made.path], ["size", made && `${fixed(made.size / 1e6, 1)} MB`], ["sha256", made && made.sha256],
    ["inputs", made && specs(made.inputs)], ["outputs", made && specs(made.outputs)],
    ["delegate calls", delegation && `${delegation.delegate_calls} of ${delegation.backend}`],
    ["outside the delegate", delegation && delegation.left_over.join(", ")],
    ["peak memory", result.peak_memory === null ? null : `${fixed(result.peak_memory / 1e6, 0)} MB`],
    ["fp16 sums", result.half_sums && Object.entries(result.half_sums).map(([terms, snr]) => `of ${terms} terms ${decibels(snr)}`).join(", ")],
    ["weights", `${made ? `${made.weights}, ` : ""}sha256 ${result.weights_sha256}`],
    ["made with", made && Object.entries(made.tools).map(([tool, version]) => `${tool} ${version}`).join(", ")], ...pairs,
  ]));
}
