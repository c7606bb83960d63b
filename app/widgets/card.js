// A reliability card. Charts: one value on a line with what knows nothing, or a line of them; the numbers are those of card.py.

const SVG = "http://www.w3.org/2000/svg";
const ICONS = { passes: "check_circle", fails: "cancel", told: "info", missing: "hourglass_empty", "not applicable": "do_not_disturb_on" };
const DASHES = ["", "5 3", "2 3", "8 3 2 3", "1 3"];

function make(tag, facts = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(facts)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

function shape(tag, facts, said) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(facts)) made.setAttribute(name, value);
  if (said) made.append(Object.assign(document.createElementNS(SVG, "title"), { textContent: said }));
  return made;
}

const there = (value) => value !== null && value !== undefined;
const short = (value) => (there(value) ? String(Math.round(value * 1000) / 1000).replace("-", "−") : "none");

function canvas(chart) {
  return shape("svg", { viewBox: "0 0 1 1", preserveAspectRatio: "none", role: "img", "aria-label": chart.alt });
}

// One value: left to right.
function single(chart) {
  const svg = canvas(chart), at = (value) => Math.min(Math.max((value - chart.low) / (chart.high - chart.low), 0), 1);
  const upright = (value, kind, said, dash = "") => shape("path", { class: kind, d: `M${at(value)} 0V1`, "stroke-dasharray": dash }, said);
  if (there(chart.below[0])) svg.append(shape("path", { class: "band", d: `M${at(chart.below[0])} .25H${at(chart.above[0])}V.75H${at(chart.below[0])}Z` }));
  chart.nulls.forEach(({ name, values }, number) => there(values[0]) && svg.append(upright(values[0], "null", `${name}: ${short(values[0])}`, DASHES[number])));
  if (there(chart.rule)) svg.append(upright(chart.rule, "rule-line", `rule: ${short(chart.rule)}`, "3 3"));
  const area = make("div", { class: "area", title: chart.alt }, svg);
  if (there(chart.own[0])) area.append(make("i", { class: "dot", style: `left:${at(chart.own[0]) * 100}%;top:50%` }));
  const ticks = make("div", { class: "ticks" }, make("span", {}, short(chart.low)), make("span", {}, short(chart.high)));
  return make("div", { class: "plot one" }, make("div", {}, area, ticks));
}

// Several: a line over places.
function several(chart) {
  const svg = canvas(chart), last = Math.max(chart.places.length - 1, 1);
  const y = (value) => 1 - Math.min(Math.max((value - chart.low) / (chart.high - chart.low), 0), 1);
  const spots = (values) => values.map((value, at) => [at / last, value]).filter(([, value]) => there(value)).map(([x, value]) => [x, y(value)]);
  const joined = (points) => points.map(([x, v], at) => `${at ? "L" : "M"}${x.toFixed(4)} ${v.toFixed(4)}`).join("");
  if (chart.below.length) svg.append(shape("path", { class: "band", d: `${joined([...spots(chart.below), ...spots(chart.above).reverse()])}Z` }));
  chart.nulls.forEach(({ name, values }, number) => svg.append(shape("path", { class: "null", d: joined(spots(values)), "stroke-dasharray": DASHES[number % DASHES.length] }, name)));
  if (there(chart.rule)) svg.append(shape("path", { class: "rule-line", d: `M0 ${y(chart.rule)}H1` }, `rule: ${short(chart.rule)}`));
  svg.append(shape("path", { class: "own", d: joined(spots(chart.own)) }));
  const ends = make("div", { class: "ends" }, make("span", {}, short(chart.high)), make("span", {}, short(chart.low)));
  const ticks = make("div", { class: "ticks" }, make("span", {}, chart.places[0]), make("span", {}, chart.across), make("span", {}, chart.places.at(-1)));
  return make("div", { class: "plot" }, make("div", { class: "area", title: chart.alt }, svg), ends, ticks);
}

const drawing = (chart) => (chart.places.length > 1 ? several(chart) : single(chart));

const LONG = 240; // characters that stand below a chart rather than in the narrow column beside it

function line(row) {
  const state = make("span", { class: "icon state", role: "img", "aria-label": row.state, title: row.state }, ICONS[row.state]);
  const title = make("div", { class: "title", role: "rowheader" }, row.about ? make("a", { href: row.about, target: "_blank", title: "what this is" }, row.title) : row.title);
  const said = make("div", { class: "said", role: "cell" }, row.words);
  if (row.rule) said.append(make("div", { class: "rule" }, row.rule));
  const open = make("div", { class: "open", role: "cell" });
  if (row.name) open.append(make("a", { href: row.href, "data-name": row.name, title: "the evidence", "aria-label": `the evidence for ${row.title}` }, make("span", { class: "icon" }, "arrow_forward")));
  const kind = row.state === "not applicable" ? "not" : row.state;
  const drawn = row.chart ? [drawing(row.chart)] : [];
  const space = row.chart ? (row.words.length > LONG ? "long" : "") : "bare";
  return make("div", { class: `row ${kind} ${space}`, role: "row" }, state, title, ...drawn, said, open);
}

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".card");
  if (root.dataset.stamp !== data.stamp) {
    root.setAttribute("aria-label", data.label);
    root.replaceChildren(...data.rows.map(line));
    root.dataset.stamp = data.stamp;
  }
  root.onclick = (event) => {
    const link = event.target.closest("a[data-name]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    setTriggerValue("opened", link.dataset.name);
  };
}
