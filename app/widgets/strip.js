// One image's saliency maps: techniques down, epochs across, drawn here from raw levels so that little travels.
// The message: int32 selected epoch, int32 enlarged row or -1, uint32 length of the header, the header as JSON, then the
// image (side × side × 3), two colour scales of 256 × 3, and for each row with maps columns × h × w levels.

function unpack(data) {
  const view = new DataView(data.buffer, data.byteOffset), length = view.getUint32(8, true);
  const header = JSON.parse(new TextDecoder().decode(data.subarray(12, 12 + length)));
  header.selected = view.getInt32(0, true);
  header.open = view.getInt32(4, true);
  let at = 12 + length;
  const take = (count) => data.subarray(at, (at += count));
  const image = take(header.side * header.side * 3);
  const scales = [take(768), take(768)];
  const levels = header.rows.map((row) => (row.why ? null : take(header.columns.length * row.height * row.width)));
  return { header, image, scales, levels };
}

// The image under a map, or the map alone.
function paint(canvas, { header, image, scales, levels }, row, column) {
  const { height, width, signed } = header.rows[row];
  canvas.dataset.about = 96;
  overlay(canvas, image, header.side, levels[row], column * height * width, [height, width], scales[signed ? 1 : 0], signed, header.over ? header.opacity : null);
}

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

function bar(row, scale) {
  const stops = [0, 32, 64, 96, 128, 160, 192, 224, 255].map((level) => `rgb(${scale.slice(level * 3, level * 3 + 3).join(",")})`);
  const ramp = make("div", { class: "ramp", style: `background:linear-gradient(to top,${stops.join(",")})` });
  const ends = make("div", { class: "ends" }, make("span", {}, row.high), make("span", {}, row.low));
  return make("div", { class: "bar", role: "img", "aria-label": `colour scale from ${row.low} to ${row.high}`, title: row.scale }, ramp, ends);
}

// What checks say of a technique: an icon and a few words, the numbers on hovering, the whole card behind it.
function badge({ words, icon, help, href }) {
  return make("a", { class: "badge", href, target: "_blank", title: help, "aria-label": help }, make("span", { class: "icon", "aria-hidden": "true" }, icon), words);
}

function nameOf(row) {
  const title = row.about ? make("a", { href: row.about, target: "_blank" }, row.title) : row.title;
  return make("div", { class: "name", role: "rowheader", title: row.help }, make("b", {}, title), make("small", {}, row.note), ...row.badges.map(badge));
}

function mapRow(strip, number) {
  const row = strip.header.rows[number], name = nameOf(row);
  const line = make("div", { class: "line", role: "row" }, name);
  if (row.why) {
    line.append(make("div", { class: "why", role: "gridcell" }, make("span", {}, row.why)));
    return line;
  }
  row.cells.forEach(({ state, words, label }, column) => {
    const cell = make("button", { class: `cell ${state}`, role: "gridcell", type: "button", tabindex: -1, "aria-label": label, title: label });
    cell.dataset.row = number;
    cell.dataset.column = column;
    if (state === "map") {
      const canvas = make("canvas", { "aria-hidden": "true" });
      paint(canvas, strip, number, column);
      cell.append(canvas);
    }
    if (words) cell.append(make("span", {}, words));
    line.append(cell);
  });
  line.append(bar(row, strip.scales[row.signed ? 1 : 0]));
  return line;
}

const named = ({ title, epoch }) => title || `epoch ${epoch}`;

function headsRow(header) {
  const line = make("div", { class: "line heads", role: "row" }, make("div", { class: "name", role: "columnheader" }, make("small", {}, header.across)));
  header.columns.forEach(({ epoch, title }, column) => {
    const head = make("button", { class: "head", role: "columnheader", type: "button", tabindex: -1, "aria-label": named({ epoch, title }) }, title || String(epoch));
    head.dataset.column = column;
    line.append(head);
  });
  return line;
}

function scoresRow(header) {
  const name = make("div", { class: "name", role: "rowheader" }, make("b", {}, header.scoreName), make("small", {}, "taken for"));
  const line = make("div", { class: "line scores", role: "row" }, name);
  header.columns.forEach(({ epoch, title, share, percent, predicted, right }, column) => {
    const label = `${named({ epoch, title })}: probability ${percent}, taken for ${predicted}`;
    const fill = make("i", { style: `height:${Math.max(share * 100, 1)}%` });
    const score = make("div", { class: `score ${right ? "right" : ""}`, role: "gridcell", "aria-label": label, title: label });
    score.dataset.column = column;
    if (percent) score.append(make("div", { class: "column" }, fill), make("span", {}, percent), make("small", {}, predicted));
    line.append(score);
  });
  return line;
}

function build(root, strip) {
  const { header } = strip, figure = root.querySelector("figure"), grid = root.querySelector(".grid");
  const canvas = figure.querySelector("canvas");
  original(canvas, strip.image, header.side);
  canvas.setAttribute("aria-label", header.alt);
  grid.setAttribute("aria-label", header.label);
  grid.style.setProperty("--columns", header.columns.length);
  grid.classList.toggle("few", header.across !== "epoch");
  grid.replaceChildren(headsRow(header), ...header.rows.map((_, number) => mapRow(strip, number)), scoresRow(header));
  root.querySelector(".note").textContent = header.note;
}

// What changes by a click alone: no picture is drawn again for it.
function mark(root, header) {
  const chosen = header.columns.findIndex(({ epoch }) => epoch === header.selected);
  for (const element of root.querySelectorAll("[data-column]")) {
    element.classList.toggle("selected", Number(element.dataset.column) === chosen);
    const open = Number(element.dataset.row) === header.open && Number(element.dataset.column) === chosen;
    element.classList.toggle("open", open);
    if (element.matches("button.cell")) element.setAttribute("aria-selected", open);
  }
  root.querySelector("figcaption").textContent = [header.caption, header.columns[chosen]?.caption].filter(Boolean).join("\n");
  const current = root.querySelector("button[tabindex='0']") ?? root.querySelector("button.cell.selected") ?? root.querySelector("button.cell, button.head");
  if (current) current.tabIndex = 0;
}

// Where not all columns find room, as many as do fill it: none is cut in the middle. A shadow says where more of them are.
function fit(root) {
  const grid = root.querySelector(".grid"), scroll = root.querySelector(".scroll");
  grid.style.removeProperty("--least");
  if (scroll.scrollWidth > scroll.clientWidth) {
    const sizes = getComputedStyle(grid).gridTemplateColumns.split(" ").map(parseFloat), room = scroll.clientWidth - sizes[0] - sizes.at(-1);
    grid.style.setProperty("--least", `${room / Math.max(1, Math.floor(room / sizes[1]))}px`);
  }
  hint(scroll);
}

function hint(scroll) {
  scroll.classList.toggle("before", scroll.scrollLeft > 1);
  scroll.classList.toggle("after", scroll.scrollLeft < scroll.scrollWidth - scroll.clientWidth - 1);
}

function reveal(root) {
  const scroll = root.querySelector(".scroll"), chosen = root.querySelector(".head.selected"), last = root.querySelector(".heads").lastElementChild;
  if (!chosen || scroll.scrollWidth <= scroll.clientWidth) return;
  const left = chosen.offsetLeft - root.querySelector(".name").offsetWidth;
  const view = scroll.clientWidth - 2 * root.querySelector(".name").offsetWidth;
  if (left < scroll.scrollLeft || left > scroll.scrollLeft + view || chosen === last) scroll.scrollLeft = left - view / 2;
}

function move(root, target, key) {
  const cells = [...root.querySelectorAll("button[data-column]")], row = (cell) => Number(cell.dataset.row ?? -1);
  const [right, down] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1], Home: [-1e6, 0], End: [1e6, 0] }[key] ?? [];
  if (right === undefined) return false;
  const rows = [...new Set(cells.map(row))], goal = rows[Math.min(Math.max(rows.indexOf(row(target)) + down, 0), rows.length - 1)];
  const line = cells.filter((cell) => row(cell) === goal);
  const next = line[Math.min(Math.max(Number(target.dataset.column) + right, 0), line.length - 1)];
  for (const cell of cells) cell.tabIndex = -1;
  next.tabIndex = 0;
  next.focus();
  return true;
}

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".strip"), strip = unpack(data), { header } = strip;
  if (root.dataset.stamp !== header.stamp) {
    const focused = parentElement.activeElement ?? root.getRootNode().activeElement, spot = focused?.dataset ?? {};
    build(root, strip);
    root.dataset.stamp = header.stamp;
    if (spot.column) root.querySelector(`button[data-row="${spot.row}"][data-column="${spot.column}"]`)?.focus();
  }
  mark(root, header);
  fit(root);
  reveal(root);
  const scroll = root.querySelector(".scroll");
  scroll.onscroll = () => hint(scroll);
  root.observer ??= new ResizeObserver(() => fit(root));
  root.observer.observe(scroll);
  const choose = (cell) => setTriggerValue("cell", { row: Number(cell.dataset.row ?? -1), epoch: header.columns[cell.dataset.column].epoch });
  root.onclick = (event) => {
    const cell = event.target.closest("button[data-column]");
    if (cell) choose(cell);
  };
  root.onkeydown = (event) => {
    const cell = event.target.closest("button[data-column]");
    if (cell && move(root, cell, event.key)) event.preventDefault();
  };
  return () => (root.observer?.disconnect(), (root.observer = null));
}
