// Puts what the server sends in the place of the part that it is of. Without this the page only doesn't update itself.
"use strict";
const part = document.querySelector("[data-live]");
const state = document.getElementById("live-state");

function say(text) {
  if (state && state.textContent !== text) state.textContent = text;
}

// While a finger is down nothing moves away below it.
let held = false;
let waiting = null;

function put(fragment) {
  if (held) {
    waiting = fragment;
    return;
  }
  waiting = null;
  const next = document.createElement("template");
  next.innerHTML = fragment;
  if (next.innerHTML === part.innerHTML) return;
  const focused = part.contains(document.activeElement) ? document.activeElement.id : "";
  const places = Array.from(part.querySelectorAll(".scrolled"), (box) => box.scrollLeft);
  const open = Array.from(part.querySelectorAll("details[open]"), (box) => box.id);
  part.replaceChildren(next.content);
  open.forEach((id) => document.getElementById(id)?.setAttribute("open", ""));
  part.querySelectorAll(".scrolled").forEach((box, at) => { box.scrollLeft = places[at] || 0; });
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
}

function release() {
  held = false;
  // The click comes after this.
  if (waiting !== null) setTimeout(() => { if (waiting !== null) put(waiting); }, 0);
}

// A browser has few connections to a host: only a page that somebody sees holds one.
let source = null;

function follow() {
  if (source || document.hidden) return;
  const own = source = new EventSource(part.dataset.live);
  own.addEventListener("fragment", (event) => put(event.data));
  own.addEventListener("trouble", (event) => say(event.data || "This page updates itself."));
  own.addEventListener("open", () => say("This page updates itself."));
  own.addEventListener("error", () => {
    say("Not connected: what is shown may be old.");
    if (own.readyState !== EventSource.CLOSED) return;
    if (source === own) source = null;
    setTimeout(follow, 5000);
  });
}

function leave() {
  source?.close();
  source = null;
}

if (part) {
  document.addEventListener("pointerdown", () => { held = true; });
  document.addEventListener("pointerup", release);
  document.addEventListener("pointercancel", release);
  document.addEventListener("visibilitychange", () => (document.hidden ? leave() : follow()));
  addEventListener("pagehide", leave);
  addEventListener("pageshow", follow);
  follow();
}
