// Rows of patterns. The message: uint32 length of the header, the header as JSON (rows, colours of the layers), then one PNG
// with all pictures side by side.

const SVG = "http://www.w3.org/2000/svg";

function unpack(data) {
  const bytes = data instanceof Uint8Array ? data : new Uint8Array(data);
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
  const facts = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length)));
  return { facts, sheet: bytes.subarray(4 + length) };
}

function make(tag, facts = {}, ...children) {
  const made = Object.assign(document.createElement(tag), facts);
  made.append(...children);
  return made;
}

function shape(tag, attributes) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

function pie(slices, total, said) {
  const svg = shape("svg", { viewBox: "-23 -23 46 46", role: "img", "aria-label": said });
  let from = 0;
  const at = (share) => `${22 * Math.sin(2 * Math.PI * share)} ${-22 * Math.cos(2 * Math.PI * share)}`;
  for (const { count, colour } of slices) {
    const to = from + count / total;
    svg.append(slices.length === 1 ? shape("circle", { r: 22, fill: colour }) : shape("path", { d: `M0 0L${at(from)}A22 22 0 ${to - from > 0.5 ? 1 : 0} 1 ${at(to)}Z`, fill: colour }));
    from = to;
  }
  return svg;
}

function classes({ chart, slices }) {
  const total = slices.reduce((sum, { count }) => sum + count, 0), most = Math.max(...slices.map(({ count }) => count));
  const percent = (count) => `${Math.round((100 * count) / total)}%`;
  const said = slices.map(({ name, count }) => `${name} ${count}`).join(", ");
  const named = make("div", { className: `named ${chart}` }, ...slices.map(({ name, count, colour }) => {
    const title = `${name}: ${count} of ${total} images`, label = make("span", { className: "name", textContent: name });
    const number = make("span", { className: "count", textContent: chart === "pie" ? percent(count) : count });
    const mark = chart === "pie" ? make("i", { className: "swatch", style: `background:${colour}` }) : make("span", { className: "bar" }, make("i", { style: `width:${(100 * count) / most}%;background:${colour}` }));
    return make("div", { title }, ...(chart === "pie" ? [mark, label, number] : [label, mark, number]));
  }));
  return make("div", { className: "classes" }, ...(chart === "pie" ? [pie(slices, total, said)] : []), named);
}

function picture({ image, place, title, marked }, { count, side, pixels }, url, say) {
  const made = make("button", { type: "button", className: `picture${marked ? " marked" : ""}${side >= pixels ? " smooth" : ""}`, title, onclick: () => say("focused", image) });
  made.setAttribute("aria-label", title);
  return Object.assign(made.style, {
    width: `${pixels}px`, height: `${pixels}px`, backgroundImage: `url(${url})`,
    backgroundSize: `${count * 100}% 100%`, backgroundPosition: `${count > 1 ? (place / (count - 1)) * 100 : 0}% 0`,
  }), made;
}

function row(item, facts, url, say) {
  const path = item.steps.map(({ text }) => text).join(" → "), used = new Set(item.steps.map(({ layer }) => layer));
  const name = make(facts.clickable ? "button" : "span", { className: "path", textContent: path });
  if (facts.clickable) {
    Object.assign(name, { type: "button", title: `Select pattern ${item.pattern}`, onclick: () => say("picked", item.pattern) });
    name.setAttribute("aria-pressed", String(item.selected));
  }
  const strip = make("div", { className: "strip", title: `layers ${[...used].map((layer) => layer + 1).join(", ")} of ${facts.colours.length}` },
    ...facts.colours.map((colour, layer) => make("i", used.has(layer) ? { className: "used", style: `background:${colour}` } : {})));
  const what = make("div", { className: "what" }, name, strip, make("div", { className: "note", textContent: item.note }));
  const pictures = make("div", { className: "pictures" }, ...item.pictures.map((one) => picture(one, facts, url, say)));
  const numbers = make("dl", { className: "numbers" }, ...item.numbers.map(([term, said]) => make("div", {}, make("dt", { textContent: term }), make("dd", { textContent: said }))));
  const made = make("div", { className: `row${item.selected ? " selected" : ""}` }, what, pictures, classes(item), numbers);
  made.setAttribute("role", "listitem");
  return made;
}

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".patterns"), { facts, sheet } = unpack(data);
  const url = URL.createObjectURL(new Blob([sheet], { type: "image/png" }));
  root.setAttribute("role", "list");
  root.setAttribute("aria-label", facts.label);
  const focused = parentElement.activeElement ?? root.getRootNode().activeElement, spot = [...root.querySelectorAll("button")].indexOf(focused);
  root.replaceChildren(...facts.rows.map((item) => row(item, facts, url, setTriggerValue)));
  if (spot >= 0) root.querySelectorAll("button")[spot]?.focus();
  if (root.url) URL.revokeObjectURL(root.url);
  root.url = url;
  root.dataset.shown = Number(root.dataset.shown ?? 0) + 1;
}
