// How a map is laid over a picture in the browser, for the widgets that do; `pictures.overlay` in Python is the same formula.

// Linear interpolation between cell centres, constant beyond the outermost: as pictures.between in Python.
function between(cells, side) {
  return Array.from({ length: side }, (_, pixel) => {
    const place = Math.min(Math.max(((pixel + 0.5) * cells) / side - 0.5, 0), cells - 1);
    const low = Math.min(Math.floor(place), Math.max(cells - 2, 0));
    return [low, Math.min(low + 1, cells - 1), place - low];
  });
}

// Colours of an image (size × size × 3) under a map: half as colourful, so that hue speaks of the map.
function desaturated(image) {
  const under = new Float32Array(image.length);
  for (let at = 0; at < image.length; at += 3) {
    const grey = 0.299 * image[at] + 0.587 * image[at + 1] + 0.114 * image[at + 2];
    for (let channel = 0; channel < 3; channel++) under[at + channel] = (image[at + channel] + grey) / 2;
  }
  return under;
}

// A map (levels h × w from a place on, 0 to 255 on the scale) over an image (size × size × 3), or alone where opacity is null.
function overlay(canvas, image, size, levels, from, [h, w], scale, signed, opacity) {
  const zoom = Math.max(1, Math.round(canvas.dataset.about / size)), side = size * zoom;
  if (canvas.width !== side) canvas.width = canvas.height = side;
  const context = canvas.getContext("2d"), picture = context.createImageData(side, side), { data } = picture;
  const under = opacity === null ? null : desaturated(image), ys = between(h, side), xs = between(w, side);
  const left = Uint16Array.from(xs, ([x0]) => x0), right = Uint16Array.from(xs, ([, x1]) => x1), part = Float32Array.from(xs, ([, , fx]) => fx);
  const column = Uint32Array.from(xs, (_, x) => Math.floor(x / zoom) * 3), line = new Float32Array(w);
  for (let y = 0, out = 0; y < side; y++) {
    const [y0, y1, fy] = ys[y], row = Math.floor(y / zoom) * size * 3;
    for (let x = 0; x < w; x++) line[x] = levels[from + y0 * w + x] * (1 - fy) + levels[from + y1 * w + x] * fy;
    for (let x = 0; x < side; x++, out += 4) {
      const place = line[left[x]] * (1 - part[x]) + line[right[x]] * part[x], colour = Math.round(place) * 3;
      const strength = under ? opacity * (signed ? Math.abs((2 * place) / 255 - 1) : place / 255) : 1;
      const at = row + column[x], rest = 1 - strength;
      data[out] = (under ? under[at] * rest : 0) + scale[colour] * strength; // stored rounded
      data[out + 1] = (under ? under[at + 1] * rest : 0) + scale[colour + 1] * strength;
      data[out + 2] = (under ? under[at + 2] * rest : 0) + scale[colour + 2] * strength;
      data[out + 3] = 255;
    }
  }
  context.putImageData(picture, 0, 0);
}

// An image (side × side × 3) as it is.
function original(canvas, image, side) {
  if (canvas.width !== side) canvas.width = canvas.height = side;
  const context = canvas.getContext("2d"), picture = context.createImageData(side, side);
  for (let at = 0, out = 0; at < image.length; at += 3, out += 4) {
    picture.data.set([image[at], image[at + 1], image[at + 2], 255], out);
  }
  context.putImageData(picture, 0, 0);
}
