// Sliders with a curve above each. data: rows (see sliders.py), serial of the last message that was answered, and a number
// that is not 0 while more is to come. Says {serial, values}: the newest values, and no more before these are answered.

const PATIENCE = 1500, AGAIN = 200; // ms: until an answer is given up, and between two questions for what is new
const SVG = "http://www.w3.org/2000/svg";
const KEYS = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: 10, PageDown: -10 };

const short = (value) => String(Number(value.toFixed(2))).replace("-", "−");
const shown = ({ unit }, value) => short(value) + unit;
const share = ({ low, high }, value) => (value - low) / (high - low);

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

const drawn = (kind, line) => {
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("class", kind);
  path.setAttribute("d", line);
  return path;
};

const line = (row, values) => row.curve.values.map((at, place) => `${place ? "L" : "M"}${share(row, at)} ${1 - values[place]}`).join("");
const upright = (at) => `M${at} 0V1`;

// A probability between two points of the curve.
function between({ values, held }, at) {
  const next = values.findIndex((value) => value >= at);
  if (next <= 0) return held[Math.max(next, 0)];
  const part = (at - values[next - 1]) / (values[next] - values[next - 1]);
  return held[next - 1] * (1 - part) + held[next] * part;
}

function build(row) {
  const input = make("input", row.binary ? { type: "checkbox" } : { type: "range", min: row.low, max: row.high, step: "any", "aria-label": `${row.title} (${row.unit})` });
  const name = row.binary ? make("label", { class: "switch" }, input, row.title) : make("span", {}, make("b", {}, row.title), make("output"));
  const side = make("div", { class: "side" }, name, make("div", { class: "side buttons" }));
  const plot = make("div", { class: "plot" });
  const ends = make("div", { class: "ends" }, make("span", {}, row.binary ? "no" : short(row.low)), make("span", {}, row.binary ? "yes" : short(row.high)));
  const element = make("div", { class: "row" }, side, make("div", {}, plot, ...(row.binary ? [] : [input]), ends));
  element.dataset.name = row.name;
  return { element, input, plot, stamp: "" };
}

function drawCurve(part, row, go) {
  const { curve } = row, buttons = part.element.querySelector(".buttons");
  if (!curve) {
    part.plot.replaceChildren(make("span", { class: "none" }, "…"));
    return buttons.replaceChildren();
  }
  const svg = document.createElementNS(SVG, "svg");
  for (const [name, value] of Object.entries({ viewBox: "0 0 1 1", preserveAspectRatio: "none", role: "img", "aria-label": curve.label })) svg.setAttribute(name, value);
  const flips = row.binary ? [] : curve.flips.map(({ value }) => drawn("flips", upright(share(row, value))));
  svg.append(drawn("at", ""), ...flips, drawn("other", line(row, curve.other)), drawn("held", line(row, curve.held)));
  part.plot.replaceChildren(svg, make("i", { class: "mark" }));
  buttons.replaceChildren(...curve.flips.map(({ value, words }) => {
    const button = make("button", { class: "flip", type: "button", title: `Sets ${row.title} to where the prediction changes: ${words}` }, words);
    button.onclick = () => go(value);
    return button;
  }));
}

function place(part, row, value, known) {
  if (row.binary) part.input.checked = value > 0.5;
  else {
    part.input.value = value;
    part.input.setAttribute("aria-valuetext", shown(row, value));
    part.element.querySelector("output").textContent = shown(row, value);
  }
  const mark = part.plot.querySelector(".mark");
  if (!mark) return;
  const across = share(row, value), height = known ? row.curve.at : between(row.curve, value);
  Object.assign(mark.style, { left: `${across * 100}%`, top: `${(1 - height) * 100}%` });
  part.plot.querySelector(".at").setAttribute("d", upright(across));
}

export default function ({ data, parentElement, setStateValue, setTriggerValue }) {
  const root = parentElement.querySelector(".sliders"), { rows, serial, waiting } = data;
  const state = (root.state ??= { sent: serial, values: {}, fresh: false, at: 0, left: 0, names: "" });
  if (!state.leave) {
    // A question asked right after a link was followed would bring this page back
    state.leave = (event) => event.composedPath().some(({ tagName }) => tagName === "A") && (state.left = Date.now());
    window.addEventListener("click", state.leave, true);
  }
  const names = rows.map(({ name }) => name).join();
  if (state.names !== names) {
    state.parts = Object.fromEntries(rows.map((row) => [row.name, build(row)]));
    state.hover = make("div", { class: "hover", "aria-live": "off" });
    root.replaceChildren(...rows.map(({ name }) => state.parts[name].element), state.hover);
    state.names = names;
  }
  root.classList.toggle("plain", !data.plots);
  const answered = () => serial >= state.sent || Date.now() - state.at > PATIENCE;
  const send = () => {
    clearTimeout(state.again);
    clearTimeout(state.late);
    if (!state.answered()) return void (state.late = setTimeout(send, PATIENCE / 4));
    state.fresh = false;
    Object.assign(state, { sent: Math.max(state.sent, serial) + 1, at: Date.now() });
    state.say({ serial: state.sent, values: { ...state.values } });
  };
  Object.assign(state, { answered, say: (said) => setStateValue("said", said) });
  if (!state.fresh && serial >= state.sent) state.values = Object.fromEntries(rows.map(({ name, value }) => [name, value]));

  for (const row of rows) {
    const part = state.parts[row.name], stamp = JSON.stringify({ ...row.curve, at: 0 });
    const move = (value) => {
      state.values[row.name] = Math.min(Math.max(value, row.low), row.high);
      state.fresh = true;
      place(part, row, state.values[row.name], false);
      send();
    };
    if (part.stamp !== stamp || !part.plot.firstChild) drawCurve(part, row, move);
    part.stamp = stamp;
    part.element.querySelector(".side").title = `${row.help[0].toUpperCase()}${row.help.slice(1)}.`;
    place(part, row, state.values[row.name], state.values[row.name] === row.value);
    const stepped = (value) => Number((row.low + Math.round((value - row.low) / row.step) * row.step).toFixed(6));
    part.input.oninput = () => move(row.binary ? Number(part.input.checked) : stepped(Number(part.input.value)));
    part.input.onkeydown = (event) => {
      const ends = { Home: row.low, End: row.high }[event.key], steps = KEYS[event.key];
      if (row.binary || (ends === undefined && !steps)) return;
      event.preventDefault();
      move(ends ?? stepped(state.values[row.name] + steps * row.step));
    };
    part.plot.onpointermove = ({ clientX }) => {
      if (!row.curve) return;
      const { left, width } = part.plot.getBoundingClientRect(), { values, held, other, held_name, other_name } = row.curve;
      const at = row.low + ((clientX - left) / width) * (row.high - row.low);
      const near = values.reduce((best, value, number) => (Math.abs(value - at) < Math.abs(values[best] - at) ? number : best), 0);
      const percent = (chance) => `${(chance * 100).toFixed(1)}%`;
      state.hover.textContent = `${row.title} ${shown(row, values[near])}: ${held_name} ${percent(held[near])}, ${other_name} ${percent(other[near])}`;
    };
    part.plot.onpointerleave = () => (state.hover.textContent = "");
  }
  root.dataset.answered = serial;
  clearTimeout(state.again);
  const busy = () => document.querySelector('[data-testid="stApp"]')?.dataset.testScriptState !== "notRunning";
  const ask = () => (busy() || Date.now() - state.left < PATIENCE ? later() : setTriggerValue("again", waiting));
  const later = () => (state.again = setTimeout(ask, AGAIN));
  if (state.fresh) send();
  else if (waiting) later();
  return () => {
    clearTimeout(state.again);
    clearTimeout(state.late);
    window.removeEventListener("click", state.leave, true);
    state.leave = null;
  };
}
