// Reduces facts to a picture. No page, no clock: the same facts always give the same picture.

const ENDED = ["done", "failed", "revoked", "expired", "lost"];
const RANK = { sent: 0, waiting: 1, "left-behind": 2, held: 2, scheduled: 3, retrying: 3, running: 4 };
for (const state of ENDED) RANK[state] = 5;
const ABOUT = ["args", "bytes", "origin", "beat", "expires", "queue", "worker", "pid", "runtime", "result", "error",
  "root", "parent", "group", "chain", "chord", "chord_task", "chord_chain"];
const ENDS = { succeeded: "done", failed: "failed", rejected: "failed", revoked: "revoked" };
const STORED = { SUCCESS: "done", FAILURE: "failed", REVOKED: "revoked" };
const COLUMNS = ["caller", "broker", "worker", "backend"];
const SEEN_IN = { sent: 0, waiting: 1, held: 2, received: 2, started: 2, retried: 2, released: 2, died: 2, left_behind: 1, given_back: 1 }; // else in the last
const STEPS_KEPT = 60; // of one task: some are retried for ever
const hasEnded = (task) => ENDED.includes(task.state);

/** Return a picture of nothing. It remembers some tasks that have ended; of older ones, the number. */
function newPicture(tasksKept = 5000) {
  return {
    tasksKept, n: 0, at: 0, events: 0, counted: 0, dropped: 0,
    tasks: new Map(), forgotten: new Map(), queues: new Map(), workers: new Map(), beats: new Map(), flows: new Map(),
    began: null, broker: null, backend: null, unwatched: null, gap: null, unseen: null,
  };
}

/** Add to a picture what one fact says. */
function reduce(picture, fact) {
  picture.n = Math.max(picture.n, fact.n);
  picture.at = Math.max(picture.at, fact.at);
  REDUCERS[fact.of]?.(picture, fact);
}

const REDUCERS = {
  waiting(picture, fact) {
    const task = taskOf(picture, fact);
    // Seen in the queue after it had left it: either a look that came late, or it was put back.
    const again = task.released || task.gone || task.state === "lost" || task.again;
    const state = task.retries > 0 && seconds(task.eta) > fact.at ? "retrying" : "waiting";
    step(task, fact, "waiting");
    if (RANK.waiting > RANK[task.state] || again) enter(picture, task, state, "broker", fact.at);
  },
  held(picture, fact) {
    const task = taskOf(picture, fact);
    // A solo worker tells of a task only when that has ended: it works where it would tell.
    const runsUnseen = !task.worker && picture.workers.get(workerOf(picture, task))?.pool === "solo";
    const state = later(task, fact.at, runsUnseen ? "running" : "held");
    step(task, fact, "held");
    const again = task.released || task.again || (task.state === "retrying" && task.where === "broker")
      || (fact.worker && task.state === "left-behind"); // a worker says that it has it
    if (RANK[state] <= RANK[task.state] && !again) return;
    enter(picture, task, state, "worker", fact.at);
    task.isGuess = state === "running";
  },
  released(picture, fact) {
    const { stale } = picture.tasks.get(fact.id) ?? {};
    const task = taskOf(picture, fact);
    step(task, fact, "released");
    Object.assign(task, { released: true, stale });
  },
  event(picture, fact) {
    picture.events += 1;
    const { worker } = picture.tasks.get(fact.id) ?? {};
    const task = taskOf(picture, fact);
    step(task, fact, fact.type);
    // The next try may be another worker's, whose word comes later than that this one has given up.
    const isNextTry = fact.type === "received" && task.again;
    if ((fact.at < task.eventAt && !isNextTry) || (fact.type === "retried" && hasNextTry(task))) {
      task.worker = worker ?? task.worker; // told late: it belongs to the history, and so does who told it
      return;
    }
    task.eventAt = fact.at;
    if (fact.type === "sent") {
      if (task.steps.length === 1) enter(picture, task, "sent", "caller", fact.at);
    } else if (fact.type === "received") {
      enter(picture, task, later(task, fact.at, "held"), "worker", fact.at);
    } else if (fact.type === "started") {
      task.hasRun = true;
      enter(picture, task, "running", "worker", fact.at);
      task.pid = fact.pid;
    } else if (fact.type === "retried") {
      task.queue ??= picture.workers.get(task.worker)?.queues?.[0] ?? "";
      enter(picture, task, "retrying", "broker", fact.at); // as a new message
      task.eta = null; // when next: its new message will tell
    } else {
      const state = fact.expired ? "expired" : ENDS[fact.type];
      if (fact.type === "rejected") task.error ??= "rejected by the worker";
      if (state) enter(picture, task, state, "backend", fact.at);
      Object.assign(task, { terminated: fact.terminated, signum: fact.signum });
    }
  },
  process(picture, fact) { // which process runs it: no event tells that
    const { worker } = picture.tasks.get(fact.id) ?? {};
    const task = taskOf(picture, fact), at = fact.since ?? fact.at;
    // It began before anybody looked, or was believed to be lost.
    if ((RANK[task.state] < RANK.running && task.state !== "retrying") || task.state === "lost") {
      step(task, { ...fact, at }, "started");
      enter(picture, task, "running", "worker", at);
      task.pid = fact.pid;
    } else if (task.state !== "running") task.worker = worker ?? task.worker; // learned late
    const start = task.steps.findLast(({ what }) => what === "started");
    if (start) start.pid = fact.pid;
  },
  result(picture, fact) {
    const { bytes, ...others } = fact; // the result's, not the message's
    const task = taskOf(picture, others);
    step(task, fact, "result");
    task.stored = fact;
    const state = fact.expired ? "expired" : STORED[fact.state];
    if (!state || (hasEnded(task) && task.state !== "lost")) return;
    enter(picture, task, state, "backend", fact.at);
    task.isFound = true; // when it ended wasn't seen
  },
  left_behind(picture, fact) { // unacknowledged in Redis, and its worker is gone
    const task = taskOf(picture, fact);
    step(task, fact, "left_behind");
    if (hasEnded(task)) return;
    const { worker } = task;
    enter(picture, task, "left-behind", "broker", fact.at);
    Object.assign(task, { worker, why: fact.why, back: fact.back });
  },
  given_back(picture, fact) { // by RabbitMQ, when the connection of its worker ended
    const task = taskOf(picture, fact);
    step(task, fact, "given_back");
    task.queue ??= picture.workers.get(task.worker)?.queues?.[0] ?? "";
    if (!hasEnded(task)) enter(picture, task, "waiting", "broker", fact.at);
  },
  died(picture, fact) { // the process that works on it; its worker will tell what became of the task
    const task = taskOf(picture, fact);
    step(task, fact, "died");
    if (task.state === "running") task.died = fact.at;
  },
  revoked(picture, fact) { // workers were told; who has it drops it when its turn comes
    const task = taskOf(picture, fact);
    step(task, fact, "told");
    task.isRevoked = true;
  },
  lost(picture, fact) {
    const task = taskOf(picture, fact);
    step(task, fact, "lost");
    task.why = fact.why;
    if (!hasEnded(task)) enter(picture, task, "lost", "backend", fact.at);
  },
  queue(picture, fact) {
    const { ids = new Set() } = picture.queues.get(fact.queue) ?? {};
    picture.queues.set(fact.queue, { next: [], ...fact, ids });
    const next = new Set(fact.next), isAll = fact.depth <= next.size; // else some lie deeper than anybody looked
    for (const id of ids) {
      const task = picture.tasks.get(id);
      if (task && next.has(id)) Object.assign(task, { gone: undefined, stale: false });
      else if (task && isAll) task.gone ??= fact.at;
    }
  },
  worker(picture, fact) { picture.workers.set(fact.worker, fact); },
  beat(picture, fact) {
    const name = fact.entry || fact.task;
    picture.beats.set(name, { ...fact, name, ticks: (picture.beats.get(name)?.ticks ?? 0) + 1 });
  },
  broker(picture, fact) { picture.broker = fact; },
  backend(picture, fact) { picture.backend = fact; },
  unseen(picture, fact) { picture.unseen = fact.says; },
  watch(picture, fact) {
    picture.began ??= fact.at;
    if (!fact.on) picture.unwatched = fact.at;
    else if (picture.unwatched) {
      const gap = { at: picture.unwatched, until: fact.at }; // what went on meanwhile isn't known
      Object.assign(picture, { gap, unwatched: null });
      for (const task of picture.tasks.values()) {
        task.stale = !hasEnded(task);
        if (task.stale) task.steps.push({ ...gap, n: fact.n, what: "unwatched" });
      }
    }
  },
  count(picture, fact) { Object.assign(picture, { counted: fact.events, dropped: fact.dropped }); },
};

/** Return the task a fact is about, with what the fact tells of it. */
function taskOf(picture, fact) {
  let task = picture.tasks.get(fact.id);
  if (!task) {
    task = { id: fact.id, name: "", first: fact.n, state: "sent", where: "caller", since: fact.at, retries: 0 };
    Object.assign(task, { eventAt: 0, seen: 0, steps: [] });
    picture.tasks.set(fact.id, task);
    if (picture.tasks.size > picture.tasksKept * 1.1) forget(picture);
  }
  const isMessage = fact.bytes !== undefined || fact.type === "received";
  task.again = (fact.retries ?? 0) > task.retries; // a retry is a new message under the same id
  if (task.again) Object.assign(task, { retries: fact.retries, error: undefined, released: false });
  if (isMessage || fact.eta) task.eta = fact.eta ?? null;
  if (fact.task) task.name = fact.task;
  for (const field of ABOUT) if (fact[field] !== undefined) task[field] = fact[field];
  task.stale = false;
  join(picture, task);
  return task;
}

function step(task, fact, what) {
  task.steps.push({ ...fact, what });
  task.seen |= 1 << (SEEN_IN[what] ?? 3); // in which columns it was observed
  if (task.steps.length > STEPS_KEPT) task.steps.splice(1, 1);
}

function enter(picture, task, state, where, at) {
  task.listed?.delete(task.id);
  Object.assign(task, { state, where, since: at, gone: undefined, died: undefined, listed: undefined, pid: undefined, isGuess: false, isFound: false });
  if (where === "broker") {
    task.worker = undefined;
    if (!picture.queues.has(task.queue)) picture.queues.set(task.queue, { queue: task.queue, next: [], ids: new Set() });
    if (state === "waiting" || state === "retrying") task.listed = picture.queues.get(task.queue).ids.add(task.id);
  }
  if (state !== "running") task.released = false;
  if (where === "backend") { // what ended last stands last
    picture.tasks.delete(task.id);
    picture.tasks.set(task.id, task);
  }
}

/** Tell whether the next try's message was faster than the word that this try has given up. */
function hasNextTry(task) {
  const gaveUp = task.steps.filter(({ what }) => what === "retried").length;
  return task.state !== "running" && (task.hasRun || task.retries >= gaveUp);
}

/** Return the state of a task that a worker holds until a later time; else another. */
function later(task, at, otherwise) {
  if (!(seconds(task.eta) > at)) return otherwise;
  return task.retries ? "retrying" : "scheduled";
}

/** Have those reserved whose time has come: no event tells of that. */
function ripen(picture, now) {
  for (const task of picture.tasks.values()) {
    const isHeld = ["held", "scheduled", "retrying"].includes(task.state) && task.where === "worker";
    if (isHeld && seconds(task.eta)) task.state = later(task, now, "held");
  }
}

/** Return epoch seconds from a time as messages have it; NaN without one. */
function seconds(time) {
  return typeof time === "number" ? time : Date.parse(time) / 1000;
}

/** Forget the oldest tasks, ended ones first; keep how many of each kind there were. */
function forget(picture) {
  for (const endedOnly of [true, false]) {
    for (const task of picture.tasks.values()) {
      if (picture.tasks.size <= picture.tasksKept) return;
      if (endedOnly && !hasEnded(task)) continue;
      picture.tasks.delete(task.id);
      task.listed?.delete(task.id);
      leave(picture, task);
      const kind = kindOf(task);
      if (hasEnded(task)) picture.forgotten.set(kind, (picture.forgotten.get(kind) ?? 0) + 1);
    }
  }
}

const kindOf = (task) => `${task.state}${task.stale ? "?" : ""} ${task.name}`;

/** Tasks that share a root, a parent, a group or a chord make one workflow: a set of tasks. */
function join(picture, task) {
  for (const key of [task.root, task.parent, task.group, task.chord]) {
    if (!key || key === task.id) continue;
    const [one, other] = [flowOf(picture, task.id), flowOf(picture, key)];
    if (one === other) continue;
    const [large, small] = one.keys.size > other.keys.size ? [one, other] : [other, one];
    for (const member of small.keys) {
      large.keys.add(member);
      picture.flows.set(member, large);
    }
    large.first = Math.min(one.first, other.first);
  }
  if (task.chain?.length) flowOf(picture, task.id);
}

function flowOf(picture, key) {
  if (!picture.flows.has(key)) picture.flows.set(key, { keys: new Set([key]), first: picture.n });
  return picture.flows.get(key);
}

function leave(picture, task) {
  const flow = picture.flows.get(task.id);
  if (flow && ![...flow.keys].some((key) => picture.tasks.has(key))) for (const key of flow.keys) picture.flows.delete(key);
}
