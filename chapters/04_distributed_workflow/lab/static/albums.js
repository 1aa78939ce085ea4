// The list of albums: asked for, watched, shown.

import { element, rows, say, write } from "./dom.js";
import { NO_ANSWER, ask, post, remove } from "./http.js";

const STUCK = 15_000; // ms without a change, after which the page says what to do
const QUICK = 300; // ms between two questions while something moves
const SLOW = 5_000; // ms between two questions at most; the whole list is asked for as often
const WATCHED = 2; // albums whose state is asked for at a time
const UNDERWAY = ["PENDING", "STARTED", "PROGRESS"];

let albums = [];
let listedAt = 0; // when the list was asked for last
let wait = QUICK;
let wake = () => {}; // ends the pause between two questions
const lastSeen = new Map(); // album id -> what was said of it, and since when
export const filling = new Map(); // album id -> how many photos it is about to hold
const cancelling = new Set(); // ids of orders, and of albums

/** Ask again at once: the visitor has done something. */
export function refresh() {
  listedAt = 0;
  wait = QUICK;
  wake();
}

/** Do what a button stands for, once at a time; say below it what went wrong. */
export async function act(button, says, work) {
  if (button.ariaBusy === "true") return;
  button.ariaBusy = "true"; // not "disabled", which would take the focus away
  say(says, "");
  try {
    say(says, (await work()) ?? says.textContent);
  } catch (error) {
    say(says, error.message, "trouble");
  }
  button.ariaBusy = "false";
  refresh();
}

// --- asking --------------------------------------------------------------------------------------

const underway = ({ state, packing }) => UNDERWAY.includes(state) || UNDERWAY.includes(packing?.state);

/** Ask for the whole list now and then, and in between only for albums that are underway. */
async function look() {
  if (Date.now() - listedAt > SLOW - QUICK) {
    ({ albums } = await ask("albums"));
    listedAt = Date.now();
    return;
  }
  const oldest = albums.filter(underway).slice(-WATCHED);
  const answers = await Promise.all(oldest.map(({ id }) => ask(`albums/${id}`)));
  const news = new Map(answers.map((album) => [album.id, album]));
  albums = albums.map((album) => news.get(album.id) ?? album);
}

/** Note which albums have changed; tell whether any has. */
function note() {
  let changed = false;
  for (const album of albums) {
    const now = JSON.stringify(album);
    if (lastSeen.get(album.id)?.answer === now) continue;
    lastSeen.set(album.id, { answer: now, since: Date.now() });
    changed = true;
  }
  return changed;
}

const unchanged = ({ id }) => Date.now() - lastSeen.get(id).since;

export async function follow() {
  for (;;) {
    try {
      await look();
      wait = note() ? QUICK : Math.min(SLOW, wait * 1.5);
      say(element("trouble"), "");
    } catch (error) {
      listedAt = 0;
      wait = 2 * QUICK;
      say(element("trouble"), error.message === NO_ANSWER ? NO_ANSWER : `${error.message} (Still asking.)`, "trouble");
    }
    show();
    const pause = document.hidden || !albums.some(underway) ? SLOW : wait;
    await new Promise((done) => { wake = done; setTimeout(done, element("trouble").textContent ? 1000 : pause); });
  }
}

// --- showing -------------------------------------------------------------------------------------

const show = () => rows(element("albums"), "album", albums, showAlbum);
const plural = (number, noun) => `${number} ${noun}${number === 1 ? "" : "s"}`;
const reason = ({ type, message }) => (message ? `${type}: ${message}` : type);

function showAlbum(album, $, card) {
  card.className = `card ${(album.state ?? "new").toLowerCase()}`;
  write($(".name"), `${album.name}, ${plural(album.photos.length, "photo")}`);
  showSheet($(".sheet"), album);
  const { done, total } = album.progress ?? { done: 0, total: 1 };
  Object.assign($(".whole"), { max: total, value: done, ariaLabel: `Progress of ${album.name}` });
  write($(".how"), howItIs(album));
  rows($(".parts"), "part", parts(album), showPart);
  const stale = underway(album) && unchanged(album) > STUCK;
  $(".stale").hidden = !stale;
  write($(".stale .seconds"), String(Math.round(unchanged(album) / 1000)));
  showPacking(album, $);
  showButtons(album, stale, $);
}

function howItIs(album) {
  const { state, progress, error } = album;
  if (filling.has(album.id)) return `handing in, ${album.photos.length} of ${filling.get(album.id)} …`;
  if (state === "SUCCESS") return "Published: developed, laid out, published.";
  if (state === "REVOKED") return "Cancelled. A photo that is in work is finished; nothing else is begun.";
  if (state === "FAILURE") return `Not finished. ${reason(error)}`;
  if (state === null) return "not ordered yet";
  if (cancelling.has(album.id)) return "cancelling …";
  if (state === "PENDING") return "waiting for a worker …";
  return `${progress.done} of ${progress.total} tasks done …`;
}

const NAMES = { "tasks.make_contact_sheet": "contact sheet", "tasks.publish_album": "publication" };
const STATES = { PENDING: "waits", STARTED: "in work", SUCCESS: "done", FAILURE: "failed", REVOKED: "cancelled", EXPIRED: "expired" };

/** Return the tasks of an album's workflow, each with what it does. */
function parts({ photos, orders, state: whole }) {
  const names = new Map(photos.map(({ id, name }) => [id, name]));
  return orders.map(({ id, photo, task, state, result, error }) => {
    const what = names.get(photo) ?? NAMES[task];
    if (result?.error) return { id, what, state: "FAILURE", words: "can't be read" };
    // The end of a chord that was cancelled is a ChordError, to Celery.
    const cancelled = whole === "REVOKED" && error?.type === "ChordError";
    return { id, what, state: cancelled ? "REVOKED" : state, words: STATES[cancelled ? "REVOKED" : state] };
  });
}

function showPart({ what, state, words }, $, row) {
  row.className = state.toLowerCase();
  write($(".what"), what);
  write($(".state"), words);
}

/** Show the contact sheet; a new one at the same address has another version. */
function showSheet(link, { name, sheet, state, result }) {
  const image = link.querySelector("img");
  image.hidden = !sheet;
  if (!sheet) return;
  const version = state === "SUCCESS" ? result.published_at : image.dataset.version ?? "";
  if (image.dataset.version === String(version)) return;
  image.dataset.version = version;
  link.href = sheet;
  Object.assign(image, { alt: `contact sheet of ${name}`, src: `${sheet}?${version}` });
}

function showPacking({ name, packing }, $) {
  $(".zip").hidden = !packing;
  if (!packing) return;
  const bar = $(".zip progress");
  const { done, total } = packing.progress ?? packing.result ?? {};
  bar.hidden = !UNDERWAY.includes(packing.state);
  bar.ariaLabel = `Progress of the zip of ${name}`;
  if (total) Object.assign(bar, { max: total, value: done });
  else bar.removeAttribute("value"); // then it says: something, no matter how much
  write($(".packed"), howPackingIs(packing, done, total));
}

function howPackingIs({ id, state, result, error }, done, total) {
  if (state === "SUCCESS") return `Packed: ${plural(total, "print")}, ${(result.bytes / 1e6).toFixed(1)} MB.`;
  if (state === "REVOKED") return "Packing was cancelled.";
  if (error) return reason(error);
  if (state === "EXPIRED") return "";
  if (cancelling.has(id)) return "cancelling …";
  if (state === "PROGRESS") return `packing ${done + 1} of ${total} …`;
  return "waiting to be packed …";
}

function showButtons(album, stale, $) {
  const { id, state, packing } = album;
  const busy = UNDERWAY.includes(state), packs = UNDERWAY.includes(packing?.state);
  const button = (selector, shown, work) => {
    $(selector).hidden = !shown || filling.has(id);
    $(selector).onclick = ({ target }) => act(target, $(".says"), () => work().then(() => ""));
  };
  button(".again", (!busy || stale) && album.photos.length, () => post(`albums/${id}/orders`));
  write($(".again"), state === null ? "Order it" : "Order again");
  button(".cancel", busy, () => cancel(id, `albums/${id}/orders`));
  button(".pack", album.sheet && !busy && (!packs || stale), () => post(`albums/${id}/zip`));
  write($(".pack"), album.zip ? "Pack again" : "Pack as zip");
  button(".cancel-packing", packs, () => cancel(packing.id, `tasks/${packing.id}`));
  $(".download").hidden = !album.zip || packs;
  if (album.zip) $(".download").href = album.zip;
}

async function cancel(id, address) {
  cancelling.add(id);
  try {
    await remove(address);
  } catch (error) {
    cancelling.delete(id);
    throw error;
  }
  if (address.startsWith("albums")) cancelling.delete(id);
}
