"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const timeline = document.getElementById("timeline");
const pictured = data.frames.map((frame, at) => at).filter(at => data.pictures[data.frames[at].frame]);
let shown = 0;

/** The frame with a picture that is nearest to frame number `at`; -1 where the page holds none. */
function nearest(at) {
  return pictured.reduce((best, other) => best < 0 || Math.abs(other - at) < Math.abs(best - at) ? other : best, -1);
}

function element(kind, text, name = "") {
  const one = document.createElement(kind);
  one.textContent = text;
  one.className = name;
  return one;
}

/** Shows frame number `at`: its picture for each model, or the nearest one and that it is, and what is known of it. */
function show(at) {
  shown = Math.max(0, Math.min(data.frames.length - 1, at));
  const frame = data.frames[shown], from = nearest(shown);
  const when = document.getElementById("when");
  when.replaceChildren(element("b", frame.when));
  if (frame.score !== null) when.append(element("span", `score ${(100 * frame.score).toFixed(0)} %` + (frame.worst ? `, least in ${frame.worst}` : "")));
  if (from >= 0 && from !== shown) when.append(element("span", `picture of ${data.frames[from].when}, the nearest on this page`, "quiet"));
  when.append(element("code", frame.frame));
  data.models.forEach((model, number) => {
    const figure = document.getElementById("shots").children[number], said = frame.said[number];
    const image = figure.querySelector("img"), caption = figure.querySelector("figcaption");
    if (from >= 0) image.src = data.pictures[data.frames[from].frame][number];
    image.alt = said ? `${model}: ${said.words}` : `${model} said nothing`;
    caption.replaceChildren(element("b", model), element("span", said ? said.words : "nothing came back"));
    if (said && said.ms !== null) caption.append(element("span", `${said.ms.toFixed(0)} ms`));
    if (said && said.faults.length) caption.append(element("span", said.faults.join(", "), "fault"));
  });
  timeline.setAttribute("aria-valuenow", shown);
  timeline.setAttribute("aria-valuetext", frame.when);
  place(timeline.querySelector(".cursor"), shown);
}

/** The part of the timeline that is frames, in pixels of the page. */
function plot() {
  return timeline.querySelector(".track svg").getBoundingClientRect();
}

function place(mark, at) {
  const box = plot(), own = timeline.getBoundingClientRect();
  mark.style.left = `${box.left - own.left + (at + 0.5) / data.frames.length * box.width}px`;
}

function frameAt(event) {
  const box = plot();
  return Math.max(0, Math.min(data.frames.length - 1, Math.floor((event.clientX - box.left) / box.width * data.frames.length)));
}

timeline.addEventListener("pointerdown", event => { timeline.setPointerCapture(event.pointerId); show(frameAt(event)); });
timeline.addEventListener("pointermove", event => {
  const at = frameAt(event), hover = timeline.querySelector(".hover"), frame = data.frames[at];
  if (event.buttons) show(at);
  hover.style.display = "block";
  hover.classList.toggle("left", at > data.frames.length / 2);
  const times = frame.said.filter(said => said && said.ms !== null).map(said => said.ms.toFixed(0));
  hover.firstElementChild.textContent = [frame.when, frame.score === null ? "" : `${(100 * frame.score).toFixed(0)} %`,
    times.length ? `${times.join(" / ")} ms` : ""].filter(Boolean).join(", ");
  place(hover, at);
});
timeline.addEventListener("pointerleave", () => { timeline.querySelector(".hover").style.display = "none"; });
timeline.addEventListener("keydown", event => {
  const step = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10, Home: -Infinity, End: Infinity }[event.key];
  if (step === undefined) return;
  event.preventDefault();
  show(Number.isFinite(step) ? shown + step : step < 0 ? 0 : data.frames.length - 1);
});
addEventListener("resize", () => place(timeline.querySelector(".cursor"), shown));

for (const shot of document.querySelectorAll("[data-at]")) {
  const at = Number(shot.dataset.at), pictures = data.pictures[data.frames[at].frame];
  if (pictures) shot.querySelector("img").src = pictures[0];
  shot.addEventListener("click", () => { show(at); document.getElementById("frames").scrollIntoView(); });
}
for (const film of document.querySelectorAll("[data-film]")) {
  film.addEventListener("click", () => {
    const video = document.createElement("video");
    Object.assign(video, { src: film.dataset.film, controls: true, autoplay: true, muted: true, loop: true });
    video.addEventListener("error", () => video.replaceWith(element("p", `${film.dataset.film} is not beside this page.`, "quiet")));
    film.replaceWith(video);
  });
}
for (const cell of document.querySelectorAll("[data-cell]")) {
  const same = document.querySelectorAll(`[data-cell="${cell.dataset.cell}"]`);
  cell.addEventListener("pointerenter", () => same.forEach(other => other.classList.add("on")));
  cell.addEventListener("pointerleave", () => same.forEach(other => other.classList.remove("on")));
}
show(data.start);
