"use strict";
(() => {
  // Every number and every order is in the data; this script draws rows when the reader comes near
  // them, hides what a filter leaves out, and shows a query on the map.
  const data = JSON.parse(document.getElementById("data").textContent);
  const $ = (selector, within = document) => within.querySelector(selector);
  const form = $(".controls"), list = $("#rows"), earlier = $("#earlier"), more = $("#more"), said = $("#said"), map = $(".map");
  const template = $("#row").content.firstElementChild, skeleton = $("li", template);
  const STEP = 25;
  const at = Object.fromEntries(data.fields.map((field, index) => [field, index]));
  const placeOf = new Map(data.queries.map((query, place) => [query[at.index], place]));

  // Pictures that the HTML has are not in the data a second time.
  const sources = new Map(Object.entries(data.sources));
  for (const image of list.querySelectorAll("img[src]")) sources.set(image.dataset.image, image.getAttribute("src"));

  let order = data.queries.map((_, place) => place);
  let start = 0, end = list.childElementCount; // what of the order is drawn

  // ---- rows ------------------------------------------------------------------------------------
  function picture(image, key) {
    image.dataset.image = key;
    image.hidden = !sources.has(key);
    if (!image.hidden) image.setAttribute("src", sources.get(key));
  }

  function row(place) {
    const query = data.queries[place], made = template.cloneNode(true);
    const [head, words, strip] = made.children, [asked, predictions, missed] = strip.children;
    made.id = `q${query[at.index]}`;
    head.children[0].textContent = place + 1;
    head.children[1].textContent = query[at.name];
    words.children[0].className = query[at.ok] ? "good" : "bad";
    words.children[0].textContent = query[at.verdict];
    words.children[1].textContent = query[at.details];
    picture($("img", asked), `q${query[at.index]}`);
    predictions.replaceChildren(...query[at.predictions].map(([number, right, metres, distance], index) => {
      const item = skeleton.cloneNode(true), [image, mark, rank, name] = item.children;
      item.className = `picture ${right ? "right" : "wrong"}`;
      picture(image, `d${number}`);
      image.alt = `Prediction ${index + 1}`;
      mark.textContent = `${right ? "✓" : "✗"} ${metres}`;
      rank.textContent = `rank ${index + 1} · ${distance}`;
      name.textContent = data.database[number][0];
      return item;
    }));
    missed.hidden = !query[at.missed];
    if (query[at.missed]) {
      const [number, metres] = query[at.missed], caption = missed.lastElementChild;
      picture($("img", missed), `d${number}`);
      caption.children[0].textContent = metres;
      caption.children[2].textContent = data.database[number][0];
    }
    return made;
  }

  function rows(from, to) {
    const made = document.createDocumentFragment();
    for (const place of order.slice(from, to)) made.append(row(place));
    return made;
  }

  function append(count) {
    const from = end;
    end = Math.min(order.length, end + count);
    list.append(rows(from, end));
    earlier.hidden = start === 0;
    more.hidden = end >= order.length;
    observer.unobserve(more);
    if (!more.hidden) observer.observe(more); // says at once whether it is still near
  }

  function prepend(count) {
    const to = start;
    start = Math.max(0, start - count);
    list.prepend(rows(start, to));
    earlier.hidden = start === 0;
  }

  function draw(from) {
    start = end = from;
    list.replaceChildren();
    append(data.limit);
  }

  const observer = new IntersectionObserver((entries) => {
    if (entries.some((entry) => entry.isIntersecting)) append(STEP);
  }, { rootMargin: "1500px" });

  // ---- filters ---------------------------------------------------------------------------------
  const chosen = (name) => form.elements[name]?.value ?? "";

  function filter() {
    const condition = chosen("condition"), result = chosen("result"), words = chosen("q").toLowerCase();
    order = data.queries.flatMap((query, place) =>
      (!condition || query[at.condition] === condition)
        && (!result || query[at.ok] === (result === "hit" ? 1 : 0))
        && query[at.name].toLowerCase().includes(words) ? [place] : []);
    draw(0);
    count();
  }

  function count() {
    said.textContent = order.length === data.queries.length ? `${order.length.toLocaleString("en")} queries.`
      : order.length ? `${order.length.toLocaleString("en")} of ${data.queries.length.toLocaleString("en")} queries.`
        : "No query passes these filters.";
  }

  // ---- the map ---------------------------------------------------------------------------------
  function svg(tag, attributes, text = "") {
    const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, given] of Object.entries(attributes)) made.setAttribute(name, given);
    made.textContent = text;
    return made;
  }

  function locate(place) {
    const query = data.queries[place], x = query[at.x], y = query[at.y], parts = [];
    const numbers = new Map(); // predictions at one place share a label
    query[at.predictions].forEach(([number], index) => {
      const [, px, py] = data.database[number], key = `${px} ${py}`;
      numbers.set(key, [...(numbers.get(key) ?? []), index + 1]);
    });
    for (const [key, ranks] of numbers) {
      const [px, py] = key.split(" ").map(Number);
      parts.push(svg("path", { d: `M${x} ${y}L${px} ${py}` }), svg("text", { x: px + 6, y: py - 6 }, ranks.join(",")));
    }
    parts.push(svg("circle", { cx: x, cy: y, r: 12 }));
    $(".shown", map).replaceChildren(...parts);
  }

  function go(place) {
    if (!order.includes(place)) { form.reset(); filter(); }
    const position = order.indexOf(place);
    // One far off is not worth the thousands before it: the list begins a little before it.
    if (position < start || position >= end + 4 * STEP) draw(Math.max(0, position - STEP));
    else if (position >= end) append(position + 1 - end);
    locate(place);
    const target = document.getElementById(`q${data.queries[place][at.index]}`);
    target.scrollIntoView({ block: "start" });
    target.focus({ preventScroll: true });
  }

  const placeOfRow = (element) => placeOf.get(Number(element.id.slice(1)));

  list.addEventListener("click", (event) => {
    if (!event.target.closest(".locate")) return;
    const place = placeOfRow(event.target.closest(".query"));
    locate(place);
    map.scrollIntoView({ block: "nearest" });
    said.textContent = `Query ${place + 1} is shown on the map.`;
  });
  list.addEventListener("pointerover", (event) => {
    const query = event.target.closest(".query");
    if (query && event.pointerType === "mouse") locate(placeOfRow(query));
  });
  map.addEventListener("click", (event) => {
    const where = new DOMPoint(event.clientX, event.clientY).matrixTransform(map.getScreenCTM().inverse());
    let best = -1, least = Infinity;
    for (const place of order.length ? order : data.queries.keys()) {
      const query = data.queries[place], away = (query[at.x] - where.x) ** 2 + (query[at.y] - where.y) ** 2;
      if (away < least) { least = away; best = place; }
    }
    if (best >= 0) go(best);
  });

  form.addEventListener("input", filter);
  form.addEventListener("submit", (event) => event.preventDefault());
  $("button", more).addEventListener("click", () => append(STEP));
  $("button", earlier).addEventListener("click", () => prepend(STEP));

  function linked() {
    const place = /^#q\d+$/.test(location.hash) ? placeOf.get(Number(location.hash.slice(2))) : undefined;
    if (place !== undefined) go(place);
  }
  addEventListener("hashchange", linked);
  document.documentElement.classList.add("scripted");
  append(0);
  count();
  linked();
})();
