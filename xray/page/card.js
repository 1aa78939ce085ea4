// An opened card: what its task does or waits for, what was before, its message and its result.

const ASK_AGAIN = 1000; // ms between two looks at the message and the result
const phone = matchMedia("(max-width: 48rem)");
const panel = element("card"), content = panel.querySelector(".content");
const sections = [h("p"), h("p", { className: "why" }), h("dl"), h("ol"), h("section"), h("section")];
content.append(...sections.slice(0, 3), h("h3", {}, "What was before"), ...sections.slice(3));

let openTask = null; // its id
let opener = null; // where the focus returns to
let looked = {}; // what the server said of it
let looking = null;

function openCard(id, from) {
  if (openTask !== id) looked = {};
  [openTask, opener] = [id, from];
  if (!panel.open && phone.matches) panel.showModal();
  else if (!panel.open) panel.show();
  document.body.classList.toggle("beside", !phone.matches);
  clearTimeout(looking);
  look(id);
  changed();
  panel.querySelector(".close").focus();
}

const closeCard = () => panel.close();

panel.querySelector(".close").onclick = closeCard;
panel.onclose = () => {
  clearTimeout(looking);
  document.body.classList.remove("beside");
  const from = opener?.isConnected ? opener : cards.get(openTask);
  openTask = null;
  from?.focus();
  changed();
};

/** Ask the server for the message as the broker holds it, and for the stored result; then again. */
async function look(id) {
  if (setup.facts === null && isLive()) {
    const response = await fetch(`/tasks/${encodeURIComponent(id)}`, { cache: "no-store" }).catch(() => null);
    const answer = response?.ok ? await response.json().catch(() => ({})) : {};
    if (openTask !== id) return;
    looked = { id, ...answer };
    changed();
  }
  if (openTask === id) looking = setTimeout(look, ASK_AGAIN, id);
}

/** Show what is known now of the task that is open. */
function drawOpened(picture, now) {
  if (!openTask) return;
  const task = picture.tasks.get(openTask);
  const [state, reason, about, steps, message, result] = sections;
  content.classList.toggle("unknown", !task);
  if (!task) {
    write(reason, "Not known at this moment: it came later, or is too long ago.");
    return;
  }
  writeName(element("card-title"), task.name);
  state.className = `big ${task.state}`;
  renew(state, task.state, () => [sign(task.state), h("b", {}, word(task.state))]);
  const isDoomed = !task.isRevoked && !hasEnded(task) && looked.result?.value?.status === "REVOKED";
  write(reason, why(picture, task, now) + (isDoomed ? " It is revoked: the worker drops it when its turn comes." : ""));
  const from = task.beat ? `beat, for its entry ${task.beat}` : task.origin && sender(task.origin);
  const known = { id: task.id, arguments: task.args, "sent by": from };
  if (task.retries) known["tried before"] = plural(task.retries, "time");
  if (task.bytes) known.message = plural(task.bytes, "byte");
  const pairs = Object.entries(known).filter(([, value]) => value);
  renew(about, pairs, () => pairs.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
  renew(steps, history(task, setup.backend), showSteps);
  renew(message, [looked, isLive()], () => [h("h3", {}, "Its message"), ...showMessage(looked)]);
  renew(result, [task.stored, looked.result, task.where], () => [h("h3", {}, "Its result"), ...showResult(task, looked.result)]);
}

function showSteps(steps) {
  let before = null;
  return steps.map((seen) => {
    const line = (className, time, took) =>
      h("li", { className }, h("span", { className: "at" }, time), h("span", {}, stepWords(seen)), h("span", { className: "took" }, took));
    if (seen.isInferred) return line("inferred", "not seen", "");
    const took = before === null ? "" : `+${span(Math.max(0, seen.at - before))}`;
    before = seen.at;
    return line("", `${clock(seen.at)}.${String(Math.floor((seen.at % 1) * 1000)).padStart(3, "0")}`, took);
  });
}

const hint = (text) => h("p", { className: "hint" }, text);
const text = (value) => (typeof value === "string" ? value : JSON.stringify(value, null, 2));

function showMessage({ id, message }) {
  if (setup.facts) return [hint("A saved run holds no messages, only what was learned from them.")];
  if (!isLive()) return [hint("Messages can be looked at live only.")];
  if (!message) return [hint(id ? "The broker doesn't hold it any more: a worker has acknowledged it." : "Looking …")];
  const isTask = Array.isArray(message.body) && message.body.length === 3;
  const body = isTask ? { args: message.body[0], kwargs: message.body[1], ...message.body[2] } : { body: message.body };
  return [
    hint(`${message.where ?? ""}${message.key ? `, under the key ${message.key}` : ""}`),
    ...table("Properties: for the broker", message.properties, FIELDS.properties),
    ...table("Headers: for the worker", message.headers, FIELDS.headers),
    ...table("Body: for the task", body, FIELDS.body),
    h("details", {}, h("summary", {}, "As it is stored"), h("pre", {}, text(message.raw))),
  ];
}

function table(title, values, meanings) {
  const rows = Object.entries(values ?? {}).map(([name, value]) => {
    const said = typeof value === "string" ? value : JSON.stringify(value);
    return h("div", {}, h("dt", {}, name), h("dd", {}, said), h("dd", { className: "hint" }, meanings[name] ?? ""));
  });
  return rows.length ? [h("h4", {}, title), h("dl", { className: "fields" }, ...rows)] : [];
}

function showResult({ stored, state }, result) {
  const found = result ?? stored;
  if (!setup.backend) return [hint("There is no result backend.")];
  if (!found) return [hint(ENDED.includes(state) ? "Not looked at, or not stored." : "Nothing yet: it is stored when the task ends.")];
  const kept = found.ttl == null ? "kept for ever" : `forgotten in ${span(found.ttl)}`;
  const lines = [h("p", {}, result?.key ? h("code", {}, result.key) : `State ${found.state}`)];
  lines.push(hint(`${found.bytes == null ? "" : `${plural(found.bytes, "byte")}, `}${kept}`));
  if (result) lines.push(h("pre", {}, text(result.value) ?? ""));
  return lines;
}
