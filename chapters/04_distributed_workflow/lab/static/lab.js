// The page of chapter 4: make an album of photos, hand them in, order it.

import { act, filling, follow, refresh } from "./albums.js";
import { element, say } from "./dom.js";
import { NO_ANSWER, post } from "./http.js";

const form = element("album-form"), says = element("album-says");

async function makeAlbum(bring) {
  if (!form.reportValidity()) return "";
  const photos = await bring();
  const { id } = await post("albums", { name: form.elements.name.value });
  filling.set(id, photos.length);
  refresh();
  try {
    const refused = await handIn(id, photos);
    await post(`albums/${id}/orders`).catch((error) => { refused.push(error.message); });
    if (refused.length) throw new Error(refused.join(" "));
    return "Ordered: watch it below.";
  } finally {
    filling.delete(id);
  }
}

/** Hand photos in, one after the other; return what was said of those that were refused. */
async function handIn(id, photos) {
  const refused = [];
  for (const [at, { name, file }] of photos.entries()) {
    say(says, `Handing in ${at + 1} of ${photos.length} …`);
    try {
      await post(`albums/${id}/photos`, { photo: [file, name] });
    } catch (error) {
      if (error.message === NO_ANSWER) throw error;
      refused.push(`${name}: ${error.message}`);
    }
  }
  return refused;
}

function samples() {
  const addresses = document.querySelector("main").dataset.samples.split(" ");
  return Promise.all(addresses.map(async (address) => {
    const response = await fetch(address).catch(() => { throw new Error(NO_ANSWER); });
    return { name: address.split("/").at(-1), file: await response.blob() };
  }));
}

async function samplesWithOneBroken() {
  const found = await samples();
  const { file } = found[2];
  found[2] = { name: "torn.jpg", file: file.slice(0, file.size / 2, file.type) };
  return found;
}

form.onsubmit = (event) => {
  event.preventDefault();
  const bring = event.submitter?.id === "album-broken" ? samplesWithOneBroken : samples;
  act(event.submitter ?? element("album-samples"), says, () => makeAlbum(bring));
};

function albumOf(files) {
  const photos = [...files].map((file) => ({ name: file.name, file }));
  if (photos.length) act(element("drop"), says, () => makeAlbum(() => photos));
}

element("files").onchange = ({ target }) => { albumOf(target.files); target.value = ""; };
for (const kind of ["dragover", "dragleave", "drop"]) {
  addEventListener(kind, (event) => {
    event.preventDefault();
    element("drop").classList.toggle("over", kind === "dragover");
    if (kind === "drop") albumOf(event.dataTransfer.files);
  });
}

follow();
