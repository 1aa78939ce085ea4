// Starts the page: facts come in; at most once a frame the picture is drawn, and only if something changed.

const CALM = 60; // facts since the last frame: with more of them, cards don't fly
const AGAIN = 2000; // ms until it connects again by itself, where the browser has given up
const SUMMARY = 3000; // ms between two summaries, which a screen reader says

let live = newPicture();
let isAsked = false, arrived = 0, connected = true, saidAt = 0, ticking = null;

/** Draw with the next frame. */
function changed() {
  if (isAsked) return;
  isAsked = true;
  requestAnimationFrame(frame);
}

function frame(time) {
  isAsked = false;
  advance(time);
  const picture = isLive() ? live : pictureAt(place);
  const now = isLive() ? Math.max(Date.now() / 1000, live.at) : log.timeAt(place);
  ripen(picture, now);
  if (isList()) drawList(picture, now);
  else {
    draw(picture, now, arrived <= CALM);
    drawFlows(picture, now);
  }
  arrived = 0;
  drawOpened(picture, now);
  drawReplay(now);
  drawAround(picture);
  clearTimeout(ticking);
  if (playing !== null) changed();
  else if (isLive()) ticking = setTimeout(changed, isMoving(picture) ? 100 : 1000);
}

/** Tell whether a time on the page grows. */
function isMoving(picture) {
  for (const task of picture.tasks.values()) if (task.where === "worker" && task.state !== "held") return true;
  return false;
}

function drawAround(picture) {
  const outages = [!connected && "Not connected to the X-ray, trying again. What you see is what was last known."];
  for (const [name, fact] of [["broker", picture.broker], ["result backend", picture.backend]]) {
    if (fact && !fact.up) outages.push(`The ${name} doesn't answer${fact.says ? `: ${fact.says}` : "."} The X-ray goes on asking.`);
  }
  if (picture.unwatched && !isLive()) outages.push("Nobody was looking here: what happened meanwhile isn't known.");
  const text = outages.filter(Boolean).join(" ");
  element("banner").hidden = !text;
  write(element("banner"), text);
  const others = Math.max(0, picture.counted - picture.events);
  const dropped = picture.dropped ? `, ${number(picture.dropped)} dropped` : "";
  write(element("counter"), `${plural(picture.events, "event")} of tasks${others ? ` and ${plural(others, "other")}` : ""} received${dropped}`);
  if (picture.unseen) renew(document.querySelector(".unseen"), picture.unseen, (all) => all.map((says) => h("li", {}, `Not seen: ${says}`)));
  const counts = {};
  const count = (state, many) => { counts[state] = (counts[state] ?? 0) + many; };
  for (const { state, stale } of picture.tasks.values()) count(stale ? "stale" : state, 1);
  for (const [kind, many] of picture.forgotten) count(kind.split(" ")[0], many);
  const states = [...Object.keys(RANK), "stale"].filter((state) => counts[state]);
  const summary = states.map((state) => `${number(counts[state])} ${word(state)}`).join(", ");
  const gap = picture.gap ? `nobody looked from ${clock(picture.gap.at)} to ${clock(picture.gap.until)}` : "";
  write(element("summary"), [summary, gap].filter(Boolean).join(" · "));
  if (Date.now() - saidAt < SUMMARY) return;
  saidAt = Date.now();
  write(element("said"), summary);
}

function take(facts) {
  for (const fact of facts) {
    log.add(fact);
    reduce(live, fact);
  }
  arrived += facts.length;
  changed();
}

function connect() {
  const source = new EventSource("/facts");
  const heard = (event) => {
    connected = true;
    return JSON.parse(event.data);
  };
  source.addEventListener("history", (event) => {
    log = new Log(setup.kept);
    live = newPicture();
    arrived = Infinity; // what was before doesn't fly in
    take(heard(event));
  });
  source.addEventListener("facts", (event) => take(heard(event)));
  source.onopen = () => { connected = true; changed(); };
  source.onerror = () => {
    connected = false;
    changed();
    if (source.readyState === EventSource.CLOSED) setTimeout(connect, AGAIN);
  };
}

// --- what can be pressed ---------------------------------------------------------------------------

document.querySelector("main").addEventListener("click", ({ target }) => {
  const card = target.closest(".task");
  if (card) openCard(card.dataset.id, card);
});
addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  if (element("card").open) closeCard();
  else closeGraph();
});
addEventListener("resize", changed);

function setLarger(larger) {
  document.documentElement.classList.toggle("larger", larger);
  element("larger").ariaPressed = String(larger);
  try {
    localStorage.setItem("xray-larger", larger ? "yes" : "");
  } catch { /* a saved page may have no storage: then it is asked for anew */ }
  changed();
}

function wasLarger() {
  const asked = new URLSearchParams(location.search).get("size");
  try {
    return asked ? asked === "large" : localStorage.getItem("xray-larger") === "yes";
  } catch {
    return asked === "large";
  }
}

element("larger").onclick = () => setLarger(element("larger").ariaPressed !== "true");
setLarger(wasLarger());
showView();
if (setup.facts) {
  log.kept = Infinity;
  take(setup.facts);
  element("save").hidden = true;
  if (setup.saved) write(element("past"), `Replay of a run saved ${clock(setup.saved)}`);
  write(element("empty"), "A saved run: press Play below, or move the slider. Arrow keys go step by step.");
  goTo(log.start);
} else connect();
