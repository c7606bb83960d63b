// Filters as dots, a block of columns for each layer. The message, little endian: uint32 length, JSON of what changes by a
// click (selected, lines); uint32 length, JSON of the rest; then levels, values and means (float32 each, per filter).

const APART = 1.3; // dots between two layers, at least
const WIDEST = 12; // and at most
const LARGEST = 24; // pixels of a dot's square
const FOOT = 18, EDGE = 6; // pixels below for the layers' numbers, and around
const LISTED = 40;
const LINES = { pattern: ["accent", 2, []], path: ["ink", 1, []], edited: ["warn", 1.2, [4, 3]] };

function unpack(data) {
  const bytes = data instanceof Uint8Array ? data : new Uint8Array(data);
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  let at = 0;
  const json = () => {
    const length = view.getUint32(at, true);
    at += 4 + length;
    return JSON.parse(new TextDecoder().decode(bytes.subarray(at - length, at)));
  };
  const marks = json(), facts = json();
  const starts = facts.columns.reduce((sums, { filters }) => [...sums, sums.at(-1) + filters], [0]), n = starts.at(-1);
  const floats = () => new Float32Array(bytes.slice(at, (at += 4 * n)).buffer);
  return { marks, facts, starts, n, levels: floats(), values: floats(), means: floats() };
}

// Where things are: as many rows as make the dots largest; what is left of the width goes between the layers, and what is
// left of the height is given back.
function arrange(state) {
  const { size, facts } = state, counts = facts.columns.map(({ filters }) => filters), gaps = counts.length - 1;
  const width = size.width - 2 * EDGE, height = facts.height - FOOT - EDGE;
  const across = (rows) => counts.reduce((sum, count) => sum + Math.ceil(count / rows), 0);
  let [cell, rows] = [0, 1];
  for (let tried = 1; tried <= Math.max(...counts); tried++) {
    const fits = Math.min(width / (across(tried) + APART * gaps), height / tried, LARGEST);
    if (fits >= cell) [cell, rows] = [fits, tried];
  }
  const gap = gaps ? Math.min((width - across(rows) * cell) / gaps, WIDEST * cell) : 0;
  const left = [];
  let x = EDGE;
  for (const count of counts) left.push(x), (x += Math.ceil(count / rows) * cell + gap);
  Object.assign(state, { cell, rows, left });
  size.height = Math.round(EDGE + Math.min(rows, Math.max(...counts)) * cell + FOOT);
  state.canvas.parentElement.style.height = `${size.height}px`;
}

function layerOf({ starts }, i) {
  let layer = 0;
  while (starts[layer + 1] <= i) layer++;
  return layer;
}

function place(state, i) {
  const { starts, left, cell, rows } = state, layer = layerOf(state, i), k = i - starts[layer];
  return [left[layer] + (Math.floor(k / rows) + 0.5) * cell, EDGE + ((k % rows) + 0.5) * cell];
}

// The filter whose square a pointer is in, -1 for none.
function under(state, x, y) {
  const { starts, left, cell, rows, facts } = state, row = Math.floor((y - EDGE) / cell);
  const layer = left.findLastIndex((start) => x >= start);
  if (layer < 0 || row < 0 || row >= rows) return -1;
  const k = Math.floor((x - left[layer]) / cell) * rows + row;
  return k < facts.columns[layer].filters ? starts[layer] + k : -1;
}

const signed = (number) => (number < 0 ? "−" : "+") + Math.abs(number).toFixed(1);
function words(state, i) {
  const layer = layerOf(state, i), { number, name } = state.facts.columns[layer], level = state.levels[i];
  const title = `l${number}:${i - state.starts[layer]}  layer ${number} (${name}), filter ${i - state.starts[layer]}`;
  const mean = `mean ${state.means[i].toPrecision(3)}`;
  if (Number.isNaN(level)) return `${title}\nanswers the same to every image (${mean})`;
  return state.facts.shaded ? `${title}\nanswer ${state.values[i].toPrecision(3)}: ${signed(level)} standard deviations (${mean})` : `${title}\n${mean}`;
}

// Drawing: −1 deviation and less is smallest, +3 and more is largest.
const share = (level) => Math.min(Math.max((level + 1) / 4, 0), 1);

function dots(state, context) {
  const { facts, levels, starts, n, cell, ink } = state;
  for (let layer = 0; layer < facts.columns.length; layer++) {
    context.fillStyle = facts.columns[layer].colour;
    for (let i = starts[layer]; i < starts[layer + 1]; i++) {
      const [x, y] = place(state, i), dead = Number.isNaN(levels[i]), strength = facts.shaded ? share(levels[i]) : 0.6;
      context.beginPath();
      context.arc(x, y, dead ? Math.max(1.2, cell * 0.12) : cell * (0.19 + 0.29 * strength), 0, 2 * Math.PI);
      context.globalAlpha = dead ? 0.35 : 0.4 + 0.6 * strength;
      context.fill();
      if (strength < 0.5 || dead) continue;
      Object.assign(context, { globalAlpha: 0.45, strokeStyle: ink, lineWidth: 0.5 });
      context.stroke();
    }
  }
  context.globalAlpha = 1;
}

function numbers(state, context) {
  const { facts, left, cell, rows, size, ink } = state;
  Object.assign(context, { fillStyle: ink, font: "11px sans-serif", textAlign: "center", globalAlpha: 0.75 });
  let last = -Infinity;
  facts.columns.forEach(({ number, filters }, layer) => {
    const x = left[layer] + (Math.ceil(filters / rows) * cell) / 2;
    if (x - last < 22) return;
    context.fillText(`l${number}`, x, size.height - 4);
    last = x;
  });
  context.globalAlpha = 1;
}

function marked(state, context) {
  const { marks, cell, ink, accent, warn } = state, colours = { ink, accent, warn };
  for (const { kind, places } of marks.lines) {
    const [colour, width, dash] = LINES[kind];
    Object.assign(context, { strokeStyle: colours[colour], lineWidth: width, globalAlpha: kind === "path" ? 0.55 : 0.9 });
    context.setLineDash(dash);
    context.beginPath();
    for (const i of places) context.lineTo(...place(state, i));
    context.stroke();
  }
  context.setLineDash([]);
  context.globalAlpha = 1;
  const ring = (i, colour, width, far) => {
    Object.assign(context, { strokeStyle: colour, lineWidth: width });
    context.beginPath();
    context.arc(...place(state, i), Math.max(cell * 0.5, 4) + far, 0, 2 * Math.PI);
    context.stroke();
  };
  for (const i of marks.selected) ring(i, accent, 2.5, 1);
  if (state.hover >= 0) ring(state.hover, ink, 1.5, 1);
}

function draw(state) {
  state.asked = 0;
  const { canvas, size } = state, ratio = window.devicePixelRatio || 1;
  if (!size.width) return;
  Object.assign(canvas, { width: Math.round(size.width * ratio), height: Math.round(size.height * ratio) });
  const style = getComputedStyle(canvas), context = canvas.getContext("2d"), colour = (name, other) => style.getPropertyValue(name) || other;
  Object.assign(state, { ink: colour("--st-text-color", "#888"), accent: colour("--st-primary-color", "#1668b8"), warn: colour("--st-orange-color", "#e76300") });
  context.scale(ratio, ratio);
  dots(state, context);
  numbers(state, context);
  marked(state, context);
  canvas.dataset.shown = state.messages; // messages, as far as they are drawn
}

const later = (state) => (state.asked ||= requestAnimationFrame(() => draw(state)));

function point(root, state, i) {
  const tip = root.querySelector(".tip"), { size } = state;
  state.hover = i;
  tip.hidden = i < 0;
  state.canvas.classList.toggle("over", i >= 0);
  if (i >= 0) {
    const [x, y] = place(state, i);
    tip.textContent = words(state, i);
    const low = y > size.height / 2 ? { top: "", bottom: `${size.height - y + 12}px` } : { top: `${y + 12}px`, bottom: "" };
    Object.assign(tip.style, low, { left: x < size.width / 2 ? `${x + 8}px` : "", right: x < size.width / 2 ? "" : `${size.width - x + 8}px` });
  }
  later(state);
}

// What stands below the dots
function below(root, state, pick) {
  const { facts, levels, n } = state, details = root.querySelector(".list");
  const size = (share) => Object.assign(document.createElement("i"), { style: `width:${4 + 9 * share}px;height:${4 + 9 * share}px;opacity:${0.3 + 0.7 * share}` });
  root.querySelector(".sizes").replaceChildren(...(facts.shaded ? ["−1 or less", size(0), size(0.5), size(1), "+3 standard deviations or more"] : [`${n.toLocaleString("en")} filters`]));
  details.hidden = !facts.shaded;
  const first = [...levels.keys()].filter((i) => levels[i] > 0).sort((a, b) => levels[b] - levels[a] || a - b).slice(0, LISTED);
  details.querySelector("div").replaceChildren(...first.map((i) => {
    const item = Object.assign(document.createElement("span"), { role: "listitem" });
    item.append(Object.assign(document.createElement("button"), { type: "button", title: words(state, i), textContent: `${words(state, i).split(" ")[0]} ${signed(levels[i])}`, onclick: () => pick(i) }));
    return item;
  }));
}

// What a person does
function step(state, key) {
  const { starts, rows, n, facts } = state, i = Math.max(state.hover, 0), layer = layerOf(state, i), depth = facts.columns.length;
  const inLayer = (goal, k) => starts[goal] + Math.min(Math.max(k, 0), facts.columns[goal].filters - 1);
  const to = (goal) => (goal < 0 || goal >= depth ? i : inLayer(goal, (i - starts[layer]) % rows));
  const side = (by) => (layerOf(state, Math.min(Math.max(i + by, 0), n - 1)) === layer && i + by >= 0 && i + by < n ? i + by : to(layer + Math.sign(by)));
  const moves = { ArrowDown: () => Math.min(i + 1, n - 1), ArrowUp: () => Math.max(i - 1, 0), ArrowRight: () => side(rows), ArrowLeft: () => side(-rows), PageDown: () => to(layer + 1), PageUp: () => to(layer - 1), Home: () => 0, End: () => n - 1 };
  return moves[key]?.();
}

function listen(root, state, say) {
  const { canvas } = state, pick = (filter, event) => say("picked", { filter, joins: Boolean(event.shiftKey || event.ctrlKey || event.metaKey) });
  canvas.onpointermove = (event) => point(root, state, under(state, event.offsetX, event.offsetY));
  canvas.onpointerleave = canvas.onblur = () => point(root, state, -1);
  canvas.onclick = (event) => {
    const i = under(state, event.offsetX, event.offsetY);
    if (i >= 0) pick(i, event);
  };
  canvas.onkeydown = (event) => {
    const next = step(state, event.key);
    if (next !== undefined) {
      point(root, state, next);
      root.querySelector(".said").textContent = words(state, next);
    } else if ((event.key === "Enter" || event.key === " ") && state.hover >= 0) pick(state.hover, event);
    else if (event.key === "Escape") pick(-1, event);
    else return;
    event.preventDefault();
  };
}

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".filters"), said = unpack(data), canvas = root.querySelector("canvas");
  const state = (root.state ??= { canvas, hover: -1, size: { width: 0, height: 0 }, asked: 0, messages: 0 });
  const fresh = state.facts?.stamp !== said.facts.stamp;
  Object.assign(state, said, { messages: state.messages + 1 });
  if (fresh) {
    canvas.setAttribute("aria-label", state.facts.alt);
    below(root, state, (filter) => setTriggerValue("picked", { filter, joins: false }));
    if (state.size.width) arrange(state);
  }
  listen(root, state, setTriggerValue);
  canvas.where = (i) => place(state, i); // pixels from the canvas's corner
  state.observer ??= new ResizeObserver(() => {
    if (canvas.clientWidth === state.size.width) return;
    state.size.width = canvas.clientWidth;
    if (state.size.width) arrange(state), draw(state);
  });
  state.observer.observe(canvas);
  if (state.size.width) later(state);
  return () => (state.observer?.disconnect(), (state.observer = null));
}
