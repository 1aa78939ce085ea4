// Sorts the entries by how well they fit the words, and hides those that don't.
"use strict";

const field = document.querySelector("#words");
const count = document.querySelector("#count");
const index = document.querySelector("#index");
const list = document.querySelector("#entries");

// "restarted" and "restarts" are "restart".
const plain = (word) => (word.length > 4 ? word.replace(/(ing|ed|es|e|s)$/, "") : word);
const wordsOf = (text) => (text.toLowerCase().match(/[\p{L}\p{N}_]+/gu) ?? []).map(plain);

// What the index says of an entry: "nothing happens".
function symptoms(id) {
  const rows = [...index.querySelectorAll("tbody tr")];
  const leading = rows.filter((row) => row.querySelector(`a[href="#${CSS.escape(id)}"]`));
  return leading.flatMap((row) => ["\n", ...wordsOf(row.cells[0].textContent)]);
}

// What is on the screen counts for more than what we say about it.
const entries = [...list.children].map((element) => {
  const screen = element.querySelector("pre").textContent;
  const title = wordsOf(element.querySelector("h3").textContent);
  const shown = [...title, "\n", ...wordsOf(screen)];
  const text = [...wordsOf(element.textContent), ...symptoms(element.id)];
  return { element, title, shown, text, screen: new Set(shown), all: new Set(text) };
});

// A word that few entries have says more than one that many have.
const having = new Map();
for (const { all } of entries) {
  for (const word of all) having.set(word, (having.get(word) ?? 0) + 1);
}
const weight = (word) => Math.log((1 + entries.length) / having.get(word));

const sum = (words) => words.reduce((all, word) => all + weight(word), 0);

function begins(all, word) {
  return word.length > 1 && [...all].some((other) => other.startsWith(word));
}

function fit(entry, word) {
  if (entry.screen.has(word)) return 4 * weight(word);
  if (entry.all.has(word)) return weight(word);
  return begins(entry.screen, word) ? 2 : begins(entry.all, word) ? 1 : 0;
}

// How many of the words stand in a text one after the other; a single word counts for nothing.
function run(text, words) {
  let longest = 0;
  let last = new Array(text.length + 1).fill(0);
  for (const word of words) {
    last = [0, ...text.map((other, at) => (other === word ? last[at] + 1 : 0))];
    longest = Math.max(longest, ...last);
  }
  return longest > 1 ? longest : 0;
}

function score(entry, words) {
  const fits = [...new Set(words)].reduce((all, word) => all + fit(entry, word), 0);
  if (!fits) return 0;
  const told = sum(entry.title.filter((word) => words.includes(word))) / sum(entry.title);
  const inARow = (2 * run(entry.shown, words) + 3 * run(entry.text, words)) / words.length;
  return fits + 4 * inARow + 6 * told;
}

function show() {
  const words = wordsOf(field.value);
  const scored = entries.map((entry) => ({ ...entry, score: score(entry, words) }));
  const best = Math.max(...scored.map(({ score }) => score));
  if (words.length) scored.sort((one, other) => other.score - one.score);
  const fitting = scored.filter(({ score }) => !words.length || (score && score >= 0.25 * best));
  list.append(...scored.map(({ element }) => element));
  for (const { element } of scored) {
    element.open = false;
    element.hidden = !fitting.some((entry) => entry.element === element);
  }
  if (words.length && fitting.length) fitting[0].element.open = true;
  index.hidden = words.length > 0;
  count.textContent = words.length ? said(fitting.length) : `${entries.length} entries, from A to Z`;
}

function said(number) {
  if (!number) return "No entry has these words. Try fewer, or one of them.";
  return number === 1 ? "1 entry fits" : `${number} entries fit, the best one first`;
}

function clear() {
  field.value = "";
  show();
}

function open(address) {
  const wanted = address && document.getElementById(decodeURIComponent(address.slice(1)));
  if (!wanted) return;
  clear();
  wanted.open = true;
  wanted.scrollIntoView();
  wanted.querySelector("summary").focus();
}

function step(by) {
  const stops = [field, ...list.querySelectorAll("details:not([hidden]) > summary")];
  const at = stops.indexOf(document.activeElement);
  stops[Math.max(0, Math.min(stops.length - 1, at + by))].focus();
}

function key(event) {
  const typing = document.activeElement === field;
  const keys = {
    ArrowDown: () => step(1),
    ArrowUp: () => step(-1),
    Escape: () => (clear(), field.focus()),
    Enter: () => step(1),
    "/": () => field.focus(),
  };
  const own = typing ? ["/", "ArrowUp"] : ["Enter"]; // what these keys do by themselves is right
  const modified = event.ctrlKey || event.metaKey || event.altKey;
  if (!(event.key in keys) || own.includes(event.key) || modified) return;
  event.preventDefault();
  keys[event.key]();
}

field.addEventListener("input", show);
document.addEventListener("keydown", key);
addEventListener("hashchange", () => open(location.hash));
show();
open(location.hash);
