// Draws the workers: their processes with what runs on each, what they hold ahead, and what slows them.

const CONTROLS = {
  pause: { label: "Pause", says: "Then it takes no more messages; what it holds goes on. Until you resume it, or no page of the X-ray is open." },
  one: { label: "Let one through", says: "It takes the next message, and no other." },
  resume: { label: "Resume", says: "It takes messages again." },
};
const SLOTS = 8; // processes drawn of one worker
const SURE = 4000; // ms in which a kill can be confirmed

function drawWorkers(picture, places, seenAt, now) {
  fill(element("workers"), [...places.workers].map(([name, tasks]) => {
    const worker = picture.workers.get(name) ?? { worker: name, alive: true, isUnseen: true };
    const frame = part(`worker ${name}`, () => makeFrame(name));
    showFrame(frame, worker);
    fill(frame.querySelector(".slots"), slotsOf(picture, worker, tasks.running, now, seenAt));
    tasks.later.sort((one, other) => seconds(one.eta) - seconds(other.eta));
    for (const [kind, title] of [["held", reserved(worker, tasks.held.length)], ["later", "scheduled for later"]]) {
      const list = frame.querySelector(`.${kind}.cards`), heading = list.previousElementSibling;
      heading.hidden = !tasks[kind].length;
      write(heading, title);
      fill(list, show(picture, `${name} ${kind}`, tasks[kind], SINGLE.worker, now, seenAt));
    }
    return frame;
  }));
  element("no-worker").hidden = places.workers.size > 0;
}

/** Say how many it has fetched ahead, and how many may be unacknowledged: prefetch_count in `inspect stats`. */
function reserved({ prefetch }, count) {
  return `reserved ahead: ${number(count)}${prefetch ? ` (prefetch count: ${number(prefetch)})` : ""}`;
}

const canControl = (worker) => setup.controls && worker.ours && worker.alive && isLive();

function makeFrame(name) {
  const controls = Object.entries(CONTROLS).map(([wish, { label, says }]) => {
    const button = h("button", { type: "button", className: "control" }, label);
    button.onclick = () => control(frame, { do: wish, worker: name });
    return h("p", { className: wish }, button, h("span", { className: "hint" }, says));
  });
  const frame = h("section", { className: "box worker" },
    h("h3", {}, h("code", {}, name), h("span", { className: "paused" }, "paused")), h("p", { className: "hint" }),
    h("div", { className: "controls" }, ...controls), h("p", { className: "trouble says", role: "alert" }),
    h("div", { className: "slots" }), h("h4"), h("div", { className: "held cards" }), h("h4"), h("div", { className: "later cards" }),
    h("details", {}, h("summary"), h("p", { className: "knows" })));
  return frame;
}

function showFrame(frame, worker) {
  frame.classList.toggle("gone", !worker.alive);
  frame.querySelector(".paused").hidden = !worker.paused;
  write(frame.children[1], aboutWorker(worker));
  const known = worker.tasks ?? [], details = frame.lastChild;
  details.hidden = !known.length;
  write(details.firstChild, `knows ${plural(known.length, "task")}`);
  write(details.lastChild, known.join(", "));
  const controls = frame.querySelector(".controls");
  controls.hidden = !canControl(worker);
  for (const line of controls.children) line.hidden = (line.className === "pause") === Boolean(worker.paused);
}

function aboutWorker(worker) {
  const { isUnseen, alive, silent, ours, queues, pool } = worker;
  if (isUnseen) return "known only from what it does";
  if (!alive) return "gone: it gives no sign of life";
  const size = plural(slotCount(worker), slotName(worker));
  const about = `${pool === slotName(worker) ? "" : `${pool}, `}${size} · takes from ${queues?.join(", ") || "no queue"}`;
  if (silent && pool !== "solo") return `${about}. It gives no sign of life, though its process is there: it is connecting again, or ending.`;
  if (pool !== "solo") return about;
  // It works where it would answer.
  if (silent) return `${about}. It gives no sign of life: a task keeps it busy${ours ? "" : ", or it is gone"}.`;
  return `${about}. While a task runs, it tells nothing, and heeds a button only after.`;
}

/** Return a slot for each process. Which process a task runs on is learned after a while: until then, a free one. */
function slotsOf(picture, worker, running, now, seenAt) {
  const all = worker.processes?.length ? worker.processes : new Array(worker.slots ?? 0).fill(null);
  const pids = worker.alive ? all : [];
  const lanes = pids.slice(0, SLOTS).map((pid, at) => ({ pid, at, tasks: [] }));
  const isKnown = (task) => task.pid && lanes.some(({ pid }) => pid === task.pid);
  const others = running.filter(({ died }) => died), alive = running.filter(({ died }) => !died);
  for (const task of [...alive.filter(isKnown), ...alive.filter((some) => !isKnown(some))]) {
    const free = lanes.filter(({ tasks }) => !tasks.length);
    const lane = isKnown(task) ? lanes.find(({ pid }) => pid === task.pid) : free.find(({ at }) => at === task.lane) ?? free[0];
    if (lane) lane.tasks.push(Object.assign(task, { lane: lane.at }));
    else others.push(task);
  }
  const slots = lanes.map((lane) => showSlot(picture, worker, lane, now, seenAt));
  if (!others.length && pids.length <= SLOTS) return slots;
  const rest = part(`rest ${worker.worker}`, () =>
    h("div", { className: "slot" }, h("span", { className: "pid" }), h("div", { className: "cards" })));
  write(rest.firstChild, pids.length > SLOTS ? `${pids.length - SLOTS} more ${many(slotName(worker))}` : worker.alive && alive.length > lanes.length ? "also running" : "ran there last");
  fill(rest.lastChild, show(picture, `${worker.worker} rest`, others, SINGLE.worker, now, seenAt));
  return [...slots, rest];
}

function showSlot(picture, worker, { pid, at, tasks }, now, seenAt) {
  const slot = part(`slot ${worker.worker} ${at}`, () => makeSlot(worker.worker));
  const [label, kill, list, idle] = slot.children;
  const isGuess = pid && slotCount(worker) > 1 && tasks.some((task) => !task.pid);
  write(label, `${pid ? `process ${pid}` : `${slotName(worker)} ${at + 1}`}${isGuess ? "?" : ""}`);
  if (slot.dataset.pid !== String(pid)) unsure(kill);
  slot.dataset.pid = pid;
  kill.hidden = !(pid && canControl(worker) && worker.pool === "prefork");
  fill(list, show(picture, `${worker.worker} slot ${at}`, tasks, SINGLE.worker, now, seenAt));
  idle.hidden = tasks.length > 0;
  return slot;
}

function makeSlot(worker) {
  const title = "End this process at once (SIGKILL), and see what becomes of its task";
  const kill = h("button", { type: "button", className: "kill control", title }, "Kill …");
  const [list, idle] = [h("div", { className: "cards" }), h("p", { className: "idle" }, "idle")];
  const slot = h("div", { className: "slot" }, h("span", { className: "pid" }), kill, list, idle);
  kill.onblur = () => unsure(kill);
  kill.onclick = () => {
    if (kill.classList.contains("sure")) {
      control(slot.closest(".worker"), { do: "kill", worker, pid: Number(slot.dataset.pid) });
      unsure(kill);
      return;
    }
    kill.className = "kill control sure";
    write(kill, `Yes, kill ${slot.dataset.pid}`);
    setTimeout(unsure, SURE, kill);
  };
  return slot;
}

function unsure(kill) {
  kill.className = "kill control";
  write(kill, "Kill …");
}

/** Ask the server to slow a worker, or to kill a process; say beside the buttons what went wrong. */
async function control(frame, wish) {
  const says = frame.querySelector(".says"), headers = { "Content-Type": "application/json" };
  write(says, "");
  const response = await fetch("/controls", { method: "POST", headers, body: JSON.stringify(wish) }).catch(() => null);
  if (response?.ok) return;
  const said = await response?.json().catch(() => null);
  write(says, said?.detail ?? (response ? `The X-ray answered ${response.status}.` : "The X-ray doesn't answer. Is it still running?"));
}
