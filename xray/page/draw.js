// Draws a picture into the four columns, and changes only what differs.

const SINGLE = { broker: 8, worker: 8, backend: 6 }; // more cards of a kind in a place become a stack
const INSIDE = 8; // cards to be seen of an opened stack
const SHOWN = 16; // of what has ended: cards and stacks
const NAMED = 100; // tasks of a stack whose ids stand in its data-ids, as each card has its data-id
const SENDERS = 4;
const ON_ITS_WAY = 1; // second: so long after it left its queue a task may be unseen
const opened = new Set(); // keys of the stacks that are open
const cards = new Map(); // task id -> its card
let spots = new Map(); // task id -> where it is seen: its card, or the stack it is in

// --- one card, one stack ---------------------------------------------------------------------------

function makeCard(id) {
  const trail = h("span", { className: "trail", ariaHidden: "true" });
  const title = h("b", { className: "name" }, h("span"), h("span"));
  const about = h("span", { className: "about" }, h("span", { className: "state" }), h("span", { className: "args" }));
  const card = h("button", { type: "button", className: "task" }, h("span", { className: "which" }, sign("sent")),
    title, h("span", { className: "brief" }), about, h("span", { className: "id" }, id.slice(0, 4)), trail);
  card.dataset.id = id;
  return card;
}

function writeName(node, name) {
  const cut = name.lastIndexOf(".") + 1;
  write(node.firstChild, name.slice(0, cut));
  write(node.lastChild, name.slice(cut) || "a task, its name not seen");
}

function showCard(picture, task, now) {
  let card = cards.get(task.id);
  if (!card) cards.set(task.id, (card = makeCard(task.id)));
  const isGuess = task.stale || task.gone || task.isGuess || (task.where === "worker" && !task.worker);
  const look = `task ${task.state}${isGuess ? " guessed" : ""}${task.id === openTask ? " open" : ""}`;
  const [which, title, right, about, , trail] = card.children;
  if (card.className !== look) {
    card.className = look;
    which.firstChild.firstChild.setAttribute("href", `#sign-${task.state}`);
  }
  writeName(title, task.name);
  write(right, brief(picture, task, now));
  write(about.firstChild, stateOf(task));
  write(about.lastChild, (task.state === "failed" && task.error) || task.args || "");
  const reached = COLUMNS.indexOf(task.where);
  const strokes = COLUMNS.map((_, at) => (at > reached ? "" : task.seen & (1 << at) ? "seen" : "inferred"));
  renew(trail, strokes, () => strokes.map((className) => h("i", { className })));
  return card;
}

function showStack(picture, key, tasks, count, now) {
  const first = tasks[0];
  const stack = part(key, () => {
    const title = h("b", { className: "name" }, h("span"), h("span"));
    const face = h("button", { type: "button", className: "face" }, h("span", { className: "which" }, sign(first.state)),
      h("b", { className: "count" }), title, h("span", { className: "state" }));
    face.onclick = () => {
      if (!opened.delete(key)) opened.add(key);
      changed();
    };
    const inside = [h("div", { className: "cards" }), h("p", { className: "hint more" })];
    return h("div", { className: `stack ${first.state}${first.stale ? " guessed" : ""}` }, face, ...inside);
  });
  const [face, inside, more] = stack.children;
  const isOpen = opened.has(key), ids = tasks.slice(0, NAMED).map(({ id }) => id).join(" ");
  if (stack.dataset.ids !== ids) stack.dataset.ids = ids;
  face.ariaExpanded = String(isOpen);
  write(face.children[1], `${number(count)} ×`);
  writeName(face.children[2], first.name);
  write(face.children[3], stateOf(first));
  fill(inside, isOpen ? tasks.slice(0, INSIDE).map((task) => showCard(picture, task, now)) : []);
  write(more, isOpen && count > INSIDE ? `and ${number(count - INSIDE)} more` : "");
  return stack;
}

/** Return cards for some tasks in their order; too many of a kind become one stack. */
function show(picture, place, tasks, single, now, seenAt, forgotten = new Map()) {
  const kinds = new Map();
  for (const task of tasks) {
    const kind = kindOf(task);
    if (kinds.has(kind)) kinds.get(kind).push(task);
    else kinds.set(kind, [task]);
  }
  const children = [];
  for (const task of tasks) {
    const kind = kindOf(task), same = kinds.get(kind);
    if (!same) continue;
    const count = same.length + (forgotten.get(kind) ?? 0);
    if (count <= single) {
      children.push(showCard(picture, task, now));
      seenAt.set(task.id, children.at(-1));
      continue;
    }
    const key = `${place} ${kind}`, stack = showStack(picture, key, same, count, now);
    children.push(stack);
    same.forEach(({ id }, at) => seenAt.set(id, opened.has(key) && at < INSIDE ? cards.get(id) : stack));
    kinds.delete(kind); // all of them are in it
  }
  return children;
}

// --- the columns -----------------------------------------------------------------------------------

/** Sort tasks by where they are. */
function arrange(picture, now) {
  const places = { sent: [], queues: new Map(), leftBehind: new Map(), workers: new Map(), ended: [] };
  const addWorker = (name) => places.workers.set(name, { running: [], held: [], later: [] });
  for (const name of picture.queues.keys()) {
    places.queues.set(name, []);
    places.leftBehind.set(name, []);
  }
  for (const name of picture.workers.keys()) addWorker(name);
  for (const task of picture.tasks.values()) {
    if (task.where === "caller") places.sent.push(task);
    else if (task.where === "backend") places.ended.push(task);
    else if (task.state === "left-behind") places.leftBehind.get(task.queue).push(task);
    else if (task.where === "broker") {
      if (!(now - task.gone < ON_ITS_WAY)) places.queues.get(task.queue).push(task);
    } else {
      const by = workerOf(picture, task);
      if (!places.workers.has(by)) addWorker(by);
      (places.workers.get(by)[task.state] ?? places.workers.get(by).later).push(task);
    }
  }
  places.ended.reverse();
  return places;
}

/** Draw a picture as it is at a moment. */
function draw(picture, now, moving) {
  const motion = moving && !still.matches;
  const before = new Map();
  if (motion) for (const spot of spots.values()) if (!before.has(spot)) before.set(spot, spot.getBoundingClientRect());
  const focused = document.activeElement;
  const seenAt = new Map(), places = arrange(picture, now);
  drawCaller(picture, places, seenAt, now);
  drawBroker(picture, places, seenAt, now);
  drawWorkers(picture, places, seenAt, now);
  drawBackend(picture, places, seenAt, now);
  for (const [id, card] of cards) if (!card.isConnected) cards.delete(id);
  if (focused !== document.activeElement && focused?.isConnected) focused.focus({ preventScroll: true });
  if (motion) fly(before, spots, seenAt);
  spots = seenAt;
}

function drawCaller(picture, places, seenAt, now) {
  fill(document.querySelector("[data-list=sent]"), show(picture, "caller", places.sent, SINGLE.broker, now, seenAt));
  const senders = new Map();
  for (const { origin, beat } of picture.tasks.values()) {
    if (origin && !beat) senders.set(origin, (senders.get(origin) ?? 0) + 1);
  }
  fill(element("senders"), [...senders].slice(-SENDERS).map(([origin, count]) => {
    const line = part(`sender ${origin}`, () => h("li", {}, h("b", {}, sender(origin)), h("span")));
    write(line.lastChild, `${plural(count, "message")} seen in the broker`);
    return line;
  }));
  const seen = [...picture.tasks.values()].filter(({ origin, beat }) => origin || beat).length;
  const unseen = picture.tasks.size - seen + [...picture.forgotten.values()].reduce((sum, count) => sum + count, 0);
  write(element("unseen-senders"), unseen ? `${plural(unseen, "more task")}: too fast, or too early, to see who sent ${unseen === 1 ? "it" : "them"}` : "");
  const since = element("since"); // a saved run has another text there
  if (since) write(since, picture.began ? `Nothing was sent since ${clock(picture.began)}, when the X-ray began to look.` : "Nothing was sent yet.");
  fill(element("beats"), [...picture.beats.values()].map((beat) => {
    const line = part(`beat ${beat.name}`, () => h("li", {}, metronome(), h("b", {}, beat.name), h("span")));
    write(line.lastChild, `beat, ${clock(beat.at)}`);
    if (line.dataset.ticks < beat.ticks && !still.matches) swing(line.querySelector("path"));
    line.dataset.ticks = beat.ticks;
    return line;
  }));
  element("empty").hidden = picture.tasks.size > 0 || [...picture.queues.values()].some(({ depth }) => depth);
}

function drawBroker(picture, places, seenAt, now) {
  fill(element("queues"), [...places.queues].map(([name, tasks]) => {
    const queue = picture.queues.get(name);
    const box = part(`queue ${name}`, () => {
      const title = h("h3", {}, h("code", {}, name), h("b", { className: "depth" }));
      const below = [h("p", { className: "hint" }), h("div", { className: "cards" }), h("p", { className: "hint more" })];
      const left = [h("h4", {}, "left behind by a worker that is gone, comes back"), h("div", { className: "cards left-behind-cards" })];
      return h("section", { className: "box" }, title, ...below, ...left);
    });
    const [title, about, list, more, leftTitle, leftList] = box.children;
    const left = places.leftBehind.get(name) ?? [];
    leftTitle.hidden = !left.length;
    fill(leftList, show(picture, `left behind ${name}`, left, SINGLE.broker, now, seenAt));
    const order = new Map(queue.next.map((id, at) => [id, at]));
    const rank = ({ id }) => order.get(id) ?? queue.next.length;
    tasks.sort((one, other) => rank(one) - rank(other) || one.first - other.first);
    const depth = queue.depth ?? tasks.length, deeper = depth > queue.next.length ? depth - tasks.length : 0;
    write(title.lastChild, number(depth));
    const held = queue.held ? ` · ${number(queue.held)} delivered, not acknowledged` : "";
    const waiting = setup.transport.startsWith("redis") ? "waiting, the next one on top" : "waiting: how many is known, not which";
    write(about, `${depth ? waiting : "empty"}${held}`);
    fill(list, show(picture, `queue ${name}`, tasks, SINGLE.broker, now, seenAt));
    write(more, deeper > 0 && setup.transport.startsWith("redis") ? `… and ${number(deeper)} more, deeper than is looked at one by one` : "");
    return box;
  }));
}

function drawBackend(picture, places, seenAt, now) {
  const counts = new Map(ENDED.map((state) => [state, 0]));
  for (const task of places.ended) counts.set(task.state, counts.get(task.state) + 1);
  for (const [kind, count] of picture.forgotten) {
    const [state] = kind.split(" ");
    counts.set(state, counts.get(state) + count);
  }
  fill(element("tally"), [...counts].filter(([, count]) => count).map(([state, count]) => {
    const mark = part(`tally ${state}`, () => h("span", { className: state }, sign(state), h("b"), ` ${state} `));
    write(mark.children[1], number(count));
    return mark;
  }));
  const shown = show(picture, "ended", places.ended, SINGLE.backend, now, seenAt, picture.forgotten);
  fill(document.querySelector("[data-list=ended]"), shown.slice(0, SHOWN));
}
