const still = matchMedia("(prefers-reduced-motion: reduce)").matches;

// A plot that isn't at least twice as wide as high has its text at its right: see slides.css.
const placePlots = () => {
  for (const image of document.querySelectorAll(".jp-RenderedImage img")) {
    const isTall = image.naturalWidth < 2 * image.naturalHeight;
    image.closest("section").classList.toggle("tall-plot", isTall);
  }
};

// Makes a slide smaller until it fits; what doesn't fit at six tenths scrolls.
const fit = () => {
  const slide = Reveal.getCurrentSlide();
  for (let tenths = 20; tenths >= 12; tenths--) {
    slide.style.setProperty("--fit", tenths / 20);
    if (slide.scrollHeight <= slide.clientHeight) break;
  }
};

// Space, PageDown (a presenter's clicker) and the down arrow show the rest of a slide before the next.
const on = () => {
  const slide = Reveal.getCurrentSlide();
  const rest = slide.scrollHeight - slide.clientHeight - slide.scrollTop;
  if (rest > 1) slide.scrollBy(0, 0.8 * slide.clientHeight);
  else Reveal.next();
};
const back = () => {
  const slide = Reveal.getCurrentSlide();
  if (slide.scrollTop > 0) slide.scrollBy(0, -0.8 * slide.clientHeight);
  else Reveal.prev();
};

Reveal.initialize({
  disableLayout: true, // type that fits the window, on a phone too, instead of one stage made smaller
  scrollActivationWidth: 0,
  navigationMode: "linear", // the right arrow leads through all slides, the left one back
  keyboard: { 32: (event) => (event.shiftKey ? back() : on()), 33: back, 34: on, 38: back, 40: on },
  overview: false,
  hash: true, // loading it again stays where you are
  slideNumber: "c/t",
  transition: still ? "none" : "fade",
  transitionSpeed: "fast",
});
Reveal.on("slidechanged", (event) => {
  // Reveal remembers where it left a stack of slides; who comes again begins with the first of them.
  for (const stack of document.querySelectorAll("[data-previous-indexv]")) {
    stack.removeAttribute("data-previous-indexv");
  }
  event.currentSlide.scrollTop = 0;
  fit();
});
Reveal.on("fragmentshown", (event) => event.fragment.scrollIntoView({ block: "nearest" }));
addEventListener("load", () => {
  placePlots();
  fit();
});
addEventListener("resize", fit);

// Files that the notebook links to don't come along on a memory stick.
for (const link of document.querySelectorAll(".slides a[href]")) {
  if (!/^https?:/.test(link.getAttribute("href"))) link.removeAttribute("href");
}
