// How a map is drawn: its dots, lines of equal density, and what is marked. Joined in front of point_cloud.js.

const OTHERS = "#b8bcc0"; // dots of this colour lie under those of any other; those that are not shown, under both
const layer = ({ shown, level, facts }, i) => (!shown[i] ? 0 : facts.palette[level[i]] === OTHERS ? 1 : 2);
const rgb = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));

// Many dots: their pixels are set one by one, which is ten times faster than drawing discs.
function dots(state, context, ratio) {
  const { canvas, n, level, facts, view, size, at } = state, { width, height } = canvas;
  if (state.image?.width !== width || state.image?.height !== height) state.image = context.createImageData(width, height);
  const pixels = new Uint32Array(state.image.data.buffer), r = radius(state) * ratio, disc = [];
  pixels.fill(0);
  for (let dy = -Math.ceil(r); dy <= r; dy++) for (let dx = -Math.ceil(r); dx <= r; dx++) if (dx * dx + dy * dy <= r * r) disc.push(dy * width + dx);
  const edge = Math.ceil(r), colours = facts.palette.map(rgb).map(([red, green, blue]) => (255 << 24) | (blue << 16) | (green << 8) | red);
  const scale = view.k * ratio, left = (size.width / 2 - view.x * view.k) * ratio, top = (size.height / 2 - view.y * view.k) * ratio;
  for (const bright of [0, 1, 2]) {
    for (let i = 0; i < n; i++) {
      if (layer(state, i) !== bright) continue;
      const x = (at[2 * i] * scale + left) | 0, y = (at[2 * i + 1] * scale + top) | 0;
      if (x < edge || y < edge || x >= width - edge || y >= height - edge) continue;
      const colour = bright ? colours[level[i]] : 0x38888888, middle = y * width + x;
      for (const step of disc) pixels[middle + step] = colour;
    }
  }
  context.putImageData(state.image, 0, 0);
}

function sprite(colour, r, ratio) {
  const made = document.createElement("canvas"), side = Math.ceil((r + 1) * ratio) * 2, context = made.getContext("2d");
  made.width = made.height = side;
  context.beginPath();
  context.arc(side / 2, side / 2, r * ratio, 0, 2 * Math.PI);
  context.fillStyle = colour;
  context.fill();
  context.strokeStyle = "rgba(0,0,0,.35)";
  context.lineWidth = 0.6 * ratio;
  if (!colour.startsWith("rgba")) context.stroke();
  return made;
}

function discs(state, context, ratio) {
  const { facts, level, n, size } = state, r = radius(state), faint = sprite("rgba(136,136,136,.25)", r * 0.8, ratio);
  const sprites = facts.palette.map((colour) => sprite(colour, r, ratio));
  context.clearRect(0, 0, state.canvas.width, state.canvas.height);
  for (const bright of [0, 1, 2]) {
    for (let i = 0; i < n; i++) {
      if (layer(state, i) !== bright) continue;
      const [x, y] = screen(state, i), picture = bright ? sprites[level[i]] : faint;
      if (x < -r || y < -r || x > size.width + r || y > size.height + r) continue;
      context.drawImage(picture, x * ratio - picture.width / 2, y * ratio - picture.height / 2);
    }
  }
}

// Where classes overlap: each line thicker than the one around it.
function contours({ lines, view, size }, context, ratio, ink) {
  context.save();
  context.setTransform(view.k * ratio, 0, 0, view.k * ratio, (size.width / 2 - view.x * view.k) * ratio, (size.height / 2 - view.y * view.k) * ratio);
  context.strokeStyle = ink;
  lines.forEach((line, level) => {
    context.beginPath();
    for (let i = 0; i < line.length; i += 4) context.moveTo(line[i], line[i + 1]), context.lineTo(line[i + 2], line[i + 3]);
    Object.assign(context, { lineWidth: (1.3 + 0.5 * level) / view.k, globalAlpha: Math.min(0.65 + 0.1 * level, 0.9) });
    context.stroke();
  });
  context.restore();
}

// Images that are none of the dots, as diamonds: a line comes from the dot that was edited.
function guests(state, context, accent, ink, ground) {
  context.font = `600 12px ${getComputedStyle(state.canvas).fontFamily}`;
  for (const { x, y, origin, label } of state.marks.guests) {
    const [left, top] = spot(state, x, y), r = 7;
    if (origin !== null) {
      Object.assign(context, { strokeStyle: accent, lineWidth: 1.8 });
      context.setLineDash([5, 3]);
      context.beginPath();
      context.moveTo(...screen(state, origin)), context.lineTo(left, top);
      context.stroke();
      context.setLineDash([]);
    }
    context.beginPath();
    for (const [right, down] of [[0, -r], [r, 0], [0, r], [-r, 0]]) context.lineTo(left + right, top + down);
    context.closePath();
    Object.assign(context, { fillStyle: ink, strokeStyle: ground, lineWidth: 2.5 });
    context.stroke(), context.fill();
    Object.assign(context, { strokeStyle: ground, lineWidth: 3, fillStyle: ink, textAlign: left > state.size.width - 90 ? "right" : "left" });
    const beside = left + (context.textAlign === "left" ? r + 4 : -r - 4);
    context.strokeText(label, beside, top + 4), context.fillText(label, beside, top + 4);
  }
}

function marked(state, context, ratio) {
  const style = getComputedStyle(state.canvas), ink = style.getPropertyValue("--st-text-color") || "#888", accent = style.getPropertyValue("--st-primary-color") || "#1668b8";
  const ground = style.getPropertyValue("--st-background-color") || "#fff";
  if (!state.from) contours(state, context, ratio, ink);
  const r = radius(state), { focus, held, linked, having } = state.marks;
  context.save();
  context.scale(ratio, ratio);
  const ring = (i, far, colour, width) => {
    const [x, y] = screen(state, i);
    Object.assign(context, { strokeStyle: colour, lineWidth: width });
    context.beginPath();
    context.arc(x, y, r + far, 0, 2 * Math.PI);
    context.stroke();
  };
  Object.assign(context, { strokeStyle: ink, lineWidth: 0.8, globalAlpha: 0.55 });
  context.beginPath();
  for (const i of linked) context.moveTo(...screen(state, focus)), context.lineTo(...screen(state, i));
  context.stroke();
  context.globalAlpha = 1;
  for (const i of having) ring(i, 1.5, ink, 1);
  for (const i of held) ring(i, 2.5, ink, 1.5);
  if (focus !== null) ring(focus, 4, accent, 3);
  if (state.hover >= 0) ring(state.hover, 2, ink, 2);
  guests(state, context, accent, ink, ground);
  if (state.path) {
    Object.assign(context, { strokeStyle: accent, fillStyle: accent, lineWidth: 1.5 });
    context.beginPath();
    state.path.forEach((place) => context.lineTo(...place));
    context.stroke();
    context.globalAlpha = 0.12;
    context.fill();
  }
  context.restore();
}
