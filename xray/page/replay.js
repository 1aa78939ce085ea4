// The log of facts, and the way back and forth in it. New facts go on being received meanwhile.

const SILENCE = 2; // seconds: a longer one is cut to this on the track
const BARS = 240;
const BAD = new Set(["failed", "lost"]);

/** Facts in the order they were learned, each with its time and its place on the track. */
class Log {
  constructor(kept) {
    Object.assign(this, { kept, facts: [], times: [], track: [], standing: new Map() });
  }

  add(fact) {
    const before = this.times.at(-1) ?? fact.at, time = Math.max(before, fact.at);
    this.facts.push(fact);
    this.times.push(time);
    this.track.push((this.track.at(-1) ?? 0) + Math.min(time - before, SILENCE));
    if (this.facts.length > this.kept * 1.1) this.trim();
  }

  /** Drop the oldest. Of what stays true (workers, queues, …), keep the latest. */
  trim() {
    const many = this.facts.length - this.kept;
    for (const fact of this.facts.slice(0, many)) {
      if (!fact.id) this.standing.set(`${fact.of} ${fact.worker ?? fact.queue}`, fact);
    }
    for (const list of [this.facts, this.times, this.track]) list.splice(0, many);
  }

  get start() { return this.track[0] ?? 0; }
  get end() { return this.track.at(-1) ?? 0; }

  /** Return how many facts lie up to a place on the track. */
  upTo(place) {
    let low = 0, high = this.track.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.track[middle] <= place) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  timeAt(place) {
    const last = Math.max(0, this.upTo(place) - 1);
    return (this.times[last] ?? 0) + Math.max(0, place - (this.track[last] ?? 0));
  }
}

let log = new Log(setup.kept);
let place = null; // on the track; null is live
let playing = null; // the time of the last frame while playing
let past = { from: null, picture: newPicture() }; // the picture at a place; going on is cheap, going back starts anew

const isLive = () => place === null;

/** Return the picture as it was at the place on the track. */
function pictureAt(where) {
  const first = log.facts[0], many = log.upTo(where);
  const last = log.facts[many - 1]?.n ?? 0;
  if (past.from !== first || past.last > last) {
    past = { from: first, last: 0, picture: newPicture() };
    for (const fact of log.standing.values()) reduce(past.picture, fact);
  }
  let next = many;
  while (next > 0 && log.facts[next - 1].n > past.last) next -= 1;
  for (; next < many; next += 1) reduce(past.picture, log.facts[next]);
  past.last = last;
  return past.picture;
}

function goTo(where) {
  place = where === null ? null : Math.min(Math.max(where, log.start), log.end);
  changed();
}

/** Go to the next step, or the one before: facts that are milliseconds apart are one. */
function stepBy(direction) {
  const here = place ?? log.end;
  const shows = (at) => log.facts[at].of !== "count" && Math.abs(log.track[at] - here) > 0.004;
  let at = log.upTo(here) - (direction < 0 ? 1 : 0);
  while (log.facts[at] && !(shows(at) && (log.track[at] - here) * direction > 0)) at += direction;
  goTo(log.facts[at] ? log.track[at] : direction < 0 ? log.start : log.end);
}

function play(on) {
  playing = on ? performance.now() : null;
  if (on && (place ?? log.end) >= log.end) place = log.start;
  changed();
}

/** Move on while playing. */
function advance(time) {
  if (playing === null) return;
  const where = place + ((time - playing) / 1000) * Number(element("speed").value);
  playing = time;
  place = Math.min(where, log.end);
  if (place >= log.end) {
    playing = null;
    if (setup.facts === null) place = null; // it has caught up
  }
}

function drawReplay(at) {
  const moment = element("moment");
  moment.min = log.start;
  moment.max = log.end;
  moment.value = place ?? log.end;
  moment.ariaValueText = clock(at);
  write(element("when"), isLive() ? clock(at) : `${clock(at)}.${Math.floor((at % 1) * 10)}`);
  write(element("play"), playing === null ? "▶ Play" : "❚❚ Stop");
  element("live").ariaPressed = String(isLive());
  element("live").hidden = setup.facts !== null;
  element("past").hidden = isLive();
  document.body.classList.toggle("replaying", !isLive());
  drawBars();
}

let barsOf = ""; // drawn again only when half a second of facts has come

function drawBars() {
  const span = log.end - log.start;
  const now = `${log.start.toFixed(1)} ${Math.floor(log.end * 2)} ${log.facts.length < 50 ? log.facts.length : ""}`;
  if (now === barsOf || !span) return;
  barsOf = now;
  const all = new Array(BARS).fill(0), bad = new Array(BARS).fill(0);
  log.facts.forEach((fact, at) => {
    if (fact.of === "count") return;
    const bar = Math.min(BARS - 1, Math.floor(((log.track[at] - log.start) / span) * BARS));
    all[bar] += 1;
    if (BAD.has(fact.type ?? fact.of)) bad[bar] = 1;
  });
  const most = Math.log1p(Math.max(...all));
  const shape = (heights) => heights.map((high, bar) => (high ? `M${bar + 0.15} 20v${-high}h.7v${high}z` : "")).join("");
  const [allPath, badPath] = document.querySelectorAll(".track path");
  allPath.setAttribute("d", shape(all.map((count) => count && 3 + 17 * (Math.log1p(count) / most))));
  badPath.setAttribute("d", shape(bad.map((some) => some * 20)));
}

element("play").onclick = () => play(playing === null);
element("live").onclick = () => { playing = null; goTo(null); };
element("moment").oninput = ({ target }) => {
  playing = null;
  const isEnd = target.max - target.value < (target.max - target.min) / 1000; // the browser's own rounding
  goTo(isEnd ? log.end : Number(target.value));
};
element("moment").onkeydown = (event) => {
  const direction = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 }[event.key];
  if (!direction) return;
  event.preventDefault();
  playing = null;
  stepBy(direction);
};
