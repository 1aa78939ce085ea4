// The page of chapter 3: press, ask how everything stands, show it.

const element = (id) => document.getElementById(id);
const pause = (ms) => new Promise((done) => setTimeout(done, ms));
const UNDERWAY = ["PENDING", "STARTED", "PROGRESS", "RETRY"];
const STUCK = 15_000; // ms in which nothing has moved: the worker may be dead
const RETRIES = 75_000; // ms: between two tries a letter may rest for a minute
const AWAY = "The server is away. Is it still running?";

// --- asking ----------------------------------------------------------------------------------------

/** Ask the server; return what it says, or throw an Error whose message is for the visitor. */
async function ask(address, options = {}) {
  let response;
  try {
    response = await fetch(address, { cache: "no-store", ...options });
  } catch {
    throw new Error(AWAY);
  }
  const said = await response.json().catch(() => null);
  if (!response.ok) throw new Error(said?.detail ?? `The server answered ${response.status}.`);
  return said;
}

function post(address, fields = {}) {
  const body = new FormData();
  for (const [name, value] of Object.entries(fields)) body.append(name, ...[value].flat());
  return ask(address, { method: "POST", body });
}

const remove = (address) => ask(address, { method: "DELETE" });
let wake = () => {}; // ends the pause between two rounds of questions

/** Do what a button stands for, once at a time; say beside it what went wrong. */
async function act(button, says, work) {
  if (button.ariaBusy === "true") return;
  button.ariaBusy = "true"; // not "disabled", which would take the focus away
  say(says, "");
  try {
    say(says, (await work()) ?? says.textContent);
  } catch (error) {
    say(says, error.message, "trouble");
  }
  button.ariaBusy = "false";
  wake();
}

// --- showing: always as text, never as HTML ----------------------------------------------------------

function write(node, text) {
  if (node.textContent !== text) node.textContent = text; // or a screen reader says it again
}

function say(says, text, kind = "") {
  says.classList.toggle("trouble", kind === "trouble");
  write(says, text);
}

/** Give a list a row for each item. A row that was there stays, and so does the focus in it. */
function rows(list, template, items, show) {
  const old = new Map([...list.children].map((row) => [row.dataset.key, row]));
  const kept = new Set(items.map(({ id }) => id));
  for (const [key, row] of old) if (!kept.has(key)) row.remove();
  items.forEach((item, at) => {
    const row = old.get(item.id) ?? element(template).content.cloneNode(true).firstElementChild;
    row.dataset.key = item.id;
    if (list.children[at] !== row) list.insertBefore(row, list.children[at] ?? null);
    show(item, (selector) => row.querySelector(selector), row);
  });
}

/** Return a time by the visitor's clock, with the day unless that is today. */
function clock(seconds, exact = { second: "2-digit" }) {
  const then = new Date(seconds * 1000), today = then.toDateString() === new Date().toDateString();
  const day = today ? {} : { weekday: "short", day: "numeric", month: "short" };
  return then.toLocaleString("en-GB", { ...day, hour: "2-digit", minute: "2-digit", ...exact });
}

function inAWhile(ms) {
  if (ms < 0) return "now, as soon as a worker is free";
  if (ms < 100_000) return `in ${Math.ceil(ms / 1000)} s`;
  return ms < 36e5 ? `in ${Math.round(ms / 6e4)} min` : ms < 1728e5 ? `in ${Math.round(ms / 36e5)} h` : `in ${Math.round(ms / 864e5)} days`;
}

const plural = (number, noun) => `${number} ${noun}${number === 1 ? "" : "s"}`;
const times = (number) => ["never", "once", "twice"][number] ?? `${number} times`;
const reason = ({ type, message }) => (message ? `${type}: ${message}` : type);

// --- photos ----------------------------------------------------------------------------------------

let photos = [];
let uploads = []; // what is being handed in, or was not taken
const previews = new Map(); // order id -> address of the photo as it was handed in

async function handIn(name, file) {
  const upload = { id: `upload ${crypto.randomUUID()}`, name, preview: URL.createObjectURL(file), kind: "pending", text: "handing in …" };
  uploads = [upload, ...uploads];
  showPhotos();
  try {
    previews.set((await post("photos", { photo: [file, name] })).id, upload.preview);
    uploads = uploads.filter((other) => other !== upload);
    wake();
  } catch (error) {
    Object.assign(upload, { kind: "failed", text: error.message });
    showPhotos();
  }
}

function showPhotos() {
  rows(element("gallery"), "photo", [...uploads, ...photos], showPhoto);
  const states = photos.map(({ order }) => order?.state);
  const count = (...wanted) => states.filter((state) => wanted.includes(state)).length;
  const failed = count("FAILURE", "REVOKED");
  write(element("says"), `${count("PENDING")} waiting, ${count("STARTED", "RETRY")} in work, `
    + `${count("SUCCESS")} developed${failed ? `, ${failed} failed` : ""}.`);
  const planned = photos.filter(({ publication }) => publication?.order?.state === "PENDING");
  planned.sort((one, other) => one.publication.due - other.publication.due);
  rows(element("scheduled"), "planned", planned, showPlanned);
}

function showPhoto(photo, $, card) {
  const { order, publication } = photo;
  const [kind, text] = photo.kind ? [photo.kind, photo.text]
    : order === null ? ["failed", "Its result has expired."]
    : order.error ? ["failed", reason(order.error)]
    : order.state === "SUCCESS" ? ["success", ""]
    : order.state === "PENDING" ? ["pending", "waiting in the queue …"] : ["started", "being developed …"];
  card.className = `card ${kind}`;
  write($(".name"), photo.name);
  write($(".state"), text);
  write($(".time"), photo.seconds ? `${photo.seconds.toFixed(1)} s of work` : "");
  const negative = $(".negative"), preview = photo.preview ?? previews.get(order?.id);
  negative.onerror = () => { negative.hidden = true; }; // not an image
  if (preview && !negative.src) Object.assign(negative, { src: preview, hidden: false });
  const printed = order?.state === "SUCCESS" && order.print;
  if (printed && $(".large").getAttribute("href") !== printed) showPrint($, photo.name, printed);
  $(".large").hidden = !printed;

  const waits = publication?.order?.state === "PENDING";
  $(".ribbon").hidden = !photo.published && !waits;
  $(".ribbon").classList.toggle("waits", !photo.published);
  write($(".ribbon"), photo.published ? `in the window since ${clock(photo.published, {})}`
    : waits ? `in the window at ${clock(publication.due, {})}` : "");
  $(".publish").hidden = !printed || Boolean(photo.published) || waits;
  $(".publish").ariaLabel = `Publish ${photo.name} …`;
  $(".publish").onclick = () => openPublication(photo);
  $(".again").hidden = !photo.again || order?.state === "SUCCESS" || order?.state === "PENDING" || (order?.state === "STARTED" && !stuck());
  $(".again").ariaLabel = `Develop ${photo.name} again`;
  $(".again").onclick = ({ target }) => act(target, $(".says"), () => post(photo.again).then(() => ""));
}

function showPrint($, name, address) {
  const image = $(".print");
  const sizes = { small: 480, medium: 960, large: 1600 };
  const srcset = Object.entries(sizes).map(([size, width]) => `${address.replace("large", size)} ${width}w`).join(", ");
  Object.assign($(".large"), { href: address, title: `${name}, large` });
  Object.assign(image, { alt: `print of ${name}`, srcset, sizes: "13rem", src: address });
  image.decode().then(() => { $(".negative").hidden = true; }, () => {});
}

// --- publications ------------------------------------------------------------------------------------

const dialog = element("publish");
const at = dialog.querySelector("input");
const local = (ms) => new Date(ms - new Date(ms).getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
const aware = (ms) => new Date(ms).toISOString().replace(/\.\d+/, ""); // in UTC, and says so: Z
at.oninput = () => write(dialog.querySelector(".aware"), at.value ? aware(at.value) : "…");

function openPublication(photo) {
  const says = dialog.querySelector(".says");
  const publish = (button, when) => act(button, says, async () => {
    await post(photo.publish, { at: when() });
    dialog.close();
    say(element("scheduled-says"), "");
  });
  write(dialog.querySelector(".name"), photo.name);
  write(dialog.querySelector(".zone"), `(${Intl.DateTimeFormat().resolvedOptions().timeZone})`);
  at.value = local(Math.ceil(Date.now() / 300_000) * 300_000 + 300_000);
  at.oninput();
  say(says, "");
  dialog.querySelector(".close").onclick = () => dialog.close();
  dialog.querySelector(".soon").onclick = ({ target }) => publish(target, () => aware(Date.now() + 60_000));
  dialog.querySelector("form").onsubmit = (event) => {
    event.preventDefault();
    publish(event.submitter, () => aware(at.value)); // what was typed is by the visitor's clock
  };
  dialog.showModal();
}

function showPlanned({ name, publication }, $) {
  write($(".name"), name);
  write($(".when"), `${clock(publication.due)}, ${inAWhile(publication.due * 1000 - Date.now())}`);
  $(".back").ariaLabel = `Take back ${name}`;
  $(".back").onclick = ({ target }) => act(target, element("scheduled-says"), async () => {
    await remove(`tasks/${publication.order.id}`);
    return `Taken back: ${name} stays out of the window.`;
  });
}

// --- albums ------------------------------------------------------------------------------------------

let albums = [];
const filling = new Map(); // album id -> how many photos it is about to hold
const cancelling = new Set(); // ids of orders

async function makeAlbum(bring) {
  const form = element("album-form"), says = element("album-says");
  if (!form.reportValidity()) return;
  const files = await bring();
  const { id } = await post("albums", Object.fromEntries(new FormData(form)));
  filling.set(id, files.length);
  const refused = [];
  try {
    for (const [at, { name, file }] of files.entries()) {
      say(says, `Handing in ${at + 1} of ${files.length} …`);
      try {
        await post(`albums/${id}/photos`, { photo: [file, name] });
      } catch (error) {
        if (error.message === AWAY) throw error;
        refused.push(`${name}: ${error.message}`);
      }
    }
    await post(`albums/${id}/orders`).catch((error) => { refused.push(error.message); });
    if (refused.length) throw new Error(refused.join(" "));
    return "Ordered: watch it below.";
  } finally {
    filling.delete(id);
  }
}

function showAlbum(album, $, card) {
  const { orders, progress, error, packing } = album;
  const settled = !progress || error || ["SUCCESS", "REVOKED"].includes(album.state);
  const part = (task) => orders.find((order) => order.task === task);
  const sheet = part("tasks.sheet"), letter = part("tasks.deliver");
  const laid = sheet?.state === "SUCCESS", stale = !settled && stuck(letter?.state);
  card.className = `card ${(album.state ?? "empty").toLowerCase()}`;
  write($(".name"), album.name);
  write($(".to"), `${plural(album.photos.length, "photo")}, for ${album.email}`);
  showSheet($(".sheet"), album.sheet, laid ? sheet.id : null, `contact sheet of ${album.name}`);
  Object.assign($(".whole"), { max: progress?.total ?? 1, value: progress?.done ?? 0, ariaLabel: `Progress of ${album.name}` });
  rows($(".dots"), "note", orders.map(({ state, result }, id) => ({ id: String(id), state: result?.error ? "FAILURE" : state })),
    ({ state }, _, dot) => { dot.className = state.toLowerCase(); });

  const doing = laid ? "mailing" : sheet?.state === "STARTED" || progress?.done === progress?.total - 2 ? "laying out" : "developing";
  write($(".how"), filling.has(album.id) ? `handing in, ${album.photos.length} of ${filling.get(album.id)} …`
    : !progress ? "not ordered yet"
    : error ? `Not finished. ${reason(error)}`
    : album.state === "SUCCESS" ? "Done: developed, laid out, mailed."
    : album.state === "REVOKED" ? "A part of it was taken back."
    : album.state === "PENDING" ? "waiting in the queue …" : `${progress.done} of ${progress.total}: ${doing} …`);
  const names = new Map(album.photos.map(({ id, name }) => [id, name]));
  const notes = orders.filter(({ result }) => result?.error).map(({ photo }) => `${names.get(photo)} can't be read, so its field stays empty.`);
  if (letter?.state === "RETRY") notes.push(`The letter was tried ${times(album.tries)}: ${letter.error?.message}. It will be tried again.`);
  else if (album.tries > 1) notes.push(`The letter was tried ${times(album.tries)}.`);
  if (stale) notes.push("Nothing has moved for a while. Is a worker running?");
  rows($(".notes"), "note", notes.map((text) => ({ id: text, text })), ({ text }, _, line) => write(line, text));

  const packs = packing && UNDERWAY.includes(packing.state) && !stuck();
  const { done, total } = packing?.progress ?? packing?.result ?? {};
  $(".zip").hidden = !packing;
  if (total) Object.assign($(".zip progress"), { max: total, value: done });
  else $(".zip progress").removeAttribute("value"); // then it says: something, no matter how much
  $(".zip progress").hidden = !packs;
  $(".zip progress").ariaLabel = `Progress of the zip of ${album.name}`;
  write($(".packed"), !packing ? "" : packs && cancelling.has(packing.id) ? "cancelling …"
    : packing.state === "PENDING" ? "waiting to be packed …"
    : packing.state === "SUCCESS" ? `Packed: ${plural(total, "print")}, ${(packing.result.bytes / 1e6).toFixed(1)} MB.`
    : packing.state === "REVOKED" ? "Packing was cancelled."
    : packing.error ? reason(packing.error) : `packing ${(done ?? 0) + 1} of ${total ?? "?"} …`);

  const press = (selector, shown, work) => {
    $(selector).hidden = !shown;
    $(selector).onclick = ({ target }) => act(target, $(".says"), () => work().then(() => ""));
  };
  press(".again", (settled || stale) && !filling.has(album.id), () => post(`albums/${album.id}/orders`));
  write($(".again"), progress ? "Order again" : "Order it");
  press(".pack", album.sheet && settled && !packs, () => post(`albums/${album.id}/zip`));
  write($(".pack"), album.zip ? "Pack again" : "Pack as zip");
  press(".cancel", packs, () => { cancelling.add(packing.id); return remove(`tasks/${packing.id}`); });
  $(".download").hidden = !album.zip || packs;
  if (album.zip) $(".download").href = album.zip;
}

/** Show the picture of a sheet; `version` tells one from the one before at the same address. */
function showSheet(link, address, version, alt) {
  const image = link.querySelector("img"), shown = image.getAttribute("src");
  const source = version ? `${address}?${version}` : shown ?? address;
  image.hidden = !address;
  if (!address || shown === source) return;
  link.href = address;
  Object.assign(image, { alt, src: source });
}

// --- mail, and every night -----------------------------------------------------------------------------

let moodSetAt = 0; // an answer that was asked for before says what was so before

async function setMood(mood) {
  moodSetAt = Infinity;
  try {
    await post("mail/mood", { mood });
    say(element("mood-says"), "");
  } catch (error) {
    say(element("mood-says"), error.message, "trouble");
  }
  moodSetAt = Date.now();
  wake();
}

function showMail({ mood, moods, letters }, askedAt) {
  const known = Object.entries(moods).map(([id, text]) => ({ id, text }));
  rows(element("moods"), "mood", known, ({ id, text }, $) => {
    write($("span"), text);
    $("input").value = id;
    $("input").onchange = () => setMood(id);
    if (askedAt > moodSetAt) $("input").checked = id === mood;
  });
  element("mail-count").value = letters.length || "";
  rows(element("letters"), "letter", letters.slice(0, 12), (letter, $) => {
    write($(".subject"), letter.subject);
    write($(".copies"), `came ${times(letter.copies)}`);
    $(".copies").hidden = letter.copies === 1;
    write($(".to"), `to ${letter.to}, ${clock(letter.at)}`);
    write($(".text"), letter.text.trim());
    $(".sheet").hidden = !letter.sheet;
    if (letter.sheet) showSheet($(".sheet"), `mail/${encodeURIComponent(letter.id)}/sheet.jpg`, null, `the sheet of ${letter.subject}`);
  });
}

function showDiary({ schedule, entries, timezone }) {
  write(element("timezone"), timezone);
  rows(element("schedule"), "beat", schedule.map((entry) => ({ id: entry.name, ...entry })), ({ name, task, when }, $) => {
    write($(".name"), name);
    write($(".task"), task);
    write($(".when"), when.startsWith("crontab") ? when : `every ${when} (h:mm:ss)`);
  });
  rows(element("diary"), "entry", entries.map((entry) => ({ id: `${entry.at} ${entry.task}`, ...entry })), ({ task, at, said }, $) => {
    write($(".when"), clock(at));
    write($(".task"), task);
    write($(".said"), said);
  });
}

// --- what can be pressed -------------------------------------------------------------------------------

const named = (files) => [...files].map((file) => ({ name: file.name, file }));
const handInAll = (files) => Promise.all(files.map(({ name, file }) => handIn(name, file)));

function samples() {
  return Promise.all(document.querySelector("main").dataset.samples.split(" ").map(async (address) => {
    const response = await fetch(address).catch(() => { throw new Error(AWAY); });
    return { name: address.split("/").at(-1), file: await response.blob() };
  }));
}

async function samplesOneBroken() {
  const found = await samples();
  const file = found[2].file;
  found[2] = { name: "torn.jpg", file: file.slice(0, file.size / 2, file.type) };
  return found;
}

element("samples").onclick = ({ target }) => act(target, element("in-says"), async () => { await handInAll(await samples()); });
element("files").onchange = ({ target }) => { handInAll(named(target.files)); target.value = ""; };
element("album-form").onsubmit = (event) => {
  event.preventDefault();
  const bring = event.submitter?.id === "album-broken" ? samplesOneBroken : samples;
  act(event.submitter ?? event.target, element("album-says"), () => makeAlbum(bring));
};
const albumOf = (files) => act(element("album-drop"), element("album-says"), () => makeAlbum(() => named(files)));
element("album-files").onchange = ({ target }) => { albumOf([...target.files]); target.value = ""; };
for (const kind of ["dragover", "dragleave", "drop"]) {
  addEventListener(kind, (event) => {
    event.preventDefault();
    const forAlbum = element("albums").contains(event.target);
    element("drop").classList.toggle("over", kind === "dragover" && !forAlbum);
    element("album-drop").classList.toggle("over", kind === "dragover" && forAlbum);
    if (kind === "drop") (forAlbum ? albumOf : (files) => handInAll(named(files)))([...event.dataTransfer.files]);
  });
}

// --- how everything stands -------------------------------------------------------------------------------

let moved = Date.now(); // when an answer last differed from the one before
let before = "";
let lookBesideAt = 0; // mail and diary are asked for when something has moved, or after a while

const stuck = (state) => Date.now() - moved > (state === "RETRY" ? RETRIES : STUCK);
const busy = () => JSON.stringify([photos, albums]).match(/"state":"(STARTED|PROGRESS)"/)
  || photos.some(({ order }) => order?.state === "PENDING") || uploads.some(({ kind }) => kind === "pending");

async function follow() {
  for (;;) {
    const troubles = new Set();
    const look = (address, show) => {
      const askedAt = Date.now();
      return ask(address).then((answer) => show(answer, askedAt), (error) => { troubles.add(error.message); });
    };
    await Promise.all([
      look("photos", (answer) => { photos = answer.photos; showPhotos(); }),
      look("albums", (answer) => { albums = answer.albums; rows(element("album-list"), "album", albums, showAlbum); }),
    ]);
    const now = JSON.stringify([photos, albums]), changed = now !== before;
    if (changed) [before, moved] = [now, Date.now()];
    if (changed || Date.now() > lookBesideAt) {
      await Promise.all([look("mail", showMail), look("diary", showDiary)]);
      lookBesideAt = troubles.size ? 0 : Date.now() + 4000;
    }
    say(element("trouble"), [...troubles].map((text) => (text === AWAY ? text : `${text} (Still asking.)`)).join(" "), "trouble");
    await Promise.race([pause(document.hidden ? 5000 : busy() ? 350 : 1000), new Promise((done) => { wake = done; })]);
  }
}

follow();
