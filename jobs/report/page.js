(() => {
  "use strict";
  const data = JSON.parse(document.getElementById("data").textContent);
  const shots = [...document.querySelectorAll(".shot")];
  const list = document.getElementById("drawn");
  const drawn = [];
  const struck = { track: new Set(), region: new Set() };
  const round = (v) => Math.round(v * 1e4) / 1e4;
  const clamp = (v, least, most) => Math.min(Math.max(v, least), most);
  const text = (v) => v.toFixed(3);

  /* The point of a mouse event in a picture, in ratios of it. */
  const point = (shot, e) => {
    const r = shot.getBoundingClientRect();
    return { x: clamp((e.clientX - r.left) / r.width, 0, 1), y: clamp((e.clientY - r.top) / r.height, 0, 1) };
  };
  const between = (a, b) => ({
    left: round(Math.min(a.x, b.x)), top: round(Math.min(a.y, b.y)),
    width: round(Math.abs(a.x - b.x)), height: round(Math.abs(a.y - b.y)),
  });
  const place = (el, box) => {
    for (const side of ["left", "top", "width", "height"]) el.style[side] = 100 * box[side] + "%";
  };
  const say = (shot, words) => {
    shot.parentElement.querySelector("output").textContent = words;
  };
  const describe = (b) => "left " + text(b.left) + ", top " + text(b.top) + ", width " + text(b.width) + ", height " + text(b.height);

  /* add notes a rectangle about a moment of the video: a second before and after it, to be changed in the list. */
  const add = (box, at) => {
    drawn.push({ ...box, start: round(Math.max(at - 1, 0)), end: round(Math.min(at + 1, Math.max(data.duration, at + 0.1))) });
    show();
  };

  const strike = (kind, index) => {
    const set = struck[kind];
    if (!set.delete(index)) set.add(index);
    show();
  };

  const show = () => {
    for (const el of document.querySelectorAll(".drawn")) el.remove();
    for (const shot of shots) {
      const at = Number(shot.dataset.at);
      drawn.forEach((box, i) => {
        if (at < box.start || at > box.end) return;
        const el = document.createElement("div");
        el.className = "drawn";
        place(el, box);
        const label = document.createElement("b");
        label.textContent = "drawn " + (i + 1);
        el.append(label);
        shot.append(el);
      });
    }
    for (const el of document.querySelectorAll("[data-track], [data-region]")) {
      const kind = "track" in el.dataset ? "track" : "region";
      const is = struck[kind].has(Number(el.dataset[kind]));
      el.classList.toggle("struck", is);
      el.setAttribute("aria-pressed", String(is));
    }
    rows();
    const count = struck.track.size + struck.region.size;
    document.getElementById("summary").textContent = drawn.length + " drawn, " + count + " struck out";
  };

  /* rows lists what was drawn, without touching the field that is being typed into. */
  const rows = () => {
    while (list.rows.length > drawn.length) list.deleteRow(-1);
    drawn.forEach((box, i) => {
      let row = list.rows[i];
      if (!row) {
        row = list.insertRow();
        const name = document.createElement("th");
        name.scope = "row";
        row.append(name);
        for (const field of ["left", "top", "width", "height", "start", "end"]) {
          const input = document.createElement("input");
          input.type = "number";
          input.step = "any";
          input.required = true;
          input.dataset.field = field;
          input.addEventListener("input", () => {
            const box = drawn[row.rowIndex - 1];
            box[field] = input.valueAsNumber;
            judge(row, box);
            if (row.querySelectorAll(":invalid").length === 0) show();
          });
          row.insertCell().append(input);
        }
        const remove = document.createElement("button");
        remove.type = "button";
        remove.textContent = "remove";
        remove.addEventListener("click", () => {
          drawn.splice(row.rowIndex - 1, 1);
          show();
        });
        row.insertCell().append(remove);
      }
      row.cells[0].textContent = "drawn " + (i + 1);
      for (const input of row.querySelectorAll("input")) {
        input.setAttribute("aria-label", input.dataset.field + " of drawn " + (i + 1));
        if (input !== document.activeElement) input.value = box[input.dataset.field];
      }
      judge(row, box);
    });
    document.getElementById("none").hidden = drawn.length > 0;
    list.parentElement.hidden = drawn.length === 0;
  };

  const judge = (row, box) => {
    const wrong = {
      left: box.left < -1 || box.left > 1 ? "from -1 to 1, in ratios of the picture" : "",
      top: box.top < -1 || box.top > 1 ? "from -1 to 1, in ratios of the picture" : "",
      width: box.width > 0 && box.width <= 2 ? "" : "more than 0, at most 2",
      height: box.height > 0 && box.height <= 2 ? "" : "more than 0, at most 2",
      start: box.start >= 0 ? "" : "seconds from the first frame",
      end: box.end > box.start ? "" : "after the start",
    };
    for (const input of row.querySelectorAll("input")) input.setCustomValidity(wrong[input.dataset.field]);
  };

  for (const shot of shots) {
    let from = null, ghost = null, pressed = null;
    const at = Number(shot.dataset.at);
    const leave = () => {
      if (ghost) ghost.remove();
      from = ghost = pressed = null;
    };
    shot.addEventListener("pointerdown", (e) => {
      if (e.button !== 0 || !e.isPrimary) return;
      from = point(shot, e);
      pressed = e.target.closest(".box");
      shot.setPointerCapture(e.pointerId);
      e.preventDefault();
    });
    shot.addEventListener("pointermove", (e) => {
      const now = point(shot, e);
      if (!from) {
        say(shot, "left " + text(now.x) + ", top " + text(now.y));
        return;
      }
      const box = between(from, now);
      if (!ghost) {
        ghost = document.createElement("div");
        ghost.className = "ghost";
        shot.append(ghost);
      }
      place(ghost, box);
      say(shot, describe(box));
    });
    shot.addEventListener("pointerup", (e) => {
      if (!from) return;
      const box = between(from, point(shot, e)), target = pressed;
      leave();
      if (box.width > 0.005 && box.height > 0.005) add(box, at);
      else if (target) target.click();
    });
    shot.addEventListener("pointercancel", leave);
    shot.addEventListener("pointerleave", () => { if (!from) say(shot, ""); });
  }

  document.addEventListener("click", (e) => {
    const el = e.target.closest("[data-track], [data-region], [data-found]");
    if (!el || e.detail > 0 && el.closest(".shot")) return;
    if ("found" in el.dataset) add(JSON.parse(el.dataset.found), Number(el.closest(".shot").dataset.at));
    else if ("track" in el.dataset) strike("track", Number(el.dataset.track));
    else strike("region", Number(el.dataset.region));
  });

  document.getElementById("save").addEventListener("click", () => {
    for (const input of list.querySelectorAll("input")) if (!input.reportValidity()) return;
    const out = {
      add: [...data.add.filter((_, i) => !struck.region.has(i)), ...drawn],
      only: data.only,
      except: [...data.except, ...[...struck.track].sort((a, b) => a - b).flatMap((i) => data.tracks[i])],
    };
    for (const name of Object.keys(out)) if (out[name].length === 0) delete out[name];
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([JSON.stringify(out, null, 2) + "\n"], { type: "application/json" }));
    link.download = "regions.json";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  });

  document.getElementById("edit").hidden = false;
  document.body.classList.add("edits");
  show();
})();
