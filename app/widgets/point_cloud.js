// Dots on a canvas: zoom, pan, hover, click, lasso. The message, little endian: uint32 length, JSON of what changes by a
// click (Marks in point_cloud.py); uint32 length, JSON of the rest; then per point x and y, true and predicted class (uint16
// each), and the place on the palette, the percentage, and whether it is shown (uint8 each); then per line x0, y0, x1, y1 of
// its segments (uint16 each). Places lie in the unit square, times 65,535.

const FEW = 8000; // points up to which each is drawn as a smooth disc
const NEAR = 9; // pixels between a pointer and the dot it means
const LISTED = 100;
const GLIDE = 450; // milliseconds from one epoch's places to the next
const SETTLED = 600; // milliseconds without zoom or pan until the view is told
const UNLABELLED = 65535;

function unpack(data) {
  const bytes = data instanceof Uint8Array ? data : new Uint8Array(data);
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  let at = 0;
  const json = () => {
    const length = view.getUint32(at, true);
    at += 4 + length;
    return JSON.parse(new TextDecoder().decode(bytes.subarray(at - length, at)));
  };
  const marks = json(), facts = json(), n = facts.count;
  const words = (count) => new Uint16Array(bytes.slice(at, (at += 2 * count)).buffer);
  const places = words(2 * n), truth = words(n), taken = words(n);
  const octets = () => bytes.slice(at, (at += n));
  const dots = { level: octets(), percent: octets(), shown: octets() };
  return { marks, facts, n, places, truth, taken, ...dots, lines: facts.lines.map((count) => unit(words(4 * count))) };
}

const unit = (places) => Float32Array.from(places, (value) => value / 65535);

// Where things are: the view has a centre in the unit square and pixels per unit. From epoch to epoch the
// view stays, so that a film shows how dots move.
function fit({ to, size }) {
  let [left, right, top, bottom] = [1, 0, 1, 0];
  for (let i = 0; i < to.length; i += 2) {
    [left, right] = [Math.min(left, to[i]), Math.max(right, to[i])];
    [top, bottom] = [Math.min(top, to[i + 1]), Math.max(bottom, to[i + 1])];
  }
  const k = Math.min((size.width - 30) / (right - left || 1), (size.height - 30) / (bottom - top || 1));
  return { x: (left + right) / 2, y: (top + bottom) / 2, k, whole: k };
}
const spot = ({ view, size }, x, y) => [(x - view.x) * view.k + size.width / 2, (y - view.y) * view.k + size.height / 2];
const screen = (state, i) => spot(state, state.at[2 * i], state.at[2 * i + 1]);

// The view as a word: its centre, and how many times larger than the whole map; "" for the whole.
const said = ({ view }) => [view.x, view.y, view.k / view.whole].map((number) => +number.toFixed(3)).join("_");

function look(state) {
  const whole = fit(state), [x, y, times] = state.heard.split("_").map(Number);
  state.view = times ? { x, y, k: whole.k * times, whole: whole.k } : whole;
}

// Once the view rests. A word that comes back from before then says nothing new.
function tell(state) {
  clearTimeout(state.resting);
  state.resting = setTimeout(() => {
    const word = said(state) === said({ view: fit(state) }) ? "" : said(state);
    if (word !== state.told) state.say("viewed", (state.told = word));
  }, SETTLED);
}

function zoom(state, factor, x = state.size.width / 2, y = state.size.height / 2) {
  const { view, size } = state, least = view.whole, k = Math.min(Math.max(view.k * factor, least * 0.6), least * 200);
  view.x += (x - size.width / 2) * (1 / view.k - 1 / k);
  view.y += (y - size.height / 2) * (1 / view.k - 1 / k);
  view.k = k;
}

function radius({ n, view }) {
  const base = n > 20000 ? 1.1 : n > FEW ? 1.5 : n > 2000 ? 2.6 : 4;
  return base * Math.min(Math.max((view.k / view.whole) ** 0.4, 1), 3);
}

function nearest(state, x, y) {
  let best = -1, least = NEAR * NEAR;
  for (let i = 0; i < state.n; i++) {
    if (!state.shown[i]) continue;
    const [px, py] = screen(state, i), far = (px - x) ** 2 + (py - y) ** 2;
    if (far < least) [best, least] = [i, far];
  }
  return best;
}

function inside(path, x, y) {
  let odd = false;
  for (let i = 0, j = path.length - 1; i < path.length; j = i++) {
    const [xi, yi] = path[i], [xj, yj] = path[j];
    if (yi > y !== yj > y && x < ((xj - xi) * (y - yi)) / (yj - yi) + xi) odd = !odd;
  }
  return odd;
}

const words = ({ truth, taken, percent, facts }, i) =>
  `image ${i}: ${truth[i] === UNLABELLED ? "unlabelled" : facts.names[truth[i]]}` + (truth[i] === taken[i] ? ", recognised" : ` → ${facts.names[taken[i]]}`) + ` (${percent[i]}%)`;

// When it is drawn

function draw(state) {
  state.asked = 0;
  const { canvas } = state, ratio = window.devicePixelRatio || 1, { width, height } = state.size;
  if (!width) return;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) Object.assign(canvas, { width: Math.round(width * ratio), height: Math.round(height * ratio) });
  glide(state);
  const context = canvas.getContext("2d");
  (state.n > FEW ? dots : discs)(state, context, ratio);
  marked(state, context, ratio);
  canvas.dataset.shown = state.messages; // messages, as far as they are drawn
  if (state.from) later(state);
}

const later = (state) => (state.asked ||= requestAnimationFrame(() => draw(state)));

// From the places of one epoch to those of the next.
function glide(state) {
  if (!state.from) return;
  const done = Math.min((performance.now() - state.since) / GLIDE, 1), share = done * done * (3 - 2 * done);
  for (let i = 0; i < state.at.length; i++) state.at[i] = state.from[i] + share * (state.to[i] - state.from[i]);
  if (done === 1) state.from = null;
}

function move(state, cloud) {
  const to = unit(cloud.places);
  const still = !state.at || state.facts.of !== cloud.facts.of || matchMedia("(prefers-reduced-motion: reduce)").matches;
  Object.assign(state, still ? { at: to, from: null } : { from: state.at.slice(), since: performance.now() }, { to });
}

// What stands around the canvas

function legend(root, { legend: entries, palette }) {
  const chip = (text, ...before) => {
    const span = document.createElement("span");
    return span.append(...before, text), span;
  };
  const swatch = (background, kind = "") => Object.assign(document.createElement("i"), { className: kind, style: `background:${background}` });
  const ramp = () => [chip(entries[0]), swatch(`linear-gradient(to right,${palette.filter((_, at) => at % 32 === 0 || at === 255).join(",")})`, "ramp"), chip(entries.at(-1))];
  root.querySelector(".legend").replaceChildren(...(palette.length === 256 ? ramp() : entries.map((text, at) => chip(text, swatch(palette[at])))));
}

function list(root, state, pick) {
  const all = [...state.shown.keys()].filter((i) => state.shown[i]), details = root.querySelector(".list");
  details.querySelector("summary").textContent = `List of dots (${all.length > LISTED ? `the ${LISTED} least certain of ` : ""}${all.length.toLocaleString("en")})`;
  const fill = () => {
    if (!details.open) return;
    const first = all.sort((a, b) => state.percent[a] - state.percent[b] || a - b).slice(0, LISTED);
    details.querySelector("div").replaceChildren(...first.map((i) => {
      const item = Object.assign(document.createElement("div"), { role: "listitem" });
      item.append(Object.assign(document.createElement("button"), { type: "button", textContent: words(state, i), onclick: () => pick(i) }));
      return item;
    }));
  };
  details.ontoggle = fill;
  fill();
}

function tip(root, state) {
  const element = root.querySelector(".tip"), { hover, size } = state;
  element.hidden = hover < 0;
  state.canvas.classList.toggle("over", hover >= 0);
  if (hover < 0) return;
  const [x, y] = screen(state, hover);
  element.textContent = words(state, hover);
  Object.assign(element.style, { left: x < size.width / 2 ? `${x + 12}px` : "", right: x < size.width / 2 ? "" : `${size.width - x + 12}px`, top: `${Math.max(y - 12, 4)}px` });
}

// What a person does

function listen(root, state) {
  const { canvas, say } = state, again = () => later(state), seen = () => (again(), tell(state));
  const place = (event) => [event.offsetX, event.offsetY];
  canvas.onpointerdown = (event) => {
    if (event.button) return;
    canvas.setPointerCapture(event.pointerId);
    state.down = { place: place(event), moved: false };
    if (state.drawing || event.shiftKey) state.path = [place(event)];
  };
  canvas.onpointermove = (event) => {
    const [x, y] = place(event), { down } = state;
    if (!down) state.hover = nearest(state, x, y);
    else if (Math.hypot(x - down.place[0], y - down.place[1]) > 3 || down.moved) {
      down.moved = true;
      if (state.path) state.path.push([x, y]);
      else ["x", "y"].forEach((axis, at) => (state.view[axis] -= ([x, y][at] - (down.last ?? down.place)[at]) / state.view.k));
      down.last = [x, y];
    }
    tip(root, state);
    again();
  };
  canvas.onpointerup = (event) => {
    const { down, path } = state, [x, y] = place(event);
    Object.assign(state, { down: null, path: null });
    if (down && !down.moved) {
      if (nearest(state, x, y) >= 0) say("picked", nearest(state, x, y));
    } else if (path) {
      const found = [...state.shown.keys()].filter((i) => state.shown[i] && inside(path, ...screen(state, i)));
      if (found.length) say("lassoed", found);
    } else if (down) tell(state);
    again();
  };
  canvas.onpointercancel = () => (Object.assign(state, { down: null, path: null }), again());
  canvas.onpointerleave = () => ((state.hover = -1), tip(root, state), again());
  const whole = () => ((state.view = fit(state)), seen());
  canvas.ondblclick = whole;
  canvas.onwheel = (event) => (event.preventDefault(), zoom(state, Math.exp(-event.deltaY / 400), ...place(event)), tip(root, state), seen());
  const step = (right, down) => ((state.view.x += right / state.view.k), (state.view.y += down / state.view.k), seen());
  const keys = { "+": () => zoom(state, 1.4), "=": () => zoom(state, 1.4), "-": () => zoom(state, 1 / 1.4), 0: whole, ArrowLeft: () => step(-60, 0), ArrowRight: () => step(60, 0), ArrowUp: () => step(0, -60), ArrowDown: () => step(0, 60) };
  canvas.onkeydown = (event) => keys[event.key] && (event.preventDefault(), keys[event.key](), seen());
  const lasso = root.querySelector(".lasso");
  lasso.onclick = () => {
    state.drawing = !state.drawing;
    lasso.setAttribute("aria-pressed", state.drawing);
    canvas.classList.toggle("drawing", state.drawing);
  };
  const press = { ".in": () => (zoom(state, 1.5), seen()), ".out": () => (zoom(state, 1 / 1.5), seen()), ".all": whole };
  for (const [name, does] of Object.entries(press)) root.querySelector(name).onclick = does;
}

function resized(state) {
  state.size = { width: state.canvas.clientWidth, height: state.canvas.clientHeight };
  if (!state.view) look(state);
  const whole = fit(state).k;
  Object.assign(state.view, { k: (state.view.k * whole) / state.view.whole, whole });
  draw(state);
}

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".cloud"), cloud = unpack(data), canvas = root.querySelector("canvas");
  const state = (root.state ??= { canvas, hover: -1, size: { width: 0, height: 0 }, asked: 0, heard: "", told: "", messages: 0 });
  Object.assign(state, { marks: cloud.marks, say: setTriggerValue, messages: state.messages + 1 });
  if (state.facts?.stamp !== cloud.facts.stamp) {
    if (state.facts?.of !== cloud.facts.of) state.view = null;
    move(state, cloud);
    Object.assign(state, cloud, { hover: -1 });
    legend(root, state.facts);
    list(root, state, (image) => setTriggerValue("picked", image));
    canvas.setAttribute("aria-label", state.facts.alt);
  }
  const { view, height, focus } = state.marks;
  if (view !== state.heard) {
    state.heard = view;
    if (view !== state.told) Object.assign(state, { told: view, view: null });
  }
  root.querySelector(".frame").style.height = height ? `${height}px` : "";
  root.querySelector(".said").textContent = focus === null ? "" : `In focus: ${words(state, focus)}`;
  listen(root, state);
  canvas.where = (image) => screen({ ...state, at: state.to }, image); // pixels from the canvas's corner
  state.observer ??= new ResizeObserver(() => resized(state));
  state.observer.observe(canvas);
  if (state.size.width) state.view ?? look(state), later(state);
  return () => (state.observer?.disconnect(), (state.observer = null), clearTimeout(state.resting));
}
