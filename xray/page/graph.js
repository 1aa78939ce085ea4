// A workflow as the graph it is: links of a chain one after another, a group in a box, a chord's body after it.

const NODE = { width: 172, height: 46 }; // a task by itself
const NARROWEST = 84; // of a task by itself, where several stand beside each other on a narrow page
const MEMBER = { width: 104, height: 34 }; // one in a group
const GAP = { across: 56, along: 14, inside: 8, title: 26 };
const NESTED = ["celery.chain", "celery.chord", "celery.group"]; // not sent themselves: what they hold is
const ABREAST = 8; // members of a group beside each other, at most

/** Return the workflows that have more than one task, the newest first; each as its tasks. */
function workflows(picture) {
  const flows = [...new Set(picture.flows.values())].sort((one, other) => other.first - one.first);
  return flows
    .map(({ keys }) => [...keys].map((key) => picture.tasks.get(key)).filter(Boolean))
    .filter((tasks) => tasks.length > 1 || tasks.some((task) => task.chain?.length))
    .map((tasks) => tasks.sort((one, other) => one.first - other.first));
}

/** Return the units of a workflow (a task, or a group of them) and what leads from which to which. */
function unitsOf(tasks) {
  const byId = new Map(tasks.map((task) => [task.id, task]));
  const bodies = new Map(tasks.filter((task) => task.chord).map((task) => [task.chord, task.group]));
  const units = new Map(), edges = new Set();
  const keyOf = (task) => { // what follows a group carries the group's id too, but isn't in it
    const isAfter = [byId.get(task.parent)?.group, bodies.get(task.id), bodies.get(task.parent)].includes(task.group);
    return task.group && !isAfter ? task.group : task.id;
  };
  const put = (task) => {
    const key = keyOf(task), isGroup = key !== task.id;
    if (!units.has(key)) units.set(key, { key, isGroup, tasks: [], layer: 0 });
    units.get(key).tasks.push(task);
    return task;
  };
  const lead = (from, to) => edges.add(`${keyOf(from)} ${keyOf(to)}`);
  const isVain = (task) => task.never || (hasEnded(task) && task.state !== "done");
  const coming = (id, name, after) => put({ id, name, state: "coming", never: isVain(after) });
  const children = new Map();
  const follow = (task, names) => { // the links to come, and those of them that came
    let from = task;
    for (const [at, name] of names.entries()) {
      const came = children.get(from.id), known = came?.find((child) => child.name === name);
      if (came && !known && NESTED.includes(name)) return; // it came, as the tasks in it: they tell what follows
      const link = known ?? coming(`${task.id}+${at}`, name, from);
      lead(from, link);
      from = link;
    }
  };
  for (const task of tasks) {
    put(task);
    if (task.parent) children.set(task.parent, [...(children.get(task.parent) ?? []), task]);
  }
  for (const task of tasks) {
    const before = byId.get(task.parent) ?? byId.get(task.root);
    if (before) lead(before, task);
    if (task.chain) follow(task, task.chain);
  }
  for (const { tasks: members } of [...units.values()]) {
    const header = members.find((task) => task.chord);
    if (!header) continue;
    const isAfter = ({ id }) => children.get(id)?.some((child) => keyOf(child) !== keyOf(header));
    if (NESTED.includes(header.chord_task) && members.some(isAfter)) continue; // a group, say
    const body = byId.get(header.chord) ?? coming(header.chord, header.chord_task, members.find(isVain) ?? header);
    lead(header, body);
    if (!body.chain) follow(body, header.chord_chain ?? []);
  }
  const arrows = [...edges].map((edge) => edge.split(" ").map((key) => units.get(key))).filter(([from, to]) => from !== to);
  for (let moved = true, round = 0; moved && round < units.size; round += 1) { // each after all that lead to it
    moved = false;
    for (const [from, to] of arrows) if (to.layer <= from.layer) { to.layer = from.layer + 1; moved = true; }
  }
  return { units: [...units.values()], arrows };
}

const lastPart = (name) => (name ?? "").slice((name ?? "").lastIndexOf(".") + 1) || "?";

function nameOf({ tasks }) {
  const names = new Set(tasks.map(({ name }) => lastPart(name)));
  return `${tasks.length > 1 ? `${tasks.length} × ` : ""}${[...names].join(", ")}`;
}

function titleOf({ units }) {
  const layers = [];
  for (const { layer, tasks } of units) (layers[layer] ??= []).push(...tasks);
  return layers.filter(Boolean).map((tasks) => nameOf({ tasks })).join(" → ");
}

// --- laying out ------------------------------------------------------------------------------------

function measure(units, abreast, width = NODE.width) {
  for (const unit of units) {
    Object.assign(unit, { ...NODE, width });
    if (!unit.isGroup) continue;
    unit.columns = Math.min(abreast, Math.ceil(Math.sqrt(unit.tasks.length * 1.6)));
    unit.width = Math.max(NODE.width, unit.columns * (MEMBER.width + GAP.inside) + GAP.inside);
    unit.height = Math.ceil(unit.tasks.length / unit.columns) * (MEMBER.height + GAP.inside) + GAP.inside + GAP.title;
  }
}

/** Give each unit its place; layers stand beside each other, or on a narrow page below each other. */
function layOut(units, room) {
  const layers = [];
  for (const unit of units) (layers[unit.layer] ??= []).push(unit);
  const deep = (layer, side) => Math.max(...layer.map((unit) => unit[side]));
  const sum = (sizes, gap) => sizes.reduce((all, size) => all + size + gap, -gap);
  const across = () => sum(layers.map((layer) => deep(layer, "width")), GAP.across);
  let abreast = ABREAST;
  for (measure(units, abreast); across() > room && abreast > 3; measure(units, abreast)) abreast -= 1;
  const beside = across() <= room;
  if (!beside) {
    const most = Math.max(...layers.map((layer) => layer.length)), share = (room + GAP.along) / most - GAP.along;
    const width = Math.min(NODE.width, Math.max(NARROWEST, share));
    measure(units, Math.max(1, Math.floor((room - GAP.inside) / (MEMBER.width + GAP.inside))), width);
  }
  const [main, side, start, off] = beside ? ["width", "height", "x", "y"] : ["height", "width", "y", "x"];
  const sides = layers.map((layer) => sum(layer.map((unit) => unit[side]), GAP.along)), widest = Math.max(...sides);
  let at = 0;
  layers.forEach((layer, which) => {
    let begin = (widest - sides[which]) / 2;
    for (const unit of layer) {
      Object.assign(unit, { [start]: at + (deep(layer, main) - unit[main]) / 2, [off]: begin });
      begin += unit[side] + GAP.along;
    }
    at += deep(layer, main) + GAP.across;
  });
  return { beside, [main]: at - GAP.across, [side]: widest };
}

// --- drawing ---------------------------------------------------------------------------------------

const fitting = (text, most) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);

function nodeOf(task, x, y, size, label) {
  const middle = size.height / 2, mark = sign(task.state);
  for (const [name, value] of Object.entries({ x: 9, y: middle - 8, width: 16, height: 16 })) mark.setAttribute(name, value);
  const press = task.state === "coming" ? {} : { tabindex: 0, role: "button" };
  return s("g", { transform: `translate(${x} ${y})`, "data-id": task.id, ...press },
    s("rect", { width: size.width, height: size.height, rx: 8 }), mark,
    s("text", { x: 32, y: middle - 3, class: "label" }, fitting(label, Math.floor((size.width - 36) / 8.6))),
    s("text", { x: 32, y: middle + (size === MEMBER ? 11 : 14), class: "took" }));
}

function arrow(from, to, beside) {
  const [x, y] = beside ? [from.x + from.width, from.y + from.height / 2] : [from.x + from.width / 2, from.y + from.height];
  const [u, v] = beside ? [to.x - 3, to.y + to.height / 2] : [to.x + to.width / 2, to.y - 3];
  const bend = beside ? `${(x + u) / 2} ${y} ${(x + u) / 2} ${v}` : `${x} ${(y + v) / 2} ${u} ${(y + v) / 2}`;
  return s("path", { class: "arrow", d: `M${x} ${y}C${bend} ${u} ${v}`, "marker-end": "url(#head)" });
}

/** Return the drawing of a workflow that fits into so much room. */
function paint({ units, arrows }, room) {
  const { beside, width, height } = layOut(units, room);
  const size = { viewBox: `-2 -2 ${width + 4} ${height + 4}`, width: width + 4, height: height + 4 };
  const head = { id: "head", viewBox: "0 0 10 10", refX: 8, refY: 5, markerWidth: 7, markerHeight: 7, orient: "auto" };
  const svg = s("svg", { class: "graph", ...size }, s("defs", {}, s("marker", head, s("path", { d: "M0 0 10 5 0 10z" }))));
  svg.append(...arrows.map(([from, to]) => arrow(from, to, beside)));
  for (const unit of units) {
    const { x, y, tasks } = unit;
    if (!unit.isGroup) { svg.append(nodeOf(tasks[0], x, y, unit, lastPart(tasks[0].name))); continue; }
    svg.append(s("rect", { class: "group", x, y, width: unit.width, height: unit.height, rx: 12 }));
    svg.append(s("text", { class: "title", x: x + 12, y: y + 19 }, fitting(nameOf(unit), Math.floor(unit.width / 8))));
    const isSame = tasks.every(({ name }) => name === tasks[0].name);
    tasks.forEach((task, at) => {
      const right = GAP.inside + (at % unit.columns) * (MEMBER.width + GAP.inside);
      const down = GAP.title + GAP.inside / 2 + Math.floor(at / unit.columns) * (MEMBER.height + GAP.inside);
      svg.append(nodeOf(task, x + right, y + down, MEMBER, isSame ? task.id.slice(0, 4) : lastPart(task.name)));
    });
  }
  return svg;
}
