// SPDX-License-Identifier: Apache-2.0
// Draws the report from the data in the page. Charts are uPlot's; the rest is tables and two pictures over each other.
"use strict";
(function () {
  const data = JSON.parse(document.getElementById("data").textContent);
  const COLOURS = ["#0a7d38", "#d1495b", "#2e5fa8", "#e08e1b", "#7b4aa0", "#1b9aaa", "#8c6239", "#555555"];

  function element(tag, attributes, ...children) {
    const node = Object.assign(document.createElement(tag), attributes);
    node.append(...children);
    return node;
  }
  const fixed = (value, digits) => value.toFixed(digits);
  const colour = (index) => COLOURS[index % COLOURS.length];

  // ---- charts

  // A label that follows the pointer to the nearest point of any curve. describe(curve, point): its text.
  function tipPlugin(curves, describe) {
    const tip = element("div", { className: "tip" });
    function follow(u) {
      let best = null;
      curves.forEach((curve, i) => {
        if (!u.series[i + 1].show) return;
        for (const point of curve.points) {
          const x = u.valToPos(point.x, "x"), y = u.valToPos(point.y, "y");
          const distance = Math.hypot(x - u.cursor.left, y - u.cursor.top);
          if (!best || distance < best.distance) best = { distance, x, y, curve, point };
        }
      });
      const shown = best && u.cursor.left >= 0 && best.distance < 60;
      tip.style.display = shown ? "block" : "none";
      if (!shown) return;
      tip.style.left = best.x + "px";
      tip.style.top = best.y + "px";
      tip.textContent = describe(best.curve, best.point);
    }
    return { hooks: { init: (u) => u.over.append(tip), setCursor: follow } };
  }

  // curves: [{name, index, points: [{x, y, ...}]}], each sorted by x.
  function drawChart(parent, title, yLabel, curves, logY, describe) {
    if (curves.every((curve) => curve.points.length === 0)) return;
    const table = uPlot.join(curves.map((curve) => [curve.points.map((p) => p.x), curve.points.map((p) => p.y)]));
    const series = curves.map((curve) => ({
      label: curve.name, stroke: colour(curve.index), width: 2, spanGaps: true,
      points: { show: true, size: 6, fill: colour(curve.index) },
    }));
    const short = (u, values) => values.map((v) => (v === null ? "" : String(Number(v.toPrecision(3)))));
    const box = element("div", { className: "chart" });
    parent.append(box);
    new uPlot({
      title, width: 590, height: 400,
      scales: { x: { time: false, distr: 3, log: 2 }, y: logY ? { distr: 3 } : {} },
      axes: [{ label: "bits per pixel", values: short }, { label: yLabel, values: logY ? short : undefined, size: 60 }],
      series: [{ label: "bpp" }, ...series],
      legend: { live: false },
      cursor: { drag: { x: false, y: false }, points: { show: false }, y: false },
      plugins: [tipPlugin(curves, describe)],
    }, table, box);
  }

  function curvesOf(valueOf) {
    return data.codecs.map((codec, index) => ({
      name: codec.name, index,
      points: codec.points.filter((p) => valueOf(p) !== null).map((p) => ({ x: p.bpp, y: valueOf(p), of: p }))
        .sort((a, b) => a.x - b.x),
    }));
  }

  function drawCurves() {
    const parent = document.getElementById("curves");
    for (const [key, name] of [["psnr", "PSNR"], ["ssim", "SSIM"], ["ms_ssim", "MS-SSIM"]]) {
      drawChart(parent, name, name + " (dB)", curvesOf((p) => p[key]), false, (curve, point) =>
        `${curve.name}, quality ${point.of.quality}\n${fixed(point.x, 3)} bpp, ${fixed(point.y, 2)} dB`);
    }
  }

  function drawSpeeds() {
    const note = document.getElementById("speed-note");
    if (data.codecs.every((codec) => codec.speed === null)) {
      note.textContent = "Speeds were not measured in this run.";
      return;
    }
    note.textContent = "Megapixels per second of CPU time, all threads added up, and the largest memory of a process " +
      "that holds the picture and the codec. Codecs took turns on " + data.machine + ".";
    for (const [key, verb] of [["encode", "Encoding"], ["decode", "Decoding"]]) {
      drawChart(document.getElementById("speeds"), verb, "megapixels per CPU second",
        curvesOf((p) => (p.speed ? p.speed[key] : null)), true, (curve, point) =>
          `${curve.name}, quality ${point.of.quality}\n${fixed(point.x, 3)} bpp, ${point.y.toPrecision(3)} MP/s`);
    }
    const rows = data.codecs.filter((codec) => codec.speed).map((codec) => [codec.name,
      codec.speed.encode_wall.toPrecision(3), codec.speed.encode.toPrecision(3), fixed(codec.speed.encode_mb, 0),
      codec.speed.decode_wall.toPrecision(3), codec.speed.decode.toPrecision(3), fixed(codec.speed.decode_mb, 0)]);
    fillTable("speed-table", ["codec", "encode MP/s", "per CPU s", "memory MB", "decode MP/s", "per CPU s",
      "memory MB"], rows);
  }

  // ---- tables

  // Cells are texts or nodes.
  function fillTable(id, heads, rows) {
    const table = document.getElementById(id);
    table.append(element("thead", {}, element("tr", {}, ...heads.map((head) => element("th", {}, head)))));
    table.append(element("tbody", {}, ...rows.map((row) =>
      element("tr", {}, ...row.map((cell) => (cell instanceof Node ? cell : element("td", {}, cell)))))));
  }

  function deltaCell(delta, unit, intervalUnit) {
    if (!delta) return element("td", {}, "\u2013");
    const sign = delta.value < 0 ? "\u2212" : "+";
    return element("td", {}, sign + fixed(Math.abs(delta.value), unit === "%" ? 1 : 2) + "\u202f" + unit,
      element("small", {}, `${Number(delta.low.toPrecision(3))} \u2013 ${Number(delta.high.toPrecision(3))} ${intervalUnit}`));
  }

  function fillBd() {
    const note = document.getElementById("bd-note");
    if (data.comparisons.length === 0) {
      note.textContent = `No comparison: ${data.anchor} does not take part, or is alone.`;
      return;
    }
    note.textContent = `BD-rate against ${data.anchor}: how many percent more (+) or fewer (\u2212) bits a codec needs ` +
      "for the same quality, averaged over the interval that both curves cover, which stands below. BD-PSNR: how much " +
      "better it is at the same rate.";
    const rows = data.comparisons.map((c) => [c.codec + (c.short ? " *" : ""), deltaCell(c.psnr, "%", "dB"),
      deltaCell(c.psnr_middle, "%", "dB"), deltaCell(c.ssim, "%", "dB"), deltaCell(c.ms_ssim, "%", "dB"),
      deltaCell(c.gain, "dB", "bpp")]);
    fillTable("bd", ["codec", "PSNR", "PSNR, 29\u201337 dB", "SSIM", "MS-SSIM", "BD-PSNR"], rows);
    if (data.comparisons.some((c) => c.short)) {
      note.after(element("p", { className: "note" }, "* The PSNR curves do not share all of 27.5 to 39 dB: these " +
        "figures are not comparable with published ones."));
    }
  }

  // ---- the comparison of two pictures

  function makeViewer(picture) {
    const names = picture.versions.map((v) => v.codec);
    const choice = (selected) => {
      const select = element("select", {}, ...names.map((name, i) => element("option", { value: i }, name)));
      select.value = Math.min(selected, names.length - 1);
      return select;
    };
    const left = choice(1), right = choice(2);
    left.className = "left";
    right.className = "right";
    const zoom = element("select", { className: "zoom" },
      ...[1, 2, 4, 8].map((z) => element("option", { value: z }, z + "\u00d7")));
    const mode = element("select", { className: "mode" }, ...["the pictures", "difference to the original",
      "difference left to right"].map((name, i) => element("option", { value: i }, name)));
    const gain = element("select", { className: "gain" },
      ...[1, 4, 8, 16].map((g) => element("option", { value: g }, g + "\u00d7")));
    gain.value = 8;
    const split = element("input", { type: "range", className: "split", min: 0, max: 1000, value: 500 });
    split.setAttribute("aria-label", "how much of the left picture is shown, in thousandths");
    const canvases = [0, 1].map(() => element("canvas", { width: picture.width, height: picture.height }));
    const divider = element("div", { className: "divider" });
    const layers = element("div", { className: "layers" }, canvases[1], canvases[0], divider);
    const stage = element("div", { className: "stage" }, layers);
    const facts = [element("span", {}), element("span", {})];

    const images = picture.versions.map((version) => {
      const image = new Image();
      image.src = version.image;
      return image;
    });
    const pixels = (i) => {
      const canvas = element("canvas", { width: picture.width, height: picture.height });
      const context = canvas.getContext("2d", { willReadFrequently: true });
      context.drawImage(images[i], 0, 0);
      return context.getImageData(0, 0, picture.width, picture.height);
    };
    function drawDifference(canvas, a, b) {
      const one = pixels(a), two = pixels(b), factor = Number(gain.value);
      for (let i = 0; i < one.data.length; ++i) {
        if (i % 4 !== 3) one.data[i] = Math.abs(one.data[i] - two.data[i]) * factor;
      }
      canvas.getContext("2d").putImageData(one, 0, 0);
    }
    function describe(i) {
      const v = picture.versions[i];
      if (v.bytes === undefined) return v.codec;
      const similarity = v.ms_ssim === null ? "" : `, MS-SSIM ${fixed(v.ms_ssim, 2)} dB`;
      return `${v.codec}, quality ${v.quality}: ${v.bytes} bytes, ${fixed(v.bpp, 3)} bpp, PSNR ${fixed(v.psnr, 2)} dB` + similarity;
    }
    function drawPictures() {
      const sides = [Number(left.value), Number(right.value)];
      sides.forEach((version, side) => {
        const canvas = canvases[side];
        if (mode.value === "0") canvas.getContext("2d").drawImage(images[version], 0, 0);
        if (mode.value === "1") drawDifference(canvas, version, 0);
        if (mode.value === "2") drawDifference(canvas, sides[0], sides[1]);
        facts[side].textContent = describe(version);
      });
    }
    function placeSplit() {
      const percent = split.value / 10;
      canvases[0].style.clipPath = `inset(0 ${100 - percent}% 0 0)`;
      divider.style.left = percent + "%";
    }
    function resize() {
      const factor = Number(zoom.value), old = layers.clientWidth || 1;
      const centre = [(stage.scrollLeft + stage.clientWidth / 2) / old, (stage.scrollTop + stage.clientHeight / 2) / old];
      layers.style.width = picture.width * factor + "px";
      layers.style.height = picture.height * factor + "px";
      for (const node of [stage, split]) node.style.width = `min(100%, ${picture.width * factor + 2}px)`;
      stage.scrollLeft = centre[0] * layers.clientWidth - stage.clientWidth / 2;
      stage.scrollTop = centre[1] * layers.clientWidth - stage.clientHeight / 2;
    }
    function dragStage(event) {
      const from = { x: event.clientX + stage.scrollLeft, y: event.clientY + stage.scrollTop };
      const move = (e) => stage.scrollTo(from.x - e.clientX, from.y - e.clientY);
      const stop = () => {
        stage.classList.remove("dragged");
        removeEventListener("pointermove", move);
        removeEventListener("pointerup", stop);
      };
      stage.classList.add("dragged");
      addEventListener("pointermove", move);
      addEventListener("pointerup", stop);
    }

    for (const control of [left, right, mode, gain]) control.addEventListener("change", drawPictures);
    zoom.addEventListener("change", resize);
    split.addEventListener("input", placeSplit);
    stage.addEventListener("pointerdown", dragStage);
    const box = element("section", {},
      element("div", { className: "controls" }, element("strong", {}, picture.name),
        element("label", {}, "left", left), element("label", {}, "right", right), element("label", {}, "show", mode),
        element("label", {}, "differences", gain), element("label", {}, "zoom", zoom)),
      stage, split, element("div", { className: "facts" }, ...facts));
    document.getElementById("viewer").append(box);
    resize();
    placeSplit();
    return Promise.all(images.map((image) => image.decode())).then(drawPictures);
  }

  const one = data.pictures === 1;
  document.getElementById("summary").textContent =
    `${data.pictures} picture${one ? "" : "s"}, ${data.codecs.length} codecs; ${data.tool}.`;
  drawCurves();
  fillBd();
  drawSpeeds();
  fillTable("versions", ["codec", "version and settings"], data.codecs.map((codec) => [codec.name,
    element("td", { className: "text" }, codec.version)]));
  Promise.all(data.shown.map(makeViewer)).then(() => { document.body.dataset.ready = "yes"; });
})();
