// What the page says about a task, in words: how long, which state, why it waits, what was before.

const WORDS = { held: "reserved", "left-behind": "left behind", stale: "not seen since" }; // the others are called what they are
const PLACES = ["Next", "Second", "Third", "Fourth", "Fifth", "Sixth", "Seventh", "Eighth", "Ninth", "Tenth"];
const BEFORE = ["sent", "waiting", "received", "started"]; // what each task goes through, seen or not
const STAGE = { sent: 0, waiting: 1, held: 2, received: 2, started: 3, succeeded: 4, failed: 4, lost: 4, result: 5 };

const SIGNALS = { 3: "SIGQUIT", 9: "SIGKILL", 15: "SIGTERM" };

const word = (state) => WORDS[state] ?? state;
const stateOf = (task) => (task.stale ? `was ${word(task.state)}` : word(task.state));
const number = (count) => count.toLocaleString("en-GB");
const many = (noun) => (noun.endsWith("s") ? `${noun}es` : `${noun}s`);
const plural = (count, noun) => `${number(count)} ${count === 1 ? noun : many(noun)}`;
/** Return what a worker runs its tasks on, and how many of them it has. */
const slotName = ({ pool }) => ({ prefork: "process", solo: "process", thread: "thread" })[pool] ?? "slot";
const slotCount = ({ processes, slots }) => processes?.length || slots || 0;
const sender = (origin) => origin.replace(/^gen(\d+)@/, "process $1 on ");

function span(length) {
  if (length < 0.9995) return `${Math.max(0, Math.round(length * 1000))} ms`;
  if (length < 99.95) return `${length.toFixed(length < 10 ? 2 : 1)} s`;
  if (length < 7200) return `${Math.floor(length / 60)} min ${Math.floor(length % 60)} s`;
  return `${(length / 3600).toFixed(1)} h`;
}

function clock(at) {
  const then = new Date(at * 1000), isToday = then.toDateString() === new Date().toDateString();
  const day = isToday ? {} : { day: "numeric", month: "short" };
  return then.toLocaleString("en-GB", { ...day, hour: "2-digit", minute: "2-digit", second: "2-digit" });
}

function until(at, now) {
  if (at <= now) return "due";
  return at - now < 100 ? `in ${Math.ceil(at - now)} s` : `in ${span(at - now)}`;
}

/** Return the place of a waiting task in its queue, counted from 0; -1 if it lies deeper than was looked. */
const placeOf = (picture, task) => picture.queues.get(task.queue)?.next.indexOf(task.id) ?? -1;

/** Return which worker has a task. Without its event: the only one that could. */
function workerOf(picture, task) {
  if (task.worker) return task.worker;
  const takes = ({ alive, queues }) => alive && (!task.queue || queues?.includes(task.queue));
  const able = [...picture.workers.values()].filter(takes);
  return able.length === 1 ? able[0].worker : "a worker";
}

/** Return in a few words what stands at a card's right: a place, a time. */
function brief(picture, task, now) {
  if (task.stale || task.isGuess) return "";
  if (task.isRevoked && !hasEnded(task) && task.state !== "running") return "revoked"; // what runs goes on
  if (task.state === "left-behind") return task.back ? `in ${Math.max(0, Math.ceil((task.back - now) / 60))} min` : "";
  if (task.died) return "process gone";
  if (task.state === "running") return span(now - task.since);
  if (task.state === "scheduled" || task.state === "retrying") return seconds(task.eta) ? until(seconds(task.eta), now) : "";
  if (task.state === "done") return task.runtime === undefined ? "" : span(task.runtime);
  if (task.where !== "broker") return "";
  const place = placeOf(picture, task);
  return task.gone ? "left" : place === 0 ? "next" : place > 0 ? `${place + 1}.` : "";
}

/** Say what a task does, or why it waits. */
function why(picture, task, now) {
  if (task.stale) return `It was ${word(task.state)} when nobody looked any more. What became of it wasn't seen.`;
  const isDoomed = task.isRevoked && !hasEnded(task) && task.state !== "running";
  return WHY[task.state](task, picture, now) + (isDoomed ? " It is revoked: the worker drops it when its turn comes." : "");
}

const when = ({ eta }, now) => (seconds(eta) ? `${clock(seconds(eta))} (${until(seconds(eta), now)})` : "a time that wasn't seen yet");

const WHY = {
  sent: () => "Its caller has sent it. It hasn't been seen in the broker yet.",
  waiting: whyWaiting,
  held(task, picture) {
    const by = workerOf(picture, task), worker = picture.workers.get(by);
    const next = isBusy(picture, worker) ? `It waits, as ${areBusy(worker)}.` : `It starts as soon as a ${slotName(worker ?? {})} is free.`;
    return `Reserved by ${by}: taken from the queue ahead of need, not started and not acknowledged. ${next}`;
  },
  "left-behind": (task, picture, now) => `Left behind: ${task.why} Redis still holds it as delivered and not acknowledged`
    + `${task.back ? `, and gives it back after the visibility timeout, at ${clock(task.back)} (${until(task.back, now)}) or up to two minutes later` : ""}.`
    + " To send it again would have it done twice.",
  scheduled: (task, picture, now) =>
    `Scheduled for ${when(task, now)}. ${workerOf(picture, task)} holds it until then; that keeps no process busy.`,
  retrying(task, picture, now) {
    const holder = task.where === "broker" ? "Its new message is in the queue." : "The worker holds its new message until then.";
    const said = task.error ? ` The last try said: ${task.error}` : "";
    return `It gave up for now, and is tried again at ${when(task, now)}. ${holder}${said}`;
  },
  running(task, picture, now) {
    const by = workerOf(picture, task), worker = picture.workers.get(by) ?? {};
    if (task.isGuess) return `Taken by ${by}, which works in its main process and tells of a task only when that has ended. Probably it runs.`;
    if (task.died) return `Process ${task.pid} of ${by}, on which it ran, is gone. The worker will say what became of the task.`;
    const thread = worker.pool === "thread" ? "in a thread of" : "on";
    return `It runs ${thread} ${task.pid ? `process ${task.pid}` : "a process"} of ${by}, for ${span(now - task.since)} now.`;
  },
  done(task) {
    const time = task.runtime === undefined ? "" : ` in ${span(task.runtime)}`;
    return `Done${time}${task.result === undefined ? "." : `; it returned ${task.result}`}`;
  },
  failed: (task) => `Failed: ${task.error ?? "why wasn't seen."}`,
  revoked: (task) => (task.terminated
    ? `Revoked while it ran: its process was ended by ${SIGNALS[task.signum] ?? task.signum ?? "a signal"}.`
    : "Revoked before it ran: the worker dropped it when its turn came."),
  expired(task) {
    const limit = task.expires ? ` (until ${clock(seconds(task.expires))})` : "";
    return `It waited longer than it was worth${limit}, so the worker dropped it.`;
  },
  lost: (task) => `Lost: ${task.why ?? "it had started, and is nowhere any more."}`,
};

function isBusy(picture, worker) {
  if (!worker || !slotCount(worker)) return false;
  const isHere = (task) => task.state === "running" && !task.died && workerOf(picture, task) === worker.worker;
  return [...picture.tasks.values()].filter(isHere).length >= slotCount(worker);
}

function areBusy(worker) {
  const count = slotCount(worker), noun = slotName(worker);
  return count === 1 ? `its only ${noun} is busy` : `${count === 2 ? "both" : `all ${count}`} ${many(noun)} are busy`;
}

function whyWaiting(task, picture) {
  const { queue } = task;
  if (task.gone) return `It has left the queue ${queue}, and wasn't seen since.`;
  const place = placeOf(picture, task), depth = picture.queues.get(queue)?.depth ?? 0;
  const start = place < 0 ? `Somewhere in the queue ${queue}, which holds ${plural(depth, "message")}`
    : `${PLACES[place] ?? `Number ${place + 1}`} in the queue ${queue}`;
  const takers = [...picture.workers.values()].filter(({ alive, queues }) => alive && queues?.includes(queue));
  const awake = takers.filter(({ paused }) => !paused);
  if (!takers.length) return `${start}; no worker takes from it.`;
  if (!awake.length) return `${start}; ${takers.length === 1 ? "the worker is" : "all workers are"} paused.`;
  if (!awake.every((worker) => isBusy(picture, worker))) return `${start}; a worker takes it as soon as it can.`;
  if (awake.length > 1) return `${start}; the processes of all workers are busy.`;
  const full = awake[0].prefetch && awake[0].pool !== "solo" ? ", and the worker has reserved as many as it may" : "";
  return `${start}; ${areBusy(awake[0])}${full}.`;
}

/** Return a task's steps in the order of time, with those between them that must have been. */
function history(task, hasBackend) {
  const steps = [];
  let stage = -1; // what it has gone through, seen or not
  let tries = 0, gaveUp = 0, blindUntil = 0; // before then, nobody looked
  const reach = (to, before = to) => {
    for (stage += 1; stage < before; stage += 1) steps.push({ what: BEFORE[stage], isInferred: true, isRetry: tries > 0 });
    stage = to;
  };
  const inTime = [...task.steps].sort((one, other) => one.at - other.at || one.n - other.n);
  for (const [at, seen] of inTime.entries()) {
    const { what } = seen, isInterim = what === "result" && !STORED[seen.state]; // as RETRY, or STARTED
    if (seen.retries > tries) [tries, stage] = [seen.retries, -1]; // its next message
    if (what === "unwatched") blindUntil = seen.until;
    else if (what in STAGE && what !== "result" && seen.at > blindUntil) blindUntil = 0; // seen again
    const wasUnwatched = blindUntil > 0;
    const to = isInterim ? -1 : STAGE[what] ?? -1;
    if (what === "retried") {
      gaveUp += 1;
      if (gaveUp > tries) reach(4); // else its next message came before it
    } else if (what === "revoked" || what === "rejected") reach(4, 3); // it needn't have started
    else if (to > stage) reach(Math.min(to, 4));
    const isBack = what === "released" && inTime.slice(at + 1).some((later) => later.what === "waiting");
    if (isBack) stage = 0;
    steps.push({ ...seen, isBack, wasUnwatched, isInferred: what === "released" && wasUnwatched });
  }
  if (task.isGuess) steps.push({ what: "started", isInferred: true });
  if (task.state === "done" && hasBackend && !task.stored) steps.push({ what: "result", isInferred: true });
  return steps;
}

/** Say what a step was. */
const stepWords = (seen) => (STEP_WORDS[seen.what] ?? (() => seen.what))(seen);

const STEP_WORDS = {
  sent: ({ isRetry }) => (isRetry ? "sent again by the worker" : "sent by the caller"),
  waiting: ({ queue }) => `in the queue ${queue ?? ""}`,
  held: () => "delivered to a worker, not acknowledged",
  released: ({ isBack }) => (isBack ? "put back, not acknowledged" : "acknowledged: the broker has forgotten it"),
  received: ({ worker }) => `received by ${worker ?? "a worker"}`,
  started: ({ pid }) => (pid ? `started on process ${pid}` : "started"),
  succeeded: () => "done",
  failed: ({ error }) => `failed${error ? `: ${error}` : ""}`,
  retried: ({ error }) => `gave up for now${error ? `: ${error}` : ""}`,
  revoked({ expired, terminated }) {
    if (expired) return "expired: dropped by the worker";
    return terminated ? "revoked, its process ended" : "revoked: dropped by the worker";
  },
  rejected: () => "rejected by the worker",
  lost: ({ why: reason }) => `lost: ${reason}`,
  left_behind: ({ why: reason }) => `left behind, unacknowledged: ${reason}`,
  given_back: ({ why: reason }) => `given back to its queue: ${reason}`,
  died: ({ pid }) => `process ${pid} is gone`,
  told: () => "workers know that it is revoked",
  unwatched: ({ until: end }) => `nobody looked any more, until ${clock(end)}`,
  result: ({ state, wasUnwatched }) => `${wasUnwatched ? "found " : ""}in the result backend${state ? ` as ${state}` : ""}`,
};
