// An image before and after its edits, a map over each, and the difference of the maps. The message: uint32 length of the
// header, the header as JSON, two images (side × side × 3), three colour scales of 256 × 3, then levels h × w of each map.

function unpack(data) {
  const length = new DataView(data.buffer, data.byteOffset).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(data.subarray(4, 4 + length)));
  let at = 4 + length;
  const take = (count) => data.subarray(at, (at += count));
  const images = [0, 1].map(() => take(header.side ** 2 * 3)), scales = [take(768), take(768), take(768)];
  return { header, images, scales, levels: header.maps.map(() => take(header.height * header.width)) };
}

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

function figure(about) {
  const canvas = make("canvas", { role: "img" }), caption = make("figcaption");
  canvas.dataset.about = about;
  return { element: make("figure", {}, canvas, caption), canvas, caption };
}

function ramp(scale, { low, high }) {
  const stops = [0, 32, 64, 96, 128, 160, 192, 224, 255].map((level) => `rgb(${scale.slice(level * 3, level * 3 + 3).join(",")})`);
  return make("div", { class: "scale" }, low, make("span", { class: "ramp", style: `background:linear-gradient(to right,${stops.join(",")})` }), high);
}

function badge({ words, icon, help, href }) {
  return make("a", { class: "badge", href, target: "_blank", title: help, "aria-label": help }, make("span", { class: "icon", "aria-hidden": "true" }, icon), words);
}

function said({ canvas, caption }, { title, words, alt, href }, ...more) {
  const name = href ? make("a", { href, target: "_blank" }, title) : title;
  caption.replaceChildren(make("b", {}, name), ...(words ? [" ", words] : []), ...more);
  canvas.setAttribute("aria-label", alt);
  canvas.title = alt;
}

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".pair"), { header, images, scales, levels } = unpack(data);
  if (root.dataset.stamp === header.stamp) return;
  root.dataset.stamp = header.stamp;
  root.style.setProperty("--columns", header.columns);
  const count = 2 + header.maps.length;
  if (root.figures?.length !== count) {
    root.figures = Array.from({ length: count }, () => figure(header.about));
    root.words = make("div", { class: "words" });
    root.replaceChildren(...root.figures.map(({ element }) => element), root.words);
  }
  const [first, second, ...rest] = root.figures;
  [first, second].forEach((part, number) => {
    original(part.canvas, images[number], header.side);
    said(part, header.images[number]);
  });
  rest.forEach((part, number) => {
    part.element.classList.toggle("alone", number > 1); // where nothing differs, it has the colour of the page
    const map = header.maps[number], scale = scales[number > 1 ? 2 : map.signed ? 1 : 0], over = number < 2 ? header.opacity : null;
    overlay(part.canvas, images[number % 2], header.side, levels[number], 0, [header.height, header.width], scale, map.signed, over);
    said(part, map, ...(map.high ? [ramp(scale, map)] : []), ...(map.badge ? [badge(map.badge)] : []));
  });
  root.words.textContent = header.words;
  root.words.hidden = !header.words;
}
