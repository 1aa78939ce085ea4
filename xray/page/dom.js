// Small helpers: the page is made of nodes and texts, never of HTML that comes from somewhere.

const SVG = "http://www.w3.org/2000/svg";
const parts = new Map(); // key -> queue, worker, slot, stack, line: made once, then changed
const PARTS = 500; // with more of them, those that aren't shown any more are dropped

const element = (id) => document.getElementById(id);
const setup = JSON.parse(element("setup").textContent);

function h(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name in node) node[name] = value;
    else node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

function s(tag, attributes, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

const sign = (state) => s("svg", { class: "sign" }, s("use", { href: `#sign-${state}` }));

function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Return what was made under a key; make it if there is nothing yet. */
function part(key, make) {
  if (parts.size > PARTS) for (const [name, node] of parts) if (!node.isConnected) parts.delete(name);
  if (!parts.has(key)) parts.set(key, make());
  return parts.get(key);
}

/** Give a place these children in this order. Those that were there stay, and so does the focus. */
function fill(place, children) {
  const wanted = new Set(children);
  for (const child of [...place.children]) if (!wanted.has(child)) child.remove();
  children.forEach((child, at) => {
    if (place.children[at] !== child) place.insertBefore(child, place.children[at] ?? null);
  });
}

/** Put new children into a node if what they show has changed: what didn't keeps focus and selection. */
function renew(node, data, make) {
  const now = JSON.stringify(data);
  if (node.dataset.shows === now) return;
  node.dataset.shows = now;
  node.replaceChildren(...make(data));
}
