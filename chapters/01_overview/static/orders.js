// Orders: asked for until they are final, and kept in this browser, so that a reload loses none.

const SOON = 300; // ms between two questions while something moves
const SELDOM = 5000; // ms between two questions while nothing does; and between two of all orders
const QUIET = 3000; // ms without a change, after which the page asks less and less often
const NEXT = 3; // of so many orders, the oldest, the state is asked each time
const KEY = "chapter-1-orders";
const FINAL = ["SUCCESS", "FAILURE", "REVOKED"];

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

// An order: {name, address, since, took}. `took` (ms) is there once it is final.

// Return the orders that this browser knows from before.
export function load() {
  try {
    return JSON.parse(localStorage.getItem(KEY)) ?? [];
  } catch {
    return []; // something else wrote there, or the browser keeps nothing
  }
}

// Let the browser know these orders, and no others.
export function save(orders) {
  const kept = orders.map(({ name, address, since, took }) => ({ name, address, since, took }));
  try {
    localStorage.setItem(KEY, JSON.stringify(kept));
  } catch {
    // the browser keeps nothing: then a reload does lose them
  }
}

let watched = []; // the orders of the latest call; an earlier call ends

// Ask until all are final. `show(order, status)` is told what is new, `tell(ms)` how long nothing was.
export async function watch(orders, show, tell) {
  watched = orders;
  let [changed, askedAll, wait] = [Date.now(), 0, SOON];
  while (watched === orders && orders.some(isOpen)) {
    const open = orders.filter(isOpen);
    const all = Date.now() - askedAll >= SELDOM;
    if (all) askedAll = Date.now();
    for (const order of all ? open : open.slice(0, NEXT)) {
      if (await ask(order, show)) changed = Date.now();
    }
    const still = Date.now() - changed;
    wait = still < QUIET ? SOON : Math.min(1.5 * wait, SELDOM);
    tell(still);
    await pause(wait);
  }
}

const isOpen = (order) => !order.final;

// Ask for one order's state, show it, and tell whether it is new.
async function ask(order, show) {
  const { status, state } = await question(order.address);
  if (state === order.state) return false;
  order.state = state;
  order.final = FINAL.includes(state) || state === "gone";
  if (order.final) order.took ??= Date.now() - order.since;
  show(order, status);
  return true;
}

async function question(address) {
  try {
    const response = await fetch(address);
    const status = await response.json();
    if (response.ok) return { status, state: status.state };
    const state = [404, 410].includes(response.status) ? "gone" : "unknown";
    return { status, state };
  } catch {
    return { status: { detail: "The server doesn’t answer. Is it still running?" }, state: "unknown" };
  }
}

// Ask until one order is final, and return its last status.
export async function final(address, tell) {
  for (let wait = SOON; ; wait = Math.min(1.2 * wait, SELDOM)) {
    const { status, state } = await question(address);
    if (FINAL.includes(state) || state === "gone") return status;
    tell(status.state ?? status.detail);
    await pause(wait);
  }
}
