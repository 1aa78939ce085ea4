// The page of chapter 3: press, ask how the orders are doing, show it.

const DEVELOP = "tasks.develop", PUBLISH = "tasks.publish", DELIVER = "tasks.deliver";
const SETTLED = ["SUCCESS", "FAILURE", "REVOKED"];
const QUICK = 300, SLOW = 5000, LIST = 5000; // ms between two questions
const STILL = 15_000; // ms without any change, then the page says what to do
const AWAY = "The server doesn't answer. Is it still running?";
const HELP = "is a worker running? python -m workbench start worker, or make doctor";

const element = (id) => document.getElementById(id);
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

// --- asking ----------------------------------------------------------------------------------------

/** Ask the server; return what it says, or throw an Error whose message is for the visitor. */
async function ask(address, options = {}) {
  let response;
  try {
    response = await fetch(address, { cache: "no-cache", ...options });
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

/** Do what a button stands for, once at a time; say next to it what went wrong. */
async function act(button, says, work) {
  if (button.ariaBusy === "true") return;
  button.ariaBusy = "true"; // not "disabled", which would take the focus away
  say(says, "");
  try {
    say(says, (await work()) ?? "");
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
  if (ms < 0) return `due ${Math.round(-ms / 1000)} s ago, and not begun yet`;
  if (ms < 100_000) return `in ${Math.ceil(ms / 1000)} s`;
  if (ms < 36e5) return `in ${Math.round(ms / 6e4)} min`;
  return ms < 1728e5 ? `in ${Math.round(ms / 36e5)} h` : `in ${Math.round(ms / 864e5)} days`;
}

const times = (number) => ["never", "once", "twice"][number] ?? `${number} times`;
const reason = ({ type, message }) => (message ? `${type}: ${message.replace(/\.$/, "")}` : type);

// --- photos ----------------------------------------------------------------------------------------

let photos = [];
let uploads = []; // photos that are being uploaded, or were refused
const previews = new Map(); // order id -> address of the photo as it was uploaded

async function upload(name, file) {
  const mine = { id: `upload ${crypto.randomUUID()}`, name, preview: URL.createObjectURL(file), kind: "pending", text: "uploading …", orders: {} };
  uploads = [mine, ...uploads];
  showPhotos();
  try {
    previews.set((await post("photos", { photo: [file, name] })).id, mine.preview);
    uploads = uploads.filter((other) => other !== mine);
    wake();
  } catch (error) {
    Object.assign(mine, { kind: "failed", text: error.message });
    showPhotos();
  }
}

function showPhotos() {
  rows(element("gallery"), "photo", [...uploads, ...photos], showPhoto);
  const states = photos.map(({ orders }) => orders[DEVELOP]?.state);
  const count = (...wanted) => states.filter((state) => wanted.includes(state)).length;
  const failed = count("FAILURE", "REVOKED");
  write(element("says"), `${count("PENDING")} waiting, ${count("STARTED")} in work, `
    + `${count("SUCCESS")} developed${failed ? `, ${failed} failed` : ""}.`);
  const planned = photos.filter(({ orders }) => orders[PUBLISH]?.state === "PENDING");
  planned.sort((one, other) => one.orders[PUBLISH].due_at - other.orders[PUBLISH].due_at);
  rows(element("scheduled"), "planned", planned, showPlanned);
  const letters = photos.filter(({ orders }) => orders[DELIVER] && orders[DELIVER].state !== "SUCCESS");
  rows(element("sending"), "letter-order", letters, showLetterOrder);
}

/** Return how a photo is doing: a kind, for the colour, and a text. */
function condition({ kind, text, orders }) {
  const order = orders[DEVELOP];
  if (kind) return [kind, text];
  if (!order) return ["failed", "Its result has expired."];
  if (order.error) return ["failed", reason(order.error)];
  if (order.state === "SUCCESS") return ["success", ""];
  return order.state === "PENDING" ? ["pending", "waiting …"] : ["started", "being developed …"];
}

function showPhoto(photo, $, card) {
  const { orders } = photo;
  const [kind, text] = condition(photo);
  card.className = `card ${kind}`;
  write($(".name"), photo.name);
  write($(".state"), text);
  write($(".time"), photo.seconds ? `${photo.seconds.toFixed(1)} s of work` : "");
  const original = $(".upload"), preview = photo.preview ?? previews.get(orders[DEVELOP]?.id);
  original.onerror = () => { original.hidden = true; }; // not an image
  if (preview && !original.src) Object.assign(original, { src: preview, hidden: false });
  const printed = orders[DEVELOP]?.state === "SUCCESS" && orders[DEVELOP].print;
  if (printed && $(".large").getAttribute("href") !== printed) showPrint($, photo.name, printed);
  $(".large").hidden = !printed;

  const waits = orders[PUBLISH]?.state === "PENDING";
  $(".ribbon").hidden = !photo.published_at && !waits;
  $(".ribbon").classList.toggle("waits", !photo.published_at);
  write($(".ribbon"), photo.published_at ? `published ${clock(photo.published_at, {})}`
    : waits ? `to be published ${clock(orders[PUBLISH].due_at, {})}` : "");
  button($(".publish"), `Publish ${photo.name} …`, printed && !photo.published_at && !waits, () => openPublication(photo));
  button($(".write"), `Mail ${photo.name} …`, printed, () => openLetter(photo));
  button($(".again"), `Develop ${photo.name} again`, photo.again && again(orders[DEVELOP]), ({ target }) =>
    act(target, $(".says"), () => post(photo.again).then(() => "")));
}

/** Tell whether it makes sense to order the prints once more: they failed, or nothing moves. */
const again = (order) => !order || ["FAILURE", "REVOKED"].includes(order.state) || (order.state === "STARTED" && still() > STILL);

function button(node, label, shown, press) {
  node.hidden = !shown;
  node.ariaLabel = label;
  node.onclick = press;
}

function showPrint($, name, address) {
  const image = $(".print");
  const sizes = { small: 480, medium: 960, large: 1600 };
  const srcset = Object.entries(sizes).map(([size, width]) => `${address.replace("large", size)} ${width}w`).join(", ");
  Object.assign($(".large"), { href: address, title: `${name}, large` });
  Object.assign(image, { alt: `print of ${name}`, srcset, sizes: "13rem", src: address });
  image.decode().then(() => { $(".upload").hidden = true; }, () => {});
}

// --- what is scheduled, and what is on the way ---------------------------------------------------------

function showPlanned({ name, orders }, $) {
  const { id, due_at } = orders[PUBLISH];
  write($(".name"), name);
  write($(".when"), `${clock(due_at)}, ${inAWhile(due_at * 1000 - Date.now())}`);
  cancelButton($(".cancel"), name, true, id, element("scheduled-says"), `Cancelled: ${name} is not published.`);
}

function showLetterOrder({ name, orders }, $) {
  const { id, state, error } = orders[DELIVER];
  write($(".name"), name);
  write($(".how"), state === "RETRY" ? `${reason(error)}. It will be tried again.`
    : error ? reason(error) : state === "PENDING" ? "waiting …" : "being sent …");
  cancelButton($(".cancel"), name, !SETTLED.includes(state), id, element("sending-says"), `Cancelled: ${name} is not sent again.`);
}

function cancelButton(node, name, shown, id, says, done) {
  button(node, `Cancel ${name}`, shown, ({ target }) => act(target, says, () => remove(`tasks/${id}`).then(() => done)));
}

// --- the two dialogs -----------------------------------------------------------------------------------

const at = element("publish").querySelector("input");
const local = (ms) => new Date(ms - new Date(ms).getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
const aware = (ms) => new Date(ms).toISOString().replace(/\.\d+/, ""); // in UTC, and says so: Z
at.oninput = () => write(element("publish").querySelector(".aware"), at.value ? aware(at.value) : "…");

/** Open a dialog for a photo. `send` is what its buttons do. */
function openDialog(dialog, photo, send) {
  const says = dialog.querySelector(".says");
  const press = (target, fields) => act(target, says, async () => {
    await send(fields());
    dialog.close();
  });
  write(dialog.querySelector(".name"), photo.name);
  say(says, "");
  dialog.querySelector(".close").onclick = () => dialog.close();
  dialog.querySelector("form").onsubmit = (event) => {
    event.preventDefault();
    press(event.submitter, () => Object.fromEntries(new FormData(event.target)));
  };
  dialog.showModal();
  return press;
}

function openPublication(photo) {
  const publish = (ms) => post(`photos/${photo.id}/publication`, { at: aware(ms) });
  const press = openDialog(element("publish"), photo, ({ at }) => publish(at)); // by the visitor's clock
  write(element("publish").querySelector(".zone"), `(${Intl.DateTimeFormat().resolvedOptions().timeZone})`);
  at.value = local(Math.ceil(Date.now() / 300_000) * 300_000 + 300_000);
  at.oninput();
  say(element("scheduled-says"), "");
  element("publish").querySelector(".soon").onclick = ({ target }) => press(target, () => ({ at: Date.now() + 60_000 }));
}

function openLetter(photo) {
  say(element("sending-says"), "");
  openDialog(element("write"), photo, ({ email }) => post(`photos/${photo.id}/letters`, { email }));
}

// --- mail, and every night -----------------------------------------------------------------------------

let behaviourSetAt = 0; // an answer that was asked for before says what was so before

async function setBehaviour(behaviour) {
  behaviourSetAt = Infinity;
  try {
    await post("mail/behaviour", { behaviour });
    say(element("behaviour-says"), "");
  } catch (error) {
    say(element("behaviour-says"), error.message, "trouble");
  }
  behaviourSetAt = Date.now();
  wake();
}

function showMail({ behaviour, behaviours, letters }, askedAt) {
  const known = Object.entries(behaviours).map(([id, text]) => ({ id, text }));
  rows(element("behaviours"), "behaviour", known, ({ id, text }, $) => {
    write($("span"), text);
    $("input").value = id;
    $("input").onchange = () => setBehaviour(id);
    if (askedAt > behaviourSetAt) $("input").checked = id === behaviour;
  });
  element("mail-count").value = letters.length || "";
  rows(element("letters"), "letter", letters.slice(0, 12), showLetter);
}

function showLetter(letter, $) {
  write($(".subject"), letter.subject);
  write($(".copies"), `came ${times(letter.copies)}`);
  $(".copies").hidden = letter.copies === 1;
  write($(".to"), `to ${letter.to}, ${clock(letter.arrived_at)}`);
  write($(".text"), letter.text.trim());
  const address = `mail/${encodeURIComponent(letter.id)}/print.jpg`;
  $(".picture").hidden = !letter.has_print;
  if (!letter.has_print || $(".picture").getAttribute("href") === address) return;
  $(".picture").href = address;
  Object.assign($(".picture img"), { src: address, alt: `print in: ${letter.subject}` });
}

function showDiary({ schedule, entries, timezone }) {
  write(element("timezone"), timezone);
  rows(element("schedule"), "plan", schedule.map((plan) => ({ id: plan.name, ...plan })), ({ name, task, when }, $) => {
    write($(".name"), name);
    write($(".when"), when);
    write($(".task"), task);
  });
  rows(element("diary"), "entry", entries.map((entry) => ({ id: `${entry.written_at} ${entry.task}`, ...entry })), ({ task, written_at, text }, $) => {
    write($(".when"), clock(written_at));
    write($(".task"), task);
    write($(".text"), text);
  });
}

// --- what can be pressed -------------------------------------------------------------------------------

const uploadAll = (files) => Promise.all([...files].map((file) => upload(file.name, file)));

function samples() {
  return Promise.all(document.querySelector("main").dataset.samples.split(" ").map(async (address) => {
    const response = await fetch(address).catch(() => { throw new Error(AWAY); });
    return new File([await response.blob()], address.split("/").at(-1), { type: "image/jpeg" });
  }));
}

element("samples").onclick = ({ target }) => act(target, element("in-says"), async () => { await uploadAll(await samples()); });
element("files").onchange = ({ target }) => { uploadAll(target.files); target.value = ""; };
for (const kind of ["dragover", "dragleave", "drop"]) {
  addEventListener(kind, (event) => {
    event.preventDefault();
    element("drop").classList.toggle("over", kind === "dragover");
    if (kind === "drop") uploadAll(event.dataTransfer.files);
  });
}

// --- how the orders are doing ----------------------------------------------------------------------------
// The list is asked for now and then. Between, only the orders that come next: the oldest few.

let wake = () => {}; // ends the pause between two questions
let listAt = 0; // when the list is to be asked for again
let movedAt = Date.now(); // when an answer last differed from the one before
const still = () => Date.now() - movedAt;

/** Return the orders whose end is to come, the oldest first; those for later aren't due yet. */
function unsettled() {
  const orders = photos.toReversed().flatMap((photo) => Object.entries(photo.orders)
    .map(([task, order]) => ({ photo, task, order })));
  return orders.filter(({ order }) => order && !SETTLED.includes(order.state)
    && (order.due_at ?? 0) * 1000 < Date.now() + 500);
}

async function askForList() {
  const before = JSON.stringify(photos), askedAt = Date.now();
  const [list, mail, diary] = await Promise.all(["photos", "mail", "diary"].map((address) => ask(address)));
  photos = list.photos;
  showMail(mail, askedAt);
  showDiary(diary);
  return JSON.stringify(photos) !== before;
}

async function askForOrders() {
  const answers = await Promise.all(unsettled().slice(0, 3).map(async ({ photo, task, order }) => {
    const now = await ask(`tasks/${order.id}`);
    const changed = now.state !== order.state;
    photo.orders[task] = now;
    return changed;
  }));
  return answers.some(Boolean);
}

/** Return what to say of orders that don't move; one that is to be tried again may rest a minute. */
function standstill() {
  const orders = unsettled();
  if (!orders.length || still() < STILL || orders.every(({ order }) => order.state === "RETRY")) return "";
  return `Nothing has moved for ${Math.round(still() / 1000)} s: ${HELP}`;
}

async function follow() {
  let wait = QUICK;
  for (;;) {
    const listing = Date.now() >= listAt;
    try {
      const changed = await (listing ? askForList() : askForOrders());
      if (changed || !unsettled().length) movedAt = Date.now();
      const ended = changed && !listing; // then the photo itself, and the mail, have changed too
      listAt = ended ? 0 : listing ? Date.now() + LIST : listAt;
      wait = changed ? QUICK : Math.min(SLOW, wait * 1.5);
      say(element("trouble"), standstill());
    } catch (error) {
      say(element("trouble"), error.message === AWAY ? AWAY : `${error.message} (Still asking.)`, "trouble");
      [listAt, wait] = [0, 1000];
    }
    showPhotos();
    const idle = unsettled().length ? wait : 1000; // the clock of what is scheduled goes on
    await Promise.race([pause(document.hidden ? SLOW : Math.min(idle, Math.max(0, listAt - Date.now()) || idle)),
      new Promise((done) => { wake = () => { [listAt, wait] = [0, QUICK]; done(); }; })]);
  }
}

follow();
