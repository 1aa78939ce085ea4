// The page of chapter 1: the other visitor's pulse, the two ways, the prints as they arrive.

const element = (id) => document.getElementById(id);
const pause = (ms) => new Promise((done) => setTimeout(done, ms));
const seconds = (since) => `${((performance.now() - since) / 1000).toFixed(1)} s`;

// --- the other visitor ---------------------------------------------------------------------------

const EVERY = 100; // ms
const SHOWN = 10_000; // ms that the strip covers
const SLOW = 300; // ms; from here on we call it a wait
const beats = []; // {sent, answered}; the last may still be open
const pulse = { longest: 0, beats }; // for whoever wants to look, tests too
window.pulse = pulse;

async function beat() {
  for (;;) {
    const one = { sent: performance.now(), answered: null, ok: true };
    beats.push(one);
    try {
      one.ok = (await fetch("heartbeat", { cache: "no-store" })).ok;
    } catch {
      one.ok = false;
    }
    one.answered = performance.now();
    const took = one.answered - one.sent;
    if (!document.hidden) pulse.longest = Math.max(pulse.longest, took);
    while (beats.length && beats[0].answered < performance.now() - SHOWN) beats.shift();
    await pause(Math.max(0, EVERY - took)); // a visitor asks again once answered
  }
}

function draw() {
  const strip = element("strip");
  const ratio = devicePixelRatio || 1;
  const [width, height] = [strip.clientWidth, strip.clientHeight];
  if (strip.width !== Math.round(width * ratio)) {
    strip.width = Math.round(width * ratio);
    strip.height = Math.round(height * ratio);
  }
  const style = getComputedStyle(document.documentElement);
  const pen = strip.getContext("2d");
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, width, height);
  const now = performance.now();
  const x = (time) => width - ((now - time) / SHOWN) * width;
  pen.font = "12px ui-sans-serif, system-ui, sans-serif";
  for (const { sent, answered, ok } of beats) {
    const until = answered ?? now;
    const slow = until - sent > SLOW || !ok;
    pen.fillStyle = style.getPropertyValue(slow ? "--wait" : "--calm");
    if (!slow) {
      const tall = 10 + Math.min(1, (until - sent) / SLOW) * (height - 30);
      pen.fillRect(x(sent), height - 10 - tall, 2, tall);
      continue;
    }
    pen.globalAlpha = answered ? 0.85 : 1;
    pen.fillRect(x(sent), 10, Math.max(3, x(until) - x(sent)), height - 20);
    pen.globalAlpha = 1;
    if (x(until) - x(sent) > 40) {
      pen.fillStyle = style.getPropertyValue("--on");
      pen.fillText(`${((until - sent) / 1000).toFixed(1)} s`, x(sent) + 6, height / 2 + 4);
    }
  }
  const last = beats.at(-1);
  const done = beats.findLast((one) => one.answered);
  const waiting = last && !last.answered && now - last.sent > SLOW;
  if (waiting && !document.hidden) pulse.longest = Math.max(pulse.longest, now - last.sent);
  element("pulse").classList.toggle("frozen", Boolean(waiting || (done && !done.ok)));
  element("now").value = waiting ? `waiting for an answer, ${seconds(last.sent)} …`
    : done && !done.ok ? "the server is away" : done ? `answered in ${Math.round(done.answered - done.sent)} ms` : "…";
  element("longest").value = pulse.longest < 1000 ? `${Math.round(pulse.longest)} ms` : `${(pulse.longest / 1000).toFixed(1)} s`;
  requestAnimationFrame(draw);
}

// --- photos --------------------------------------------------------------------------------------

const own = new Map(); // what the visitor brought: address of its preview -> File

function add(files) {
  for (const file of files) {
    const address = URL.createObjectURL(file);
    own.set(address, file);
    const label = document.createElement("label");
    label.className = "negative";
    label.innerHTML = '<input type="checkbox" checked><img alt="" width="160" height="120"><span></span>';
    Object.assign(label.querySelector("input"), { value: address });
    label.querySelector("input").dataset.name = file.name;
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

function form(photo) {
  const data = new FormData();
  data.append("photo", photo.file, photo.name);
  return data;
}

// --- prints --------------------------------------------------------------------------------------

function newPrint(list, name) {
  const item = element("print").content.cloneNode(true).firstElementChild;
  const [state, time] = [item.querySelector(".state"), item.querySelector(".time")];
  item.querySelector(".name").textContent = name;
  list.append(item);
  return {
    say: (text) => { state.textContent = text; },
    fail: (text) => { item.classList.add("failed"); state.textContent = text; },
    show: (address, took, srcset = "") => {
      const image = new Image();
      Object.assign(image, { alt: `print of ${name}`, src: address, srcset, sizes: "10rem" });
      state.replaceWith(image);
      time.textContent = took;
    },
  };
}

async function problem(response) {
  try {
    return (await response.json()).detail;
  } catch {
    return `The server answered ${response.status}.`;
  }
}

async function inTheRequest(photos, list) {
  const prints = photos.map(({ name }) => newPrint(list, name));
  for (const [index, photo] of photos.entries()) {
    const since = performance.now();
    prints[index].say("the visitor waits …");
    try {
      const response = await fetch("blocking", { method: "POST", body: form(photo) });
      if (response.ok) prints[index].show(URL.createObjectURL(await response.blob()), seconds(since));
      else prints[index].fail(await problem(response));
    } catch {
      prints[index].fail("The server is away. Is it still running?");
    }
  }
}

async function inTheBackground(photos, list) {
  await Promise.all(photos.map(async (photo) => {
    const print = newPrint(list, photo.name);
    const since = performance.now();
    print.say("handing in …");
    try {
      const response = await fetch("background", { method: "POST", body: form(photo) });
      if (!response.ok) return print.fail(await problem(response));
      const order = await settled(response.headers.get("Location"), (state) => {
        print.say(state === "PENDING" ? "waiting in the queue …" : state === "STARTED" ? "a worker develops it …" : state);
      });
      const work = order.result ? `${order.result.seconds.toFixed(1)} s of work, ready after ` : "";
      if (order.print) print.show(order.print, work + seconds(since), srcset(order.print));
      else print.fail(order.error ? `${order.error.type}: ${order.error.message}` : order.detail);
    } catch {
      print.fail("The server is away. Is it still running?");
    }
  }));
}

const srcset = (large) => `${large.replace("large", "small")} 480w, ${large.replace("large", "medium")} 960w, ${large} 1600w`;

// Ask again and again until the order is settled. While the backend is away (503), keep asking.
async function settled(address, tell) {
  for (;;) {
    const response = await fetch(address);
    const order = await response.json();
    if (!response.ok && response.status !== 503) return order;
    if (["SUCCESS", "FAILURE", "REVOKED"].includes(order.state)) return order;
    tell(order.state ?? "the result backend is away; still asking …");
    await pause(response.ok ? 250 : 1000);
  }
}

// --- what can be pressed -------------------------------------------------------------------------

function button(id, work) {
  const [pressed, says, list] = ["button", "[role=status]", ".prints"].map((part) => document.querySelector(`.${id} ${part}`));
  pressed.addEventListener("click", async () => {
    pressed.disabled = true;
    const photos = await chosen();
    if (photos.length) {
      list.replaceChildren();
      pulse.longest = 0;
      const since = performance.now();
      says.textContent = `Developing ${photos.length} …`;
      await work(photos, list);
      const failed = list.querySelectorAll(".failed").length;
      says.textContent = `${photos.length - failed} developed${failed ? `, ${failed} not` : ""}, in ${seconds(since)}. `
        + `The other visitor’s longest wait: ${element("longest").value}.`;
    } else {
      says.textContent = "Choose at least one photo first.";
    }
    pressed.disabled = false;
  });
}

button("blocking", inTheRequest);
button("background", inTheBackground);

element("files").addEventListener("change", ({ target }) => { add(target.files); target.value = ""; });
for (const kind of ["dragover", "dragleave", "drop"]) {
  addEventListener(kind, (event) => {
    event.preventDefault();
    element("drop").classList.toggle("over", kind === "dragover");
    if (kind === "drop") add(event.dataTransfer.files);
  });
}

element("my-task").addEventListener("submit", async (event) => {
  event.preventDefault();
  const answer = element("answer");
  answer.value = "sending …";
  try {
    const response = await fetch("my-task", { method: "POST", body: new FormData(event.target) });
    if (!response.ok) { answer.value = await problem(response); return; }
    const order = await settled(response.headers.get("Location"), (state) => { answer.value = state; });
    answer.value = order.error ? `${order.error.type}: ${order.error.message}` : order.result === undefined ? order.detail : `= ${order.result}`;
  } catch {
    answer.value = "The server is away. Is it still running?";
  }
});

beat();
requestAnimationFrame(draw);
