// One rectangle on a picture, by pointer, by keys or by numbers. The message: uint32 length of the header, the header as
// JSON (alt, label), then the picture as PNG. Answers with [left, top, right, bottom] in shares of the picture, or [].

const STEP = 0.02, LEAST = 0.01; // of the side: what a key moves, and the smallest rectangle
const EDGES = ["Left", "Top", "Right", "Bottom"];

function unpack(data) {
  const bytes = data instanceof Uint8Array ? data : new Uint8Array(data);
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
  const facts = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length)));
  return { facts, picture: bytes.subarray(4 + length) };
}

const inside = (at) => Math.min(Math.max(at, 0), 1);
const rounded = (at) => Math.round(at * 1000) / 1000;

// The corners in order; null where they enclose next to nothing.
function rectangle([x0, y0, x1, y1]) {
  const corners = [Math.min(x0, x1), Math.min(y0, y1), Math.max(x0, x1), Math.max(y0, y1)].map(inside).map(rounded);
  return corners[2] - corners[0] >= LEAST && corners[3] - corners[1] >= LEAST ? corners : null;
}

function moved([x0, y0, x1, y1], right, down) {
  const dx = Math.min(Math.max(right, -x0), 1 - x1), dy = Math.min(Math.max(down, -y0), 1 - y1);
  return [x0 + dx, y0 + dy, x1 + dx, y1 + dy];
}

function draw(root, region) {
  const box = root.querySelector(".box"), clear = root.querySelector(".clear");
  box.hidden = clear.disabled = !region;
  if (region) {
    const [x0, y0, x1, y1] = region.map((at) => at * 100);
    Object.assign(box.style, { left: `${x0}%`, top: `${y0}%`, width: `${x1 - x0}%`, height: `${y1 - y0}%` });
  }
  root.querySelectorAll("input").forEach((input, edge) => {
    if (root.getRootNode().activeElement !== input) input.value = region ? Math.round(region[edge] * 100) : "";
  });
  root.querySelector(".said").textContent = region
    ? EDGES.map((edge, number) => `${edge.toLowerCase()} ${Math.round(region[number] * 100)}%`).join(", ")
    : "No region";
}

export default function ({ data, parentElement, setStateValue }) {
  const root = parentElement.querySelector(".region"), { facts, picture } = unpack(data);
  const image = root.querySelector("img"), frame = root.querySelector(".frame");
  const state = (root.regionState ??= { region: null, stamp: "", timer: 0, from: null });
  if (state.stamp !== facts.stamp) {
    if (state.url) URL.revokeObjectURL(state.url);
    image.src = state.url = URL.createObjectURL(new Blob([picture], { type: "image/png" }));
    Object.assign(state, { stamp: facts.stamp, region: facts.region });
    image.alt = facts.alt;
    frame.setAttribute("aria-label", facts.label);
  }

  const say = (wait) => {
    clearTimeout(state.timer);
    state.timer = setTimeout(() => setStateValue("region", state.region ?? []), wait);
  };
  const take = (region, wait = 0) => {
    state.region = region;
    draw(root, region);
    say(wait);
  };
  draw(root, state.region);

  const place = (event) => {
    const { left, top, width, height } = image.getBoundingClientRect();
    return [inside((event.clientX - left) / width), inside((event.clientY - top) / height)];
  };
  frame.onpointerdown = (event) => {
    if (event.button) return;
    state.from = place(event);
    frame.setPointerCapture(event.pointerId);
  };
  frame.onpointermove = (event) => {
    if (!state.from) return;
    const drawn = rectangle([...state.from, ...place(event)]);
    if (drawn) draw(root, (state.region = drawn));
  };
  frame.onpointerup = () => {
    if (state.from) say(0);
    state.from = null;
  };
  frame.onpointercancel = frame.onpointerup;
  frame.onkeydown = (event) => {
    const [right, down] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key] ?? [];
    const held = state.region;
    if (event.key === "Delete" || event.key === "Backspace") take(null);
    else if (right !== undefined || event.key === "Enter") {
      if (!held) take([0.35, 0.35, 0.65, 0.65], 300);
      else if (right === undefined) return;
      else if (event.shiftKey) take(rectangle([held[0], held[1], held[2] + right * STEP, held[3] + down * STEP]) ?? held, 300);
      else take(moved(held, right * STEP, down * STEP).map(rounded), 300);
    } else return;
    event.preventDefault();
  };
  root.querySelectorAll("input").forEach((input, edge) => {
    input.onchange = () => {
      const given = Number(input.value) / 100;
      if (input.value === "" || !Number.isFinite(given)) return draw(root, state.region);
      const next = [...(state.region ?? [0, 0, 1, 1])];
      next[edge] = given;
      input.blur();
      take(rectangle(next) ?? state.region);
    };
  });
  root.querySelector(".clear").onclick = () => take(null);
}
