export default function ({ data, parentElement, setTriggerValue }) {
  const bytes = data instanceof Uint8Array ? data : new Uint8Array(data);
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
  const facts = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length)));
  const url = URL.createObjectURL(new Blob([bytes.subarray(4 + length)], { type: "image/png" }));
  const root = parentElement.querySelector(".thumbnails");
  const count = facts.items.length;
  const button = (label, name, click) => {
    const made = document.createElement("button");
    Object.assign(made, { className: name, type: "button", onclick: click });
    made.setAttribute("aria-label", label);
    return made;
  };
  root.replaceChildren(...facts.items.map((item, index) => {
    const cell = document.createElement("div");
    cell.className = "thumbnail" + (item.marked ? " marked" : "");
    cell.setAttribute("role", "listitem");
    cell.style.width = facts.pixels + "px";
    const smooth = facts.side >= facts.pixels ? " smooth" : "";
    const picture = button(item.title, "picture" + smooth, () => setTriggerValue("picked", item.image));
    picture.title = item.title;
    picture.setAttribute("aria-pressed", String(item.marked));
    Object.assign(picture.style, {
      width: facts.pixels + "px", height: facts.pixels + "px", backgroundImage: `url(${url})`,
      backgroundSize: `${count * 100}% 100%`, backgroundPosition: `${count > 1 ? index / (count - 1) * 100 : 0}% 0`,
    });
    cell.append(picture);
    if (item.caption) {
      const caption = document.createElement("span");
      Object.assign(caption, { className: "caption", textContent: item.caption });
      caption.style.maxWidth = facts.pixels + "px";
      cell.append(caption);
    }
    if (facts.droppable) {
      const drop = button("Drop " + item.title, "drop", () => setTriggerValue("dropped", item.image));
      drop.textContent = "×";
      cell.append(drop);
    }
    return cell;
  }));
  if (parentElement.thumbnailsUrl) URL.revokeObjectURL(parentElement.thumbnailsUrl);
  parentElement.thumbnailsUrl = url;
}
