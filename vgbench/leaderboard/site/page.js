"use strict";
(() => {
  // Numbers, ranks and tiers come from the data; this script orders rows, hides them, and keeps what
  // was chosen in the fragment of the address, which works on file:// too.
  const data = JSON.parse(document.getElementById("data").textContent);
  const at = Object.fromEntries(data.fields.map((field, index) => [field, index]));
  const DESCENDING = new Set(["recall_1", "recall_5", "recall_10", "recall_20", "status"]);
  const FILTERS = ["q", "status", "backbone", "data", "size", "maxdim"];
  const STATUSES = ["published", "unverified", "verified", "reproduced"];
  const $ = (selector, within = document) => within.querySelector(selector);
  const form = $(".controls"), said = $("#said"), detail = $("#detail");
  const template = $("#row").content.firstElementChild;
  const boards = data.boards.map((board) => {
    const section = [...document.querySelectorAll(".board")].find((s) => s.dataset.board === board.id);
    return { ...board, section, body: $("tbody", section), keys: {}, order: board.rows.map((_, i) => i) };
  });
  const titles = Object.fromEntries(data.columns);
  let state = {};

  // ---- the address -----------------------------------------------------------------------------
  function read() {
    const given = new URLSearchParams(location.hash.slice(1));
    const one = (name) => given.get(name) ?? "";
    const known = boards.find((board) => board.id === one("d"));
    const sort = titles[one("sort")] ? one("sort") : "rank";
    return {
      d: known ? known.id : boards[0]?.id,
      sort, dir: ["asc", "desc"].includes(one("dir")) ? one("dir") : usual(sort),
      ...Object.fromEntries(FILTERS.map((name) => [name, one(name)])),
      pin: given.getAll("pin").filter((slug) => data.entries[slug]).slice(0, 2),
      all: one("all") === "1",
      entry: data.entries[one("entry")] ? one("entry") : "",
      compare: one("compare").split(",").filter((slug) => data.entries[slug]).slice(0, 2),
    };
  }

  function write() {
    const kept = new URLSearchParams();
    if (state.d !== boards[0]?.id) kept.set("d", state.d);
    if (state.sort !== "rank") kept.set("sort", state.sort);
    if (state.dir !== usual(state.sort)) kept.set("dir", state.dir);
    for (const name of FILTERS) if (state[name]) kept.set(name, state[name]);
    for (const slug of state.pin) kept.append("pin", slug);
    if (state.all) kept.set("all", "1");
    if (state.entry) kept.set("entry", state.entry);
    if (state.compare.length === 2) kept.set("compare", state.compare.join(","));
    history.replaceState(null, "", "#" + kept.toString());
  }

  const usual = (sort) => (DESCENDING.has(sort) ? "desc" : "asc");

  // ---- ordering and hiding ---------------------------------------------------------------------
  function key(board, sort) {
    if (!(sort in board.keys)) board.keys[sort] = board.rows.map((row, index) => value(row, index, sort));
    return board.keys[sort];
  }

  function value(row, index, sort) {
    const entry = data.entries[row[at.slug]];
    if (sort === "rank") return index;
    if (sort === "name") return entry.name.toLowerCase();
    if (sort === "status") return STATUSES.indexOf(row[at.status]);
    if (sort.startsWith("recall_")) return row[at["hits_" + sort.slice(7)]] ?? row[at[sort]];
    const found = sort in at ? row[at[sort]] : entry[sort];
    return typeof found === "string" ? found.toLowerCase() : found ?? null;
  }

  function ordered(board) {
    const keys = key(board, state.sort), sign = state.dir === "desc" ? -1 : 1;
    return board.order.slice().sort((a, b) => {
      const x = keys[a], y = keys[b];
      if (x === y) return a - b; // the board's own order: by rank, then by slug
      if (x === null) return 1; // unknown stands last, either way
      if (y === null) return -1;
      return x < y ? -sign : sign;
    });
  }

  function text(board, index) {
    board.texts ??= board.rows.map((row) => {
      const entry = data.entries[row[at.slug]];
      return [row[at.slug], entry.name, entry.method, entry.backbone, entry.training_data, entry.authors,
        row[at.image_size], row[at.source]].join(" ").toLowerCase();
    });
    return board.texts[index];
  }

  function passes(board, index) {
    const row = board.rows[index], entry = data.entries[row[at.slug]];
    const largest = Number(state.maxdim);
    return (!state.status || row[at.status] === state.status)
      && (!state.backbone || entry.backbone === state.backbone)
      && (!state.data || entry.training_data === state.data)
      && (!state.size || row[at.image_size] === state.size)
      && (!(largest > 0) || (row[at.dimension] !== null && row[at.dimension] <= largest))
      && state.q.toLowerCase().split(/\s+/).every((word) => text(board, index).includes(word));
  }

  function draw() {
    const board = boards.find((one) => one.id === state.d);
    for (const one of boards) one.section.hidden = one !== board;
    if (!board) return;
    const found = ordered(board).filter((index) => passes(board, index));
    const shown = state.all ? found : found.slice(0, data.limit);
    const rows = document.createDocumentFragment();
    let tier = null;
    for (const index of shown) {
      const row = board.rows[index], line = fill(board, row);
      if (state.sort === "rank" && tier !== null && row[at.tier] !== tier) line.classList.add("tier-start");
      tier = row[at.tier];
      rows.append(line);
    }
    if (!found.length) rows.append(nothing());
    board.body.replaceChildren(rows);
    for (const head of board.section.querySelectorAll("th[data-sort]")) {
      if (head.dataset.sort === state.sort) head.setAttribute("aria-sort", state.dir === "asc" ? "ascending" : "descending");
      else head.removeAttribute("aria-sort");
    }
    const more = $(".more", board.section);
    more.hidden = shown.length === found.length;
    $("span", more).textContent = `${shown.length.toLocaleString("en")} of ${found.length.toLocaleString("en")} shown.`;
    const count = found.length === board.rows.length ? `${found.length.toLocaleString("en")} entries`
      : `${found.length.toLocaleString("en")} of ${board.rows.length.toLocaleString("en")} entries`;
    said.textContent = `${count}, sorted by ${titles[state.sort]}, ${state.dir === "asc" ? "ascending" : "descending"}.`;
    $("[name=compare]", form).disabled = state.pin.length !== 2;
  }

  function nothing() {
    const button = el("button", { type: "button" }, "Reset the filters");
    button.addEventListener("click", () => form.reset());
    const cell = el("td", { colspan: data.columns.length + 1 }, "No entry passes these filters. ", button);
    return el("tr", {}, cell);
  }

  function fill(board, row) {
    const line = template.cloneNode(true), slug = row[at.slug], entry = data.entries[slug];
    const [pin, rank, head, first, five, ten, twenty, dimension, size, backbone, trained, distance, status] = line.children;
    line.dataset.slug = slug;
    if (row[at.tier]) line.dataset.tier = row[at.tier];
    pin.firstChild.setAttribute("aria-label", `Compare ${entry.name}`);
    pin.firstChild.checked = state.pin.includes(slug);
    rank.textContent = ranks(row);
    head.firstChild.textContent = entry.name;
    head.firstChild.setAttribute("href", `#entry=${slug}`);
    head.lastChild.textContent = entry.method ?? "";
    first.children[0].textContent = number(row[at.recall_1], board.published);
    first.children[1].textContent = range(row[at.low_1], row[at.high_1]);
    const [bar, dot] = first.children[2].children;
    if (row[at.low_1] !== null) bar.setAttribute("d", `M${row[at.low_1]} 5H${row[at.high_1]}`);
    if (row[at.recall_1] !== null) for (const [name, at_] of [["cx", row[at.recall_1]], ["cy", 5], ["r", 3]]) dot.setAttribute(name, at_);
    [[five, 5], [ten, 10], [twenty, 20]].forEach(([cell, n]) => {
      cell.children[0].textContent = number(row[at[`recall_${n}`]], board.published);
      cell.children[1].textContent = range(row[at[`low_${n}`]], row[at[`high_${n}`]]);
    });
    dimension.textContent = row[at.dimension] ?? "";
    size.textContent = row[at.image_size] ?? "";
    backbone.textContent = entry.backbone ?? "";
    trained.textContent = entry.training_data ?? "";
    distance.textContent = row[at.distance] ?? "";
    status.firstChild.className = `status ${row[at.status]}`;
    status.firstChild.textContent = row[at.status];
    status.lastChild.textContent = row[at.remark] ? `⚠ ${row[at.remark]}` : "";
    return line;
  }

  const ranks = (row) => {
    if (row[at.rank] === null) return "";
    const low = row[at.low_rank], high = row[at.high_rank];
    if (low === null || high === null) return String(row[at.rank]);
    return low === high ? String(low) : `${low}–${high}`;
  };
  const number = (x, printed) => (x === null ? "" : printed ? String(x) : x.toFixed(1));
  const range = (low, high) => (low === null || high === null ? "" : `${low.toFixed(1)}–${high.toFixed(1)}`);

  // ---- an entry, and two of them ---------------------------------------------------------------
  function el(tag, attributes = {}, ...children) {
    const made = document.createElement(tag);
    for (const [name, given] of Object.entries(attributes)) made.setAttribute(name, given);
    made.append(...children);
    return made;
  }

  function svg(tag, attributes = {}, ...children) {
    const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, given] of Object.entries(attributes)) made.setAttribute(name, given);
    made.append(...children);
    return made;
  }

  function list(pairs) {
    const made = el("dl");
    for (const [name, given] of pairs) if (given !== null && given !== undefined && given !== "") made.append(el("dt", {}, name), el("dd", {}, given));
    return made;
  }

  function table(caption, heads, rows) {
    const wrapped = el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": caption });
    wrapped.append(el("table", {}, el("caption", {}, caption),
      el("thead", {}, el("tr", {}, ...heads.map((head) => el("th", { scope: "col" }, head)))),
      el("tbody", {}, ...rows.map(([first, ...rest]) => el("tr", {}, el("th", { scope: "row" }, first), ...rest.map((cell) => el("td", {}, cell)))))));
    return wrapped;
  }

  function close() {
    const button = el("button", { type: "button" }, "Close");
    button.addEventListener("click", () => { state.entry = ""; state.compare = []; write(); show(); $(".sort", boards.find((b) => b.id === state.d)?.section ?? document)?.focus(); });
    return button;
  }

  function rowsOf(slug) {
    return boards.flatMap((board) => board.rows.filter((row) => row[at.slug] === slug).map((row) => ({ board, row })));
  }

  function entryPage(slug) {
    const entry = data.entries[slug], parts = [el("h2", {}, entry.name), close()];
    const links = (entry.links ?? []).map((link) => el("a", { href: link, rel: "noopener noreferrer nofollow" }, link));
    const linked = el("span"); links.forEach((link, index) => linked.append(index ? " · " : "", link));
    parts.push(list([["method", entry.method], ["authors", entry.authors], ["links", links.length ? linked : ""],
      ["backbone", entry.backbone], ["architecture", entry.architecture], ["parameters", entry.parameters?.toLocaleString("en")],
      ["trained on", entry.training_data], ["licence", entry.licence], ["notes", entry.notes], ["submitted", entry.submitted],
      ["made with", entry.versions && Object.entries(entry.versions).map(([name, version]) => `${name} ${version}`).join(", ")],
      ["last verified", entry.published ? "" : entry.verified ? `${entry.verified.at}, by vgbench ${entry.verified.version}: ${entry.verified.ok ? "everything held" : "something did not hold"}` : "not recorded"]]));
    if (!entry.published) parts.push(el("h3", {}, "Compute it again"), el("pre", { tabindex: 0, "aria-label": "command" }, `vgbench verify ${slug}${rowsOf(slug).some(({ row }) => row[at.status] === "reproduced") ? " --reproduce" : ""}`));
    for (const { board, row } of rowsOf(slug)) parts.push(...resultOf(board, row));
    return parts;
  }

  function resultOf(board, row) {
    const parts = [el("h3", {}, board.apart ? `${board.title}, apart: ${board.apart}` : board.title)];
    const lines = [["all", String(board.queries ?? ""), ...[1, 5, 10, 20].map((n) => `${number(row[at[`recall_${n}`]], board.published)} ${range(row[at[`low_${n}`]], row[at[`high_${n}`]])}`)]];
    for (const [name, queries, ...recalls] of row[at.conditions] ?? []) lines.push([name, String(queries), ...recalls]);
    parts.push(table(`Recall on ${board.id}, percent, with 95 % intervals`, ["condition", "queries", "R@1", "R@5", "R@10", "R@20"], lines));
    const seconds = row[at.seconds] && Object.entries(row[at.seconds]).map(([name, took]) => `${name} ${took} s`).join(", ");
    parts.push(list([["rank", ranks(row)], ["tier", row[at.tier] ?? ""], ["dimension", row[at.dimension] ?? ""], ["distance", row[at.distance]], ["images", [row[at.image_size], row[at.resize]].filter(Boolean).join(", ")],
      ["took", seconds ? `${seconds}${row[at.device] ? ` on ${row[at.device]}` : ""}` : ""], ["printed in", row[at.source]], ["remark", row[at.remark]]]));
    const map = data.maps[board.id], localized = bits(row, board);
    if (map && localized) {
      const missed = count(localized, (bit) => !bit);
      parts.push(el("h3", {}, "Where it fails"), drawMap(map, [["hit", (i) => localized[i]], ["miss", (i) => !localized[i]]],
        `Map of the queries: ${localized.length - missed} localized at 1 as dots, ${missed} not, as crosses`));
      parts.push(el("p", { class: "legend" }, "● localized at 1 · × not · small dots: the database"));
      const failed = map.queries.filter((_, index) => !localized[index]);
      parts.push(names(`Queries that are not localized at 1: ${failed.length}`, failed));
    }
    return parts;
  }

  function names(summary, paths) {
    const items = el("ol", {}, ...paths.slice(0, 500).map((path) => el("li", {}, el("code", {}, path))));
    const made = el("details", {}, el("summary", {}, summary), items);
    if (paths.length > 500) made.append(el("p", {}, `… and ${paths.length - 500} more`));
    return made;
  }

  function bits(row, board) {
    if (!row[at.outcomes] || !board.queries) return null;
    const bytes = Uint8Array.from(atob(row[at.outcomes]), (character) => character.charCodeAt(0));
    return Array.from({ length: board.queries }, (_, i) => Boolean(bytes[i >> 3] >> (i & 7) & 1));
  }

  const count = (items, test) => items.reduce((sum, item, index) => sum + (test(item, index) ? 1 : 0), 0);

  function drawMap(map, kinds, title) {
    const top = 30, made = svg("svg", { class: "map", role: "img", viewBox: `-20 ${-20 - top} ${map.width + 40} ${map.height + 60 + top}` },
      svg("title", {}, title), svg("path", { class: "database", d: map.database }));
    for (const [kind, test] of kinds) {
      const mark = { hit: "h0", miss: "m-5 -5l10 10m0 -10l-10 10", b: "m-7 0h14m-7 -7v14" }[kind];
      made.append(svg("path", { class: kind, d: map.x.map((x, i) => (test(i) ? `M${x} ${map.y[i]}${mark}` : "")).join("") }));
    }
    made.append(svg("path", { class: "bar", d: `M0 ${map.height + 20}h${map.bar}` }), svg("text", { x: map.bar + 8, y: map.height + 27 }, `${map.bar_metres} m`),
      svg("text", { x: map.width - 30, y: -14 }, "↑ N"));
    return made;
  }

  // Exact two-sided binomial test at 1/2 of the discordant queries (McNemar), as Python computes it.
  function mcnemar(a, b) {
    const n = a + b, few = Math.min(a, b);
    let term = -n * Math.LN2, sum = Math.exp(term);
    for (let k = 1; k <= few; k++) { term += Math.log((n - k + 1) / k); sum += Math.exp(term); }
    return Math.min(1, 2 * sum);
  }

  function comparison([a, b]) {
    const left = data.entries[a], right = data.entries[b];
    const parts = [el("h2", {}, `${left.name} against ${right.name}`), close()];
    let found = 0;
    for (const board of boards) {
      const rowA = board.rows.find((row) => row[at.slug] === a), rowB = board.rows.find((row) => row[at.slug] === b);
      if (!rowA || !rowB) continue;
      const hitA = bits(rowA, board), hitB = bits(rowB, board);
      parts.push(el("h3", {}, board.title));
      parts.push(table(`Recall on ${board.id}, percent, with 95 % intervals`, ["entry", "R@1", "R@5", "R@10", "R@20"], [[left.name, rowA], [right.name, rowB]].map(([name, row]) => [name, ...[1, 5, 10, 20].map((n) => `${number(row[at[`recall_${n}`]], board.published)} ${range(row[at[`low_${n}`]], row[at[`high_${n}`]])}`)])));
      if (!hitA || !hitB) { parts.push(el("p", {}, "Which queries they disagree on is not known here.")); continue; }
      found += 1;
      const onlyA = (i) => hitA[i] && !hitB[i], onlyB = (i) => !hitA[i] && hitB[i];
      const countA = count(hitA, (_, i) => onlyA(i)), countB = count(hitA, (_, i) => onlyB(i)), p = mcnemar(countA, countB);
      const made = el("p", { class: "verdict", "data-only-a": countA, "data-only-b": countB, "data-p": p });
      made.append(`Localized at 1 by ${left.name} alone: ${countA} queries; by ${right.name} alone: ${countB}. Exact McNemar test: p = ${p < 0.0001 ? p.toExponential(1) : p.toFixed(4)}. `,
        p < 0.05 ? `${countA > countB ? left.name : right.name} is better, if this was the only comparison made.` : "The data cannot tell them apart.");
      parts.push(made);
      const map = data.maps[board.id];
      if (map) {
        parts.push(drawMap(map, [["miss", onlyA], ["b", onlyB]], `Map of the queries on which they disagree: ${countA} localized only by ${left.name}, as ×; ${countB} only by ${right.name}, as +`));
        parts.push(el("p", { class: "legend" }, `× only ${left.name} · + only ${right.name} · small dots: the database`));
        parts.push(el("div", { class: "columns" }, names(`Only ${left.name}: ${countA}`, map.queries.filter((_, i) => onlyA(i))), names(`Only ${right.name}: ${countB}`, map.queries.filter((_, i) => onlyB(i)))));
      }
    }
    if (!found) parts.push(el("p", {}, "They share no board on which both keep their predictions, so there is nothing to test."));
    parts.push(el("h3", {}, "With images, conditions and places"), el("pre", { tabindex: 0, "aria-label": "command" }, `vgbench compare ${a} ${b} --html compare.html`));
    return parts;
  }

  function show(focus = false) {
    const parts = state.compare.length === 2 ? comparison(state.compare) : state.entry ? entryPage(state.entry) : [];
    detail.replaceChildren(...parts);
    detail.hidden = !parts.length;
    if (parts.length && focus) { detail.focus(); detail.scrollIntoView({ block: "start" }); }
  }

  // ---- controls --------------------------------------------------------------------------------
  function choices() {
    const board = boards.find((one) => one.id === state.d);
    if (!board) return;
    const of = { status: (row) => row[at.status], backbone: (row) => data.entries[row[at.slug]].backbone,
      data: (row) => data.entries[row[at.slug]].training_data, size: (row) => row[at.image_size] };
    for (const [name, get] of Object.entries(of)) {
      const found = [...new Set([...board.rows.map(get), state[name]])].filter(Boolean).sort();
      form.elements[name].replaceChildren(el("option", { value: "" }, "any"), ...found.map((one) => el("option", { value: one }, one)));
    }
    form.elements.d.replaceChildren(...boards.map((one) => el("option", { value: one.id }, one.published ? `${one.title}, published` : one.apart ? `${one.title}, apart: ${one.apart}` : one.title)));
    form.elements.d.value = state.d;
    for (const name of FILTERS) form.elements[name].value = state[name];
  }

  function csv() {
    const board = boards.find((one) => one.id === state.d);
    const names = data.fields.filter((field) => !["outcomes", "conditions", "seconds"].includes(field));
    const cell = (given) => {
      let text = given === null || given === undefined ? "" : String(given);
      if (typeof given === "string" && /^[=+\-@＝＋－＠\t\r]/.test(text)) text = "'" + text; // not a formula
      return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
    };
    const lines = [["dataset", "name", ...names], ...ordered(board).filter((index) => passes(board, index)).map((index) => {
      const row = board.rows[index];
      return [board.title, data.entries[row[at.slug]].name, ...names.map((name) => row[at[name]])];
    })].map((line) => line.map(cell).join(","));
    const link = el("a", { href: URL.createObjectURL(new Blob([lines.join("\n") + "\n"], { type: "text/csv" })), download: `${board.id.replaceAll("/", "-")}.csv` });
    link.click();
    URL.revokeObjectURL(link.href);
  }

  function changed() { write(); draw(); }

  form.addEventListener("input", (event) => {
    if (event.target.name === "d") { state = { ...state, d: event.target.value, all: false }; choices(); }
    else state[event.target.name] = event.target.value;
    changed();
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", (event) => {
    event.preventDefault();
    for (const name of FILTERS) state[name] = "";
    state = { ...state, sort: "rank", dir: "asc", pin: [], all: false };
    choices(); changed();
  });
  $("[name=csv]", form).addEventListener("click", csv);
  $("[name=compare]", form).addEventListener("click", () => { state.compare = state.pin; state.entry = ""; write(); show(true); });
  $("#boards").addEventListener("click", (event) => {
    const button = event.target.closest("button"), head = event.target.closest("th[data-sort]");
    if (button?.classList.contains("sort")) {
      const sort = head.dataset.sort;
      state.dir = state.sort === sort ? (state.dir === "asc" ? "desc" : "asc") : usual(sort);
      state.sort = sort;
      changed();
    } else if (button?.classList.contains("all")) { state.all = true; changed(); }
  });
  $("#boards").addEventListener("change", (event) => {
    const line = event.target.closest("tr[data-slug]");
    if (!line) return;
    const slug = line.dataset.slug;
    state.pin = event.target.checked ? [...state.pin, slug].slice(-2) : state.pin.filter((one) => one !== slug);
    for (const box of document.querySelectorAll("tr[data-slug] .pin input")) box.checked = state.pin.includes(box.closest("tr").dataset.slug);
    $("[name=compare]", form).disabled = state.pin.length !== 2;
    write();
  });

  // A link to an entry keeps what else was chosen: the fragment says only what it changes.
  document.addEventListener("click", (event) => {
    const link = event.target.closest('a[href^="#entry="]');
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    event.preventDefault();
    state.entry = decodeURIComponent(link.getAttribute("href").slice(7));
    state.compare = [];
    write(); show(true);
  });

  function start(focus) { state = read(); choices(); draw(); show(focus); }
  addEventListener("hashchange", () => start(true));
  document.documentElement.classList.add("scripted");
  start(Boolean(new URLSearchParams(location.hash.slice(1)).get("entry")));
})();
