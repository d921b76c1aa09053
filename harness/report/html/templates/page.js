"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const narrow = matchMedia("(max-width: 45rem)");
  const announce = (text) => { document.getElementById("announce").textContent = text; };

  // Rows from columns; texts come as places in a list of the different ones.
  const rows = (columns) => {
    const names = Object.keys(columns);
    const lists = names.map((name) => {
      const column = columns[name];
      return Array.isArray(column) ? column : column.places.map((place) => column.texts[place]);
    });
    const count = lists.length ? lists[0].length : 0;
    return Array.from({ length: count }, (_, i) =>
      Object.fromEntries(names.map((name, j) => [name, lists[j][i]])));
  };

  const element = (tag, text, attributes = {}) => {
    const made = document.createElement(tag);
    if (text !== null) made.textContent = text;
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    return made;
  };

  const select = (label, onchange) => {
    const box = element("label", `${label} `);
    const list = element("select", null);
    list.addEventListener("change", onchange);
    box.append(list);
    return { box, list };
  };

  const short = (text) => data.labels[text] ?? text;

  const fill = (list, options, value) => {
    list.replaceChildren(...options.map((text) =>
      element("option", short(text), { value: text, title: text })));
    list.value = options.includes(value) ? value : options[0];
  };

  const tableOf = ({ headings, rows: lines }) => {
    const table = element("table", null);
    const head = element("tr", null);
    head.append(...headings.map((text) => element("th", text, { scope: "col" })));
    const body = element("tbody", null);
    for (const line of lines) {
      const row = element("tr", null);
      row.append(...line.map((text, i) =>
        i ? element("td", text, { class: "number" }) : element("th", text, { scope: "row" })));
      body.append(row);
    }
    const top = element("thead", null);
    top.append(head);
    table.append(top, body);
    return table;
  };

  class Figure {
    constructor(place) {
      this.place = place;
      this.about = data.figures[place.dataset.figure];
      this.chart = place.querySelector(".chart");
      this.controls = place.querySelector(".controls");
      this.selectors = this.about.selectors.map((label) => select(label, () => this.choose(label)));
      for (const { box } of this.selectors) this.controls.append(box);
      if (this.about.highlights.length) this.addHighlight();
      this.controls.hidden = false;
      const numbers = place.querySelector(".numbers");
      numbers.hidden = false;
      numbers.addEventListener("toggle", () => this.showNumbers());
      this.numbers = numbers;
      this.choose();
    }

    addHighlight() {
      const { box, list } = select("Highlight a model", () => this.highlight());
      fill(list, ["all models", ...this.about.highlights], "all models");
      this.picked = list;
      this.controls.append(box);
    }

    highlight() {
      const all = this.picked.selectedIndex === 0;
      this.view.signal("highlight", all ? "" : this.picked.value).runAsync();
    }

    // Each selector offers what exists under the ones before it.
    choose(label) {
      let left = this.about.variants;
      this.selectors.forEach(({ box, list }, i) => {
        const options = [...new Set(left.map((variant) => variant.choice[i]))];
        fill(list, options, list.value);
        box.hidden = new Set(this.about.variants.map((variant) => variant.choice[i])).size < 2;
        left = left.filter((variant) => variant.choice[i] === list.value);
      });
      this.variant = left[0];
      const notes = this.place.querySelector(".notes");
      notes.replaceChildren(...this.variant.notes.map((text) => element("li", text)));
      notes.hidden = !this.variant.notes.length;
      const full = this.variant.choice.filter((text) => short(text) !== text);
      const line = this.place.querySelector("p.full");
      line.textContent = full.join(" · ");
      line.hidden = !full.length;
      this.showNumbers();
      this.draw();
      if (label) announce(this.variant.description);
    }

    showNumbers() {
      const place = this.numbers.querySelector(".scroll");
      place.replaceChildren(...(this.numbers.open ? [tableOf(this.variant.table)] : []));
    }

    // A chart is scaled as a whole, so that no labels meet; on a narrow screen it has none.
    sized(spec) {
      this.chart.classList.toggle("whole", !narrow.matches);
      if (!narrow.matches) return spec;
      const height = Math.min(spec.height, this.chart.clientWidth);
      const autosize = { type: "fit-x", contains: "padding" };
      return { ...spec, width: "container", height, autosize };
    }

    async draw() {
      const { spec, data: columns, description } = this.variant;
      const datasets = Object.fromEntries(
        Object.entries(columns).map(([name, each]) => [name, rows(each)]));
      if (this.view) this.view.finalize();
      const { view } = await vegaEmbed(
        this.chart, { ...this.sized(this.about.specs[spec]), datasets, description }, {
          mode: "vega-lite", actions: false, renderer: "svg", ast: true, defaultStyle: false,
          config: data.themes[dark.matches ? "dark" : "light"],
          tooltip: { disableDefaultStyle: true },
        });
      this.view = view;
      const svg = this.chart.querySelector("svg");
      svg.style.maxWidth = narrow.matches ? "none" : `${1.25 * svg.getAttribute("width")}px`;
      if (this.picked && this.picked.selectedIndex > 0) this.highlight();
      this.chart.dataset.drawn = String(Number(this.chart.dataset.drawn || 0) + 1);
    }
  }

  const figures = [...document.querySelectorAll(".figure")].map((place) => new Figure(place));
  for (const change of [dark, narrow])
    change.addEventListener("change", () => figures.forEach((figure) => figure.draw()));

  for (const boards of document.querySelectorAll(".boards")) {
    const list = boards.querySelector("[data-role=board]");
    if (!list) continue;
    const show = () => {
      for (const board of boards.querySelectorAll(".board"))
        board.hidden = board.dataset.board !== list.value;
    };
    list.addEventListener("change", show);
    boards.querySelector(".controls").hidden = false;
    show();
  }

  const order = (one, other, numeric) =>
    numeric ? Number(one) - Number(other) : one.localeCompare(other, "en", { numeric: true });

  for (const table of document.querySelectorAll("table.sortable")) {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, i) => head.querySelector("button").addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") !== "ascending";
      const numeric = head.classList.contains("number");
      const key = (row) => row.cells[i].dataset.key;
      const body = table.tBodies[0];
      const known = [...body.rows].filter((row) => key(row) !== "");
      const unknown = [...body.rows].filter((row) => key(row) === "");
      known.sort((a, b) => (up ? 1 : -1) * order(key(a), key(b), numeric));
      body.append(...known, ...unknown);
      heads.forEach((each) => each.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      announce(`Sorted by ${head.textContent.trim()}, ${up ? "ascending" : "descending"}`);
    }));
  }

  const links = new Map([...document.querySelectorAll("nav a")].map((a) => [a.hash.slice(1), a]));
  const seen = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      for (const link of links.values()) link.removeAttribute("aria-current");
      links.get(target.id)?.setAttribute("aria-current", "true");
    }
  }, { rootMargin: "-20% 0px -70% 0px" });
  document.querySelectorAll("main > section").forEach((section) => seen.observe(section));
})();
