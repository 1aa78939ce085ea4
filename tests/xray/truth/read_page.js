// Reads what the X-ray's page shows: each card, and each number. Playwright calls it in the page.
// A stack stands for several cards, and says for which ones in its data-ids.
(states) => {
  const all = (selector) => [...document.querySelectorAll(selector)];
  const text = (node, selector) => node?.querySelector(selector)?.textContent ?? "";
  const digits = (words) => parseInt(words.replaceAll(",", "")) || 0;
  const queues = all("#queues > .box"), workers = all("#workers > .worker");
  const named = (boxes, value) => Object.fromEntries(boxes.map((box) => [text(box, "h3 code"), value(box)]));
  const names = (boxes) => boxes.map((box) => text(box, "h3 code"));

  const placeOf = (node) => ({
    state: states.filter((state) => node.classList.contains(state)).join(" "),
    guessed: node.classList.contains("guessed"),
    column: node.closest(".column").id,
    owner: text(node.closest(".worker") ?? node.closest(".box"), "h3 code"),
    process: text(node.closest(".slot"), ".pid"),
    list: ["held", "later"].find((kind) => node.closest(`.cards.${kind}`)) ?? "",
  });
  const single = all("main .task").filter((card) => !card.closest(".stack"));
  const stacks = all("main .stack");
  const cards = single.map((card) => ({ ...placeOf(card), id: card.dataset.id, brief: text(card, ".brief") }));
  const stacked = stacks.flatMap((stack) => stack.dataset.ids.split(" ").map((id) => ({ ...placeOf(stack), id, brief: null })));

  const heldAhead = (frame) => {
    const heading = frame.querySelector(".held.cards").previousElementSibling;
    return heading.hidden ? 0 : digits(/ahead: ([\d,]+)/.exec(heading.textContent)?.[1] ?? "");
  };
  const processes = (frame) => [...frame.querySelectorAll(".slot")].map(({ dataset }) => digits(dataset.pid ?? ""));
  const banner = document.getElementById("banner");
  return {
    cards: [...cards, ...stacked],
    drawn: stacks.reduce((sum, stack) => sum + digits(text(stack, ".count")), single.length),
    banner: banner.hidden ? "" : banner.textContent,
    summary: document.getElementById("summary").textContent,
    tally: Object.fromEntries(all("#tally > span").map((mark) => [mark.className, digits(text(mark, "b"))])),
    depth: named(queues, (box) => digits(text(box, ".depth"))),
    held: named(queues, (box) => digits(/([\d,]+) delivered/.exec(text(box, ".hint"))?.[1] ?? "")),
    reserved: named(workers, heldAhead),
    paused: names(workers.filter((frame) => !frame.querySelector(".paused").hidden)),
    processes: named(workers.filter((frame) => !frame.classList.contains("gone")), processes),
  };
}
