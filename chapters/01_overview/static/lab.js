// The page of chapter 1: photos to choose, the two ways to develop them, the article's task.

import { final, load, save, watch } from "./orders.js";
import { duration, pulse, start } from "./pulse.js";

const STUCK = 15_000; // ms without a change, after which the page says what to do
const NO_ANSWER = "The server doesn’t answer. Is it still running?";

const element = (id) => document.getElementById(id);
const seconds = (ms) => `${(ms / 1000).toFixed(1)}\u00a0s`;

// --- photos --------------------------------------------------------------------------------------

const own = new Map(); // what the visitor brought: address of its preview -> File

function add(files) {
  for (const file of files) {
    const address = URL.createObjectURL(file);
    own.set(address, file);
    const label = element("photo").content.cloneNode(true).firstElementChild;
    Object.assign(label.querySelector("input"), { value: address }).dataset.name = file.name;
    label.querySelector("img").src = address;
    label.querySelector("span").textContent = file.name;
    element("drop").before(label);
  }
}

async function chosen() {
  const boxes = [...document.querySelectorAll("#photos input[type=checkbox]:checked")];
  return Promise.all(boxes.map(async ({ value, dataset }) => ({
    name: dataset.name,
    file: own.get(value) ?? (await (await fetch(value)).blob()),
  })));
}

// Send a photo: the answer, or an error with a sentence for the visitor.
async function post(address, photo) {
  const form = new FormData();
  form.append("photo", photo.file, photo.name);
  return sent(address, form);
}

async function sent(address, form) {
  let response;
  try {
    response = await fetch(address, { method: "POST", body: form });
  } catch {
    throw new Error(NO_ANSWER);
  }
  if (!response.ok) throw new Error((await response.json()).detail);
  return response;
}

// --- prints --------------------------------------------------------------------------------------

function newPrint(list, name) {
  const item = element("print").content.cloneNode(true).firstElementChild;
  const [state, time] = [item.querySelector(".state"), item.querySelector(".time")];
  item.querySelector(".name").textContent = name;
  list.append(item);
  return {
    remove: () => item.remove(),
    say: (text) => { state.textContent = text; },
    fail: (text) => { item.classList.add("failed"); state.textContent = text; },
    show: (address, text, srcset = "") => {
      const image = new Image();
      Object.assign(image, { alt: `print of ${name}`, src: address, srcset, sizes: "10rem" });
      state.replaceWith(image);
      time.textContent = text;
    },
  };
}

// --- in the request ------------------------------------------------------------------------------

async function inTheRequest(photos, list, since) {
  const prints = photos.map(({ name }) => newPrint(list, name));
  for (const print of prints) print.say("waiting for its turn …");
  for (const [index, photo] of photos.entries()) {
    const print = prints[index];
    print.say("the visitor waits …");
    try {
      const response = await post("blocking", photo);
      print.show(URL.createObjectURL(await response.blob()), `ready after ${seconds(Date.now() - since)}`);
    } catch (error) {
      print.fail(error.message);
    }
  }
}

// --- in the background ---------------------------------------------------------------------------

const backgroundList = document.querySelector(".background .prints");
const backgroundSays = document.querySelector(".background [role=status]");

// Hand all photos in; from then on the visitor is free, and so is the button.
async function inTheBackground(photos, list, since) {
  const answers = await Promise.all(photos.map(async (photo) => {
    const print = newPrint(list, photo.name);
    print.say("handing in …");
    try {
      const address = (await post("background", photo)).headers.get("Location");
      return { name: photo.name, address, since, print };
    } catch (error) {
      print.fail(error.message);
      return null;
    }
  }));
  const orders = answers.filter(Boolean);
  save(orders);
  follow(orders); // not awaited
}

async function follow(orders) {
  const all = await watchOrders(orders);
  if (all) sayEnd(backgroundSays, backgroundList, Math.max(0, ...orders.map(({ took }) => took)));
}

// Watch orders until all are final; false if others are watched before that.
async function watchOrders(orders) {
  sayProgress(orders, 0);
  await watch(orders, showOrder, (still) => sayProgress(orders, still));
  save(orders.filter((order) => order.state !== "gone"));
  return orders.every((order) => order.final);
}

const STATES = { PENDING: "waiting for a worker …", STARTED: "a worker develops it …" };

function showOrder(order, status) {
  const { print, took } = order;
  if (!order.final) print.say(STATES[status.state] ?? status.detail);
  else if (order.state === "gone") print.remove();
  else if (status.error) print.fail(`${status.error.type}: ${status.error.message}`);
  else print.show(status.print, `${work(status)}ready after ${seconds(took)}`, srcset(status.print));
}

const work = ({ result }) => (result ? `${seconds(1000 * result.seconds)} of work, ` : "");

const srcset = (large) => `${large.replace("large", "small")} 480w, ${large.replace("large", "medium")} 960w, ${large} 1600w`;

function sayProgress(orders, still) {
  const done = orders.filter((order) => order.final).length;
  if (done === orders.length) return;
  backgroundSays.textContent = `Handed in. ${done} of ${orders.length} are done …`;
  if (still >= STUCK) {
    backgroundSays.replaceChildren(element("stuck").content.cloneNode(true));
    backgroundSays.querySelector(".still").textContent = `${Math.round(still / 1000)}\u00a0s`;
  }
}

// After a reload: what was handed in before, and what has become of it.
async function showAgain() {
  const orders = load();
  for (const order of orders) {
    order.print = newPrint(backgroundList, order.name);
    order.print.say("asking …");
  }
  if (orders.length && await watchOrders(orders)) {
    backgroundSays.textContent = "These are from before: the lab has kept them. Press the button to begin again.";
  }
}

// --- the buttons ---------------------------------------------------------------------------------

function sayEnd(says, list, took) {
  const failed = list.querySelectorAll(".failed").length;
  const developed = list.children.length - failed;
  says.textContent = `${developed} developed${failed ? `, ${failed} not` : ""}, in ${seconds(took)}. `
    + `The other visitor’s longest wait: ${duration(pulse.longest)}.`;
}

function onPress(id, develop) {
  const [button, says, list] = ["button", "[role=status]", ".prints"].map((part) => document.querySelector(`.${id} ${part}`));
  button.addEventListener("click", async () => {
    button.disabled = true;
    const photos = await chosen();
    if (photos.length) {
      list.replaceChildren();
      pulse.longest = 0;
      says.textContent = `Developing ${photos.length} …`;
      await develop(photos, list, Date.now());
    } else {
      says.textContent = "Choose at least one photo first.";
    }
    button.disabled = false;
  });
  return { says, list };
}

const blocking = onPress("blocking", async (photos, list, since) => {
  await inTheRequest(photos, list, since);
  sayEnd(blocking.says, list, Date.now() - since);
});
onPress("background", inTheBackground);

element("files").addEventListener("change", ({ target }) => { add(target.files); target.value = ""; });
for (const kind of ["dragover", "dragleave", "drop"]) {
  addEventListener(kind, (event) => {
    event.preventDefault();
    element("drop").classList.toggle("over", kind === "dragover");
    if (kind === "drop") add(event.dataTransfer.files);
  });
}

// --- the article's task --------------------------------------------------------------------------

element("my-task").addEventListener("submit", async (event) => {
  event.preventDefault();
  const answer = element("answer");
  answer.value = "sending …";
  try {
    const response = await sent("my-task", new FormData(event.target));
    const status = await final(response.headers.get("Location"), (state) => { answer.value = `${state} …`; });
    if (status.error) answer.value = `${status.error.type}: ${status.error.message}`;
    else answer.value = status.detail ?? `= ${status.result}`;
  } catch (error) {
    answer.value = error.message;
  }
});

start();
showAgain();
