// The page of chapter 2: hand photos in, ask how all of them stand, show it.

const element = (id) => document.getElementById(id);
const pause = (ms) => new Promise((done) => setTimeout(done, ms));
const SETTLED = ["SUCCESS", "FAILURE", "REVOKED"];
const STUCK = 15_000; // ms in work, then the page offers to order again: the worker may be dead
const AWAY = "The server is away. Is it still running?";

// --- cards ---------------------------------------------------------------------------------------

const cards = new Map(); // photo id, or the name of one that is being handed in -> its <li>
const previews = new Map(); // order id -> address of the photo as it was handed in

function newCard(key, name) {
  const card = element("card").content.cloneNode(true).firstElementChild;
  card.querySelector(".name").textContent = name;
  cards.set(key, card);
  element("gallery").prepend(card);
  return card;
}

function say(card, kind, text) {
  card.className = `card ${kind}`;
  const state = card.querySelector(".state");
  if (state.textContent !== text) state.textContent = text;
}

function preview(card, address) {
  const negative = card.querySelector(".negative");
  negative.onerror = () => { negative.hidden = true; }; // not an image
  if (address && !negative.src) Object.assign(negative, { src: address, hidden: false });
}

function showPrint(card, name, address) {
  if (card.querySelector(".print")) return;
  const sizes = { small: 480, medium: 960, large: 1600 };
  const image = new Image();
  Object.assign(image, {
    className: "print",
    alt: `print of ${name}`,
    srcset: Object.entries(sizes).map(([size, width]) => `${address.replace("large", size)} ${width}w`).join(", "),
    sizes: "13rem",
    src: address,
  });
  const link = Object.assign(document.createElement("a"), { href: address, title: `${name}, large` });
  link.append(image);
  card.querySelector(".paper").replaceChildren(card.querySelector(".negative"), card.querySelector(".state"), link);
  image.decode().then(() => { card.querySelector(".negative").hidden = true; }, () => {});
}

function show(photo) {
  const card = cards.get(photo.id) ?? newCard(photo.id, photo.name);
  const { order } = photo;
  preview(card, previews.get(order?.id));
  const again = card.querySelector(".again");
  again.setAttribute("aria-label", `Develop ${photo.name} again`);
  again.onclick = () => orderAgain(card, photo);
  if (order?.state !== "STARTED") card.startedAt = null;
  else card.startedAt ??= Date.now();
  const stuck = card.startedAt && Date.now() - card.startedAt > STUCK;
  again.hidden = !photo.again || order?.state === "PENDING" || (order?.state === "STARTED" && !stuck);
  card.querySelector(".time").textContent = photo.seconds === null ? "" : `${photo.seconds.toFixed(1)} s of work`;
  if (order === null) say(card, "failed", "Its result has expired.");
  else if (order.error) say(card, "failed", `${order.error.type}: ${order.error.message}`);
  else if (order.state === "PENDING") say(card, "pending", "waiting in the queue …");
  else if (order.state === "STARTED") say(card, "started", "being developed …");
  else say(card, order.state.toLowerCase(), order.state === "SUCCESS" ? "" : order.state);
  if (order?.print && order.state === "SUCCESS") showPrint(card, photo.name, order.print);
}

// --- handing in ----------------------------------------------------------------------------------

let handingIn = 0;

async function problem(response) {
  try {
    return (await response.json()).detail;
  } catch {
    return `The server answered ${response.status}.`;
  }
}

async function handIn(name, file) {
  const key = Symbol(name);
  const card = newCard(key, name);
  const address = URL.createObjectURL(file);
  preview(card, address);
  say(card, "pending", "handing in …");
  handingIn += 1;
  const data = new FormData();
  data.append("photo", file, name);
  try {
    const response = await fetch("photos", { method: "POST", body: data });
    if (!response.ok) return say(card, "failed", await problem(response));
    previews.set((await response.json()).id, address);
    cards.delete(key);
    card.remove();
    wake();
  } catch {
    say(card, "failed", AWAY);
  } finally {
    handingIn -= 1;
  }
}

async function orderAgain(card, photo) {
  say(card, "pending", "ordering …");
  try {
    const response = await fetch(photo.again, { method: "POST" });
    if (!response.ok) return say(card, "failed", await problem(response));
    card.querySelector(".paper a")?.remove();
    wake();
  } catch {
    say(card, "failed", AWAY);
  }
}

element("samples").addEventListener("click", async ({ target }) => {
  target.disabled = true;
  await Promise.all(target.dataset.samples.split(" ").map(async (address) => {
    try {
      await handIn(address.split("/").at(-1), await (await fetch(address)).blob());
    } catch {
      element("says").textContent = AWAY;
    }
  }));
  target.disabled = false;
});

const take = (files) => Promise.all([...files].map((file) => handIn(file.name, file)));
element("files").addEventListener("change", ({ target }) => { take(target.files); target.value = ""; });
for (const kind of ["dragover", "dragleave", "drop"]) {
  addEventListener(kind, (event) => {
    event.preventDefault();
    element("drop").classList.toggle("over", kind === "dragover");
    if (kind === "drop") take(event.dataTransfer.files);
  });
}

// --- how all of them stand -----------------------------------------------------------------------

function fill(id, orders) {
  element(id).querySelector("output").value = orders.length;
  element(id).querySelector(".dots").replaceChildren(...orders.slice(0, 30).map((order) => {
    const dot = document.createElement("i");
    if (order?.error) dot.className = "failed";
    return dot;
  }));
}

function tell(photos) {
  const orders = photos.map(({ order }) => order).filter(Boolean);
  const parts = {
    flask: Array(handingIn).fill(null),
    broker: orders.filter(({ state }) => state === "PENDING"),
    worker: orders.filter(({ state }) => state === "STARTED" || state === "RETRY"),
    backend: orders.filter(({ state }) => SETTLED.includes(state)),
  };
  for (const [id, inside] of Object.entries(parts)) fill(id, inside);
  const failed = parts.backend.filter(({ error }) => error).length;
  const text = `${parts.broker.length} waiting, ${parts.worker.length} in work, `
    + `${parts.backend.length - failed} developed${failed ? `, ${failed} failed` : ""}.`;
  complain("", text);
  return handingIn || parts.broker.length || parts.worker.length;
}

function complain(kind, text) {
  const says = element("says");
  says.className = kind;
  if (says.textContent !== text) says.textContent = text;
}

let wake = () => {}; // ends the pause between two questions

async function ask() {
  for (;;) {
    let busy = true;
    try {
      const response = await fetch("photos", { cache: "no-store" });
      if (response.ok) {
        const { photos } = await response.json();
        for (const photo of photos.toReversed()) show(photo);
        busy = tell(photos);
      } else {
        complain("trouble", `${await problem(response)} (Still asking.)`);
      }
    } catch {
      complain("trouble", AWAY);
    }
    await Promise.race([pause(document.hidden ? 5000 : busy ? 300 : 2000), new Promise((done) => { wake = done; })]);
  }
}

ask();
