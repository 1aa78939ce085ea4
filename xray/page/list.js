// The tasks as a table: the same picture, searched and filtered. What is looked for stands in the address.

const ROWS = 200; // drawn at once: the newest
const LIST = "#tasks"; // the address of this view, with the filters after it: #tasks?state=failed
const FILTERS = ["text", "name", "state", "when", "from", "until"];
const list = element("list"), filters = element("filters"), found = element("rows");
const heads = [...list.querySelectorAll("th")].map((head) => head.textContent);
const rows = new Map(); // task id -> its row

const isList = () => location.hash.split("?")[0] === LIST;

/** Return what is looked for, as the address says it; what it doesn't say is empty. */
function wanted() {
  const said = new URLSearchParams(location.hash.split("?")[1]);
  return Object.fromEntries(FILTERS.map((name) => [name, said.get(name) ?? ""]));
}

// --- which tasks -----------------------------------------------------------------------------------

const firstSeen = (task) => Math.min(...task.steps.map(({ at }) => at));
const stateToFind = (task) => (task.stale ? "stale" : task.state);

/** Return from when to when a task must have been seen first, in epoch seconds. */
function limits({ when, from, until }, now) {
  if (Number(when) > 0) return [now - 60 * Number(when), Infinity];
  if (when !== "between") return [-Infinity, Infinity];
  return [from ? seconds(from) : -Infinity, until ? seconds(until) : Infinity];
}

function hasText(task, text) {
  const all = [task.name, task.id, setup.redact ? "" : task.args ?? ""];
  return all.some((one) => one.toLowerCase().includes(text));
}

/** Return the tasks that are looked for, the newest first; each with the time it was seen first. */
function select(picture, filter, now) {
  const [from, until] = limits(filter, now), text = filter.text.trim().toLowerCase();
  return [...picture.tasks.values()]
    .filter((task) => !filter.name || task.name === filter.name)
    .filter((task) => !filter.state || stateToFind(task) === filter.state)
    .filter((task) => !text || hasText(task, text))
    .map((task) => ({ task, seen: firstSeen(task) }))
    .filter(({ seen }) => seen >= from && seen <= until)
    .sort((one, other) => other.seen - one.seen || other.task.first - one.task.first);
}

// --- drawing ---------------------------------------------------------------------------------------

function drawList(picture, now) {
  const filter = wanted(), all = select(picture, filter, now);
  drawFilters(picture, filter);
  fill(found, all.slice(0, ROWS).map(({ task, seen }) => showRow(picture, task, seen, now)));
  for (const [id, row] of rows) if (!row.isConnected) rows.delete(id);
  write(element("found"), foundSays(picture, all.length));
  list.querySelector("table").hidden = !all.length;
}

function foundSays(picture, many) {
  const known = picture.tasks.size, older = [...picture.forgotten.values()].reduce((sum, count) => sum + count, 0);
  const forgotten = older ? ` Of ${plural(older, "older task")} only the number is kept.` : "";
  if (!known) return `No task is known yet.${forgotten}`;
  const shown = many > ROWS ? `The newest ${number(ROWS)} of ${number(many)} found` : `${number(many)} found`;
  return `${shown}, of ${plural(known, "task")} known.${forgotten}`;
}

/** Offer each name and each state to choose from. A name that was chosen stays, though no task has it now. */
function drawFilters(picture, { name, state, when }) {
  const names = new Set([...picture.tasks.values()].map((task) => task.name));
  if (name) names.add(name);
  names.delete("");
  const option = ([value, text]) => h("option", { value }, text);
  const { name: byName, state: byState, when: byTime } = fields();
  renew(byName, [...names].sort(), (all) => [["", "any"], ...all.map((one) => [one, one])].map(option));
  renew(byState, Object.keys(RANK), (all) => [["", "any"], ...[...all, "stale"].map((one) => [one, word(one)])].map(option));
  for (const [field, value] of [[byName, name], [byState, state], [byTime, when]]) if (field.value !== value) field.value = value;
  element("between").hidden = when !== "between";
}

function showRow(picture, task, seen, now) {
  const { id } = task;
  if (!rows.has(id)) rows.set(id, makeRow(task));
  const row = rows.get(id), [name, , state, first, started, took, worker] = row.children;
  const look = `${task.state}${isUnsure(task) ? " guessed" : ""}${id === openTask ? " open" : ""}`;
  if (row.className !== look) {
    row.className = look;
    state.querySelector("use").setAttribute("href", `#sign-${task.state}`);
  }
  renew(name.firstChild, task.name, nameParts);
  write(name.lastChild, task.args ?? "");
  write(state.children[1], stateOf(task));
  const time = runtime(task, now), more = brief(picture, task, now);
  write(state.lastChild, more === time ? "" : more);
  write(first, clock(seen));
  const start = task.steps.findLast(({ what }) => what === "started");
  write(started, start ? clock(start.at) : "");
  write(took, time);
  write(worker, task.worker ?? "");
  return row;
}

/** Return a name in two parts, which may be broken after a dot and after an underscore. */
function nameParts(name) {
  const cut = name.lastIndexOf(".") + 1;
  const breakable = (some) => h("span", {}, ...some.split(/(?<=[._])/).flatMap((piece) => [piece, h("wbr")]));
  return [breakable(name.slice(0, cut)), breakable(name.slice(cut) || "a task, its name not seen")];
}

/** Tell whether its state is what must be so, and not what was seen; its card has a dashed frame. */
const isUnsure = (task) => Boolean(task.stale || task.gone || task.isGuess || (task.where === "worker" && !task.worker));

/** Return how long it ran, or runs: if that is known. */
function runtime(task, now) {
  if (task.stale || task.isGuess) return "";
  if (task.state === "running") return span(now - task.since);
  return task.state === "done" && task.runtime !== undefined ? span(task.runtime) : "";
}

function makeRow({ id, state }) {
  const cells = [[h("button", { type: "button", className: "name" }), h("span", { className: "args" })], [h("code", {}, id)],
    [sign(state), h("span", { className: "state" }), " ", h("span", { className: "hint" })], [], [], [], []];
  const row = h("tr", { role: "row" }, ...cells.map((children, at) => h("td", { role: "cell" }, ...children)));
  [...row.children].forEach((cell, at) => { cell.dataset.head = heads[at]; });
  row.dataset.id = id;
  return row;
}

// --- what can be pressed ---------------------------------------------------------------------------

const fields = () => Object.fromEntries(FILTERS.map((name) => [name, filters.querySelector(`[name=${name}]`)]));

/** Show the view that the address names, with its filters in their fields. */
function showView() {
  const filter = wanted(), wasList = !list.hidden;
  list.hidden = !isList();
  document.body.classList.toggle("listing", isList());
  for (const link of document.querySelectorAll("#views a")) {
    link.ariaCurrent = (link.dataset.view === "tasks") === isList() ? "page" : "false";
    if (isList() && link.dataset.view === "tasks") link.href = location.hash; // the way back keeps the filters
  }
  if (isList()) for (const [name, field] of Object.entries(fields())) if (field.value !== filter[name]) field.value = filter[name];
  if (wasList !== isList()) scrollTo(0, 0);
  arrived = Infinity; // what moved meanwhile doesn't fly
  changed();
}

/** Write into the address what the fields say. */
function lookFor(values) {
  const said = Object.entries(values).filter(([, value]) => value);
  location.replace(said.length ? `${LIST}?${new URLSearchParams(said)}` : LIST);
}

addEventListener("hashchange", showView);
filters.oninput = () => lookFor(Object.fromEntries(Object.entries(fields()).map(([name, { value }]) => [name, value])));
element("all").onclick = () => lookFor({});
found.onclick = ({ target }) => {
  const row = target.closest("tr");
  if (row && getSelection().isCollapsed) openCard(row.dataset.id, row.querySelector("button")); // else a text was marked, to copy it
};
