// Small charts, a line a class in each. Their numbers are those of Curves in curves.py.

const SVG = "http://www.w3.org/2000/svg";
const NEAR = 12; // pixels between a pointer and the line it means

function make(tag, facts = {}, ...children) {
  const made = Object.assign(document.createElement(tag), facts);
  made.append(...children);
  return made;
}

function path(kind, d, style = {}) {
  const made = document.createElementNS(SVG, "path");
  made.setAttribute("class", kind);
  made.setAttribute("d", d);
  return Object.assign(made.style, style), made;
}

// The share of the way up at which a value stands.
function height({ bottom, top, log }, value) {
  const of = log ? Math.log : (number) => number;
  return (of(value) - of(bottom)) / (of(top) - of(bottom));
}

const there = (value) => value !== null && value !== undefined;
const spots = (facts, { places }, line) => places.map((x, at) => [x, line[at]]).filter(([, value]) => there(value)).map(([x, value]) => [x, 1 - height(facts, value)]);
const joined = (points) => points.map(([x, y], at) => `${at ? "L" : "M"}${x.toFixed(4)} ${y.toFixed(4)}`).join("");
const area = (facts, chart, low, high) => `${joined([...spots(facts, chart, low), ...spots(facts, chart, high).reverse()])}Z`;
const upright = (x) => `M${x.toFixed(4)} 0V1`;

function drawing(facts, chart) {
  const svg = document.createElementNS(SVG, "svg"), { strong, colours } = facts;
  for (const [name, value] of Object.entries({ viewBox: "0 0 1 1", preserveAspectRatio: "none", role: "img", "aria-label": chart.alt })) svg.setAttribute(name, value);
  const line = (number, kind) => path(kind, joined(spots(facts, chart, chart.lines[number])), { stroke: colours[number] });
  if (chart.wide.length) svg.append(path("wide", area(facts, chart, chart.wide[0], chart.wide[2])), path("middle", joined(spots(facts, chart, chart.wide[1]))));
  if (chart.band.length) svg.append(path("band", area(facts, chart, chart.band[0], chart.band[1]), { fill: colours[strong] }));
  svg.append(path("unchanged", upright(chart.unchanged)));
  if (there(chart.setting)) svg.append(path("setting", upright(chart.setting)));
  chart.lines.forEach((_, number) => number !== strong && svg.append(line(number, "line")));
  svg.append(line(strong, "strong"));
  if (chart.own.length) svg.append(path("own", joined(spots(facts, chart, chart.own))));
  return svg;
}

// The line and point nearest to a pointer, null where none is near.
function nearest(facts, chart, x, y, { width, height: tall }) {
  let best = null, least = NEAR ** 2;
  const order = [facts.strong, ...chart.lines.keys()];
  for (const number of order) {
    const points = spots(facts, chart, chart.lines[number]).map(([px, py]) => [px * width, py * tall]);
    for (let i = 0; i < points.length - 1; i++) {
      const [[ax, ay], [bx, by]] = [points[i], points[i + 1]], long = (bx - ax) ** 2 + (by - ay) ** 2 || 1;
      const share = Math.min(Math.max(((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / long, 0), 1);
      const far = (ax + share * (bx - ax) - x) ** 2 + (ay + share * (by - ay) - y) ** 2;
      if (far < least - 1e-9) [best, least] = [{ number, at: share < 0.5 ? i : i + 1 }, far];
    }
  }
  return best;
}

function listen(state, part, chart) {
  const { plot } = part, found = (event) => {
    const box = plot.getBoundingClientRect();
    return nearest(state.facts, chart, event.clientX - box.left, event.clientY - box.top, box);
  };
  plot.onpointermove = (event) => {
    const hit = found(event), { facts, tip } = state, box = plot.getBoundingClientRect(), root = state.root.getBoundingClientRect();
    plot.classList.toggle("over", Boolean(hit));
    tip.hidden = !hit;
    if (!hit) return;
    const value = chart.lines[hit.number][hit.at], said = facts.percent ? `${(value * 100).toFixed(1)}%` : value.toFixed(2);
    tip.textContent = `${facts.names[hit.number]}: ${said} at ${chart.called[hit.at]}`;
    const right = event.clientX - root.left > root.width / 2;
    Object.assign(tip.style, { left: right ? "" : `${event.clientX - root.left + 10}px`, right: right ? `${root.right - event.clientX + 10}px` : "", top: `${box.top - root.top - 18}px` });
  };
  plot.onpointerleave = () => (state.tip.hidden = true);
  plot.onclick = (event) => {
    const hit = found(event);
    if (hit) state.say("picked", { line: hit.number, chart: chart.name });
  };
}

function build(chart) {
  const title = make("button", { type: "button" }), plot = make("div", { className: "plot" }), foot = make("div", { className: "ticks" });
  const [top, bottom] = [make("span"), make("span")];
  const element = make("div", { className: "chart" }, title, make("div", { className: "ends" }, top, bottom), plot, foot);
  element.setAttribute("role", "listitem");
  element.dataset.name = chart.name;
  return { element, title, plot, foot, top, bottom, drawn: "" };
}

function fill(state, part, chart) {
  const { facts } = state, drawn = JSON.stringify([chart, facts.strong, facts.colours, facts.bottom, facts.top, facts.opened === chart.name]);
  if (part.drawn === drawn) return;
  part.drawn = drawn;
  part.title.textContent = chart.title;
  part.title.title = `Shows ${chart.title} in large on the page Simulation`;
  part.title.setAttribute("aria-pressed", String(facts.opened === chart.name));
  part.title.onclick = () => state.say("opened", chart.name);
  [part.bottom.textContent, part.top.textContent] = facts.ends;
  part.plot.replaceChildren(drawing(facts, chart));
  part.foot.replaceChildren(...chart.ticks.map(([x, text]) => make("span", { textContent: text, style: `left:${x * 100}%`, className: x < 0.1 ? "first" : x > 0.9 ? "last" : "" })));
  listen(state, part, chart);
}

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".curves"), names = data.charts.map(({ name }) => name).join();
  const state = (root.state ??= { root, names: "", tip: make("div", { className: "tip", hidden: true }) });
  Object.assign(state, { facts: data, say: setTriggerValue });
  if (state.names !== names) {
    state.parts = data.charts.map(build);
    root.replaceChildren(...state.parts.map(({ element }) => element), state.tip);
    state.names = names;
  }
  root.style.setProperty("--columns", data.columns);
  root.style.setProperty("--height", `${data.height}px`);
  data.charts.forEach((chart, number) => fill(state, state.parts[number], chart));
  root.dataset.shown = data.stamp;
}
