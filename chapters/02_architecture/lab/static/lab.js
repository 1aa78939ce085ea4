// The page of chapter 2: uploads photos, asks how their orders are doing, shows it.

const QUICK = 300; // ms between two questions while something changes …
const SLOW = 5_000; // … and at most, while nothing does: each wait is 1.5 times the last
const LIST_EVERY = 5_000; // ms between two lists; in between, only some orders are asked for
const NEXT_IN_LINE = 4; // so many of them: those that will change first
const STUCK = 15_000; // ms without a change, then the page says what to do
const SETTLED = ["SUCCESS", "FAILURE", "REVOKED"];
const NO_ANSWER = "The server doesn't answer. Is it still running?";

const element = (id) => document.getElementById(id);
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

// --- what we know --------------------------------------------------------------------------------

let photos = []; // what GET /photos says, the newest first
const changedAt = new Map(); // order id -> when we last saw its state change
const previews = new Map(); // order id -> address of the photo as it was uploaded
let lastChange = Date.now(); // of any order
let uploading = 0;

function isSettled(order) {
  return order === null || SETTLED.includes(order.state);
}

function isStuck(order) {
  const since = order.state === "STARTED" ? changedAt.get(order.id) : lastChange;
  return !isSettled(order) && Date.now() - since > STUCK;
}

// Take what a photo's order says now; tell whether that is news.
function update(photo, order) {
  const before = photo.order;
  photo.order = order;
  if (before?.id === order?.id && before?.state === order?.state && changedAt.has(order?.id)) return false;
  lastChange = Date.now();
  changedAt.set(order?.id, lastChange);
  return true;
}

// --- asking --------------------------------------------------------------------------------------

async function getJson(address) {
  const response = await fetch(address, { cache: "no-cache" }); // the browser sends If-None-Match
  if (!response.ok) throw new Error(await problem(response));
  return response.json();
}

async function problem(response) {
  try {
    return (await response.json()).detail;
  } catch {
    return `The server answered ${response.status}.`;
  }
}

async function askForList() {
  const answer = await getJson("photos");
  const known = new Map(photos.map(({ id, order }) => [id, order]));
  photos = answer.photos.map((photo) => ({ ...photo, order: known.get(photo.id) }));
  const changes = photos.map((photo, at) => update(photo, answer.photos[at].order));
  for (const photo of photos.toReversed()) show(photo);
  return changes.includes(true);
}

// Those that are being developed, then those that have waited longest; stuck ones last.
function nextInLine() {
  const waiting = photos.filter(({ order }) => !isSettled(order));
  const rank = ({ order }) => (isStuck(order) ? 2 : order.state === "PENDING" ? 1 : 0);
  return waiting.toReversed().toSorted((a, b) => rank(a) - rank(b)).slice(0, NEXT_IN_LINE);
}

async function askForNext() {
  const changes = await Promise.all(nextInLine().map(async (photo) => {
    const order = await getJson(`tasks/${photo.order.id}`);
    if (order.id !== photo.order.id) return false; // ordered again meanwhile
    photo.seconds = order.result?.seconds ?? photo.seconds;
    const changed = update(photo, order);
    show(photo);
    if (order.error) listAt = 0; // its file may be gone: the list knows
    return changed;
  }));
  return changes.includes(true);
}

let listAt = 0; // when the list is due again
let wake = () => {}; // ends the wait between two questions

function look() {
  listAt = 0;
  wake();
}

async function ask() {
  if (Date.now() < listAt) return askForNext();
  listAt = Date.now() + LIST_EVERY;
  return askForList();
}

async function watch() {
  let wait = QUICK;
  for (;;) {
    try {
      const changed = await ask();
      wait = changed || uploading ? QUICK : Math.min(1.5 * wait, SLOW);
      summarize();
    } catch (error) {
      listAt = 0;
      wait = Math.min(1.5 * wait, SLOW);
      say("trouble", error instanceof TypeError ? NO_ANSWER : `${error.message} (Still asking.)`);
    }
    const woken = new Promise((done) => { wake = () => done(true); });
    if (await Promise.race([pause(document.hidden ? SLOW : wait), woken])) wait = QUICK;
  }
}

// --- cards ---------------------------------------------------------------------------------------

const cards = new Map(); // photo id -> its <li>

function newCard(name) {
  const card = element("card").content.cloneNode(true).firstElementChild;
  card.querySelector(".name").textContent = name;
  element("gallery").prepend(card);
  return card;
}

function sayOnCard(card, kind, text) {
  card.className = `card ${kind}`;
  const state = card.querySelector(".state");
  if (state.textContent !== text) state.textContent = text;
}

function describe(order) {
  if (order === null) return ["failed", "Its result has expired."];
  if (order.error) return ["failed", `${order.error.type}: ${order.error.message}`];
  if (order.state === "PENDING") return ["pending", "sent, not begun …"];
  if (order.state === "STARTED") return ["started", "being developed …"];
  return [order.state.toLowerCase(), order.state === "SUCCESS" ? "" : order.state];
}

function show(photo) {
  if (!cards.has(photo.id)) cards.set(photo.id, newCard(photo.name));
  const card = cards.get(photo.id);
  const { order } = photo;
  showPreview(card, previews.get(order?.id));
  showAgain(card, photo);
  const time = photo.seconds === null ? "" : `${photo.seconds.toFixed(1)} s of work`;
  card.querySelector(".time").textContent = time;
  sayOnCard(card, ...describe(order));
  if (order?.state === "SUCCESS" && order.print) showPrint(card, photo.name, order.print);
}

function showAgain(card, photo) {
  const again = card.querySelector(".again");
  again.setAttribute("aria-label", `Develop ${photo.name} again`);
  again.onclick = () => orderAgain(card, photo);
  again.hidden = !photo.again || !(isSettled(photo.order) || isStuck(photo.order));
}

function showPreview(card, address) {
  const original = card.querySelector(".original");
  original.onerror = () => { original.hidden = true; }; // not an image
  if (address && !original.src) Object.assign(original, { src: address, hidden: false });
}

function showPrint(card, name, address) {
  if (card.querySelector(".print")) return;
  const widths = { small: 480, medium: 960, large: 1600 };
  const sources = Object.entries(widths).map(([size, width]) => `${address.replace("large", size)} ${width}w`);
  const print = new Image();
  Object.assign(print, {
    className: "print", alt: `print of ${name}`, srcset: sources.join(", "), sizes: "13rem", src: address,
  });
  const link = Object.assign(document.createElement("a"), { href: address, title: `${name}, large` });
  link.append(print);
  card.querySelector(".frame").append(link);
  print.decode().then(() => { card.querySelector(".original").hidden = true; }, () => {});
}

// --- the four parts ------------------------------------------------------------------------------

function fill(id, orders) {
  element(id).querySelector("output").value = orders.length;
  element(id).querySelector(".dots").replaceChildren(...orders.map((order) => {
    const dot = document.createElement("i");
    if (order?.error) dot.className = "failed";
    return dot;
  }));
}

function summarize() {
  const orders = photos.map(({ order }) => order).filter(Boolean);
  const sent = orders.filter(({ state }) => state === "PENDING");
  const begun = orders.filter((order) => !isSettled(order) && order.state !== "PENDING");
  const settled = orders.filter(isSettled);
  fill("flask", Array(uploading).fill(null));
  fill("broker", sent);
  fill("worker", begun);
  fill("backend", settled);

  const failed = settled.filter(({ error }) => error).length;
  const counts = [`${sent.length} not begun`, `${begun.length} in work`, `${settled.length - failed} developed`];
  if (failed) counts.push(`${failed} failed`);
  const quiet = Date.now() - lastChange;
  const stuck = sent.length + begun.length > 0 && quiet > STUCK;
  say(stuck ? "trouble" : "", `${counts.join(", ")}.`);
  element("stuck").hidden = !stuck;
  if (stuck) element("quiet").textContent = Math.round(quiet / 1000);
  for (const photo of photos) showAgain(cards.get(photo.id), photo);
}

function say(kind, text) {
  const says = element("says");
  says.className = kind;
  if (says.textContent !== text) says.textContent = text;
}

// --- uploading and ordering ----------------------------------------------------------------------

async function post(card, address, body) {
  try {
    const response = await fetch(address, { method: "POST", body });
    if (response.ok) return await response.json();
    sayOnCard(card, "failed", await problem(response));
  } catch {
    sayOnCard(card, "failed", NO_ANSWER);
  }
  return null;
}

async function upload(name, file) {
  const card = newCard(name);
  const address = URL.createObjectURL(file);
  showPreview(card, address);
  sayOnCard(card, "pending", "uploading …");
  const data = new FormData();
  data.append("photo", file, name);
  uploading += 1;
  const order = await post(card, "photos", data);
  uploading -= 1;
  if (order === null) return;
  previews.set(order.id, address);
  card.remove(); // the list brings the photo's own
  look();
}

async function orderAgain(card, photo) {
  sayOnCard(card, "pending", "ordering …");
  if (await post(card, photo.again) === null) return;
  card.querySelector(".frame a")?.remove();
  look();
}

element("samples").addEventListener("click", async ({ target }) => {
  target.disabled = true;
  await Promise.all(target.dataset.samples.split(" ").map(async (address) => {
    try {
      await upload(address.split("/").at(-1), await (await fetch(address)).blob());
    } catch {
      say("trouble", NO_ANSWER);
    }
  }));
  target.disabled = false;
});

const uploadAll = (files) => Promise.all([...files].map((file) => upload(file.name, file)));
element("files").addEventListener("change", ({ target }) => { uploadAll(target.files); target.value = ""; });
for (const kind of ["dragover", "dragleave", "drop"]) {
  addEventListener(kind, (event) => {
    event.preventDefault();
    element("drop").classList.toggle("over", kind === "dragover");
    if (kind === "drop") uploadAll(event.dataTransfer.files);
  });
}

watch();
