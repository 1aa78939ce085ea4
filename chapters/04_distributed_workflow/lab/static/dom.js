// Showing things: always as text, never as HTML.

export const element = (id) => document.getElementById(id);

/** Write a text, unless it is there already: a screen reader would say it again. */
export function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Write a message, which may be bad news. */
export function say(node, text, kind = "") {
  node.classList.toggle("trouble", kind === "trouble");
  write(node, text);
}

/** Give a list a row for each item. A row that was there stays, and so does the focus in it. */
export function rows(list, template, items, show) {
  const old = new Map([...list.children].map((row) => [row.dataset.key, row]));
  const kept = new Set(items.map(({ id }) => id));
  for (const [key, row] of old) if (!kept.has(key)) row.remove();
  items.forEach((item, at) => {
    const row = old.get(item.id) ?? element(template).content.cloneNode(true).firstElementChild;
    row.dataset.key = item.id;
    if (list.children[at] !== row) list.insertBefore(row, list.children[at] ?? null);
    show(item, (selector) => row.querySelector(selector), row);
  });
}
