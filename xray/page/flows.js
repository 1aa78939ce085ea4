// The list of workflows, and the one that is open as a graph.

const FLOWS = 5; // in the list: the newest
const DOTS = 40;
const graph = element("graph"), paper = graph.querySelector(".paper");
let openFlow = null; // a task of the workflow that is open
let flowOpener = null; // where the focus returns to
let laidOut = ""; // what is drawn of it: it is laid out anew only when that changes

/** Show the list and, if one is open, its graph. */
function drawFlows(picture, now) {
  const flows = workflows(picture);
  element("flows-title").hidden = !flows.length;
  fill(element("flows"), flows.slice(0, FLOWS).map(showFlow));
  const tasks = openFlow && flows.find((some) => some.some(({ id }) => id === openFlow));
  graph.hidden = !tasks;
  if (tasks) drawGraph(tasks, now);
}

function showFlow(tasks) {
  const { id } = tasks[0];
  const item = part(`flow ${id}`, () => {
    const pieces = [h("b"), h("span", { className: "dots", ariaHidden: "true" }), h("span")];
    const button = h("button", { type: "button", className: "flow" }, ...pieces);
    button.onclick = () => openGraph(id, button);
    return h("li", {}, button);
  });
  const [name, dots, says] = item.firstChild.children;
  const flow = unitsOf(tasks), all = flow.units.flatMap((unit) => unit.tasks);
  write(name, titleOf(flow));
  renew(dots, all.slice(0, DOTS).map(({ state }) => state), (states) => states.map((state) => h("i", { className: state })));
  write(says, flowSays(all));
  item.firstChild.ariaExpanded = String(tasks.some((task) => task.id === openFlow));
  return item;
}

function flowSays(tasks) {
  const ended = tasks.filter(hasEnded), done = ended.filter(({ state }) => state === "done");
  const bad = ended.length - done.length;
  return `${number(done.length)} of ${number(tasks.length)} done${bad ? `, ${number(bad)} failed or dropped` : ""}`;
}

function drawGraph(tasks, now) {
  const flow = unitsOf(tasks), all = flow.units.flatMap((unit) => unit.tasks), room = paper.clientWidth - 12; // without margins
  const layout = JSON.stringify([room, flow.units.map(({ layer, tasks: some }) => [layer, some.map(({ id }) => id)])]);
  if (layout !== laidOut) {
    laidOut = layout;
    const focused = paper.contains(document.activeElement) && document.activeElement.dataset.id;
    paper.replaceChildren(paint(flow, room));
    if (focused) paper.querySelector(`[data-id="${CSS.escape(focused)}"]`)?.focus();
  }
  const start = Math.min(...tasks.map(({ steps }) => steps[0].at)), isOver = tasks.every(hasEnded);
  const end = isOver ? Math.max(...tasks.map(({ since }) => since)) : now;
  write(element("graph-title"), titleOf(flow));
  const took = tasks.some(({ isFound }) => isFound) ? "" : `, ${span(end - start)} ${isOver ? "in all" : "so far"}`;
  write(graph.querySelector(".says"), flowSays(all) + took);
  const byId = new Map(all.map((task) => [task.id, task]));
  for (const node of paper.querySelectorAll("[data-id]")) showNode(node, byId.get(node.dataset.id), now);
}

function showNode(node, task, now) {
  const look = `node ${task.state}${task.stale || task.isGuess ? " guessed" : ""}`;
  if (node.getAttribute("class") !== look) {
    node.setAttribute("class", look);
    node.querySelector("use").setAttribute("href", `#sign-${task.state}`);
  }
  const says = tookOf(task, now);
  write(node.querySelector(".took"), says);
  node.setAttribute("aria-label", `${task.name} ${task.id.slice(0, 4)}: ${word(task.state)} ${says}`);
}

/** Return the time a task took or takes; else the word for its state. */
function tookOf(task, now) {
  if (task.state === "coming") return task.never ? "not sent" : "to come";
  if (task.state === "running" && !task.isGuess) return span(now - task.since);
  if (task.state === "done" && task.runtime !== undefined) return span(task.runtime);
  return word(task.state);
}

function openGraph(id, opener) {
  openFlow = openFlow === id ? null : id;
  flowOpener = opener;
  changed();
}

function closeGraph() {
  if (!openFlow) return;
  openFlow = null;
  flowOpener?.focus();
  changed();
}

graph.querySelector(".close").onclick = closeGraph;
paper.onclick = ({ target }) => {
  const node = target.closest(".node[tabindex]");
  if (node) openCard(node.dataset.id, node);
};
paper.onkeydown = (event) => {
  if (!["Enter", " "].includes(event.key) || !event.target.matches(".node")) return;
  event.preventDefault();
  openCard(event.target.dataset.id, event.target);
};
