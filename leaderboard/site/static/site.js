// The page that compares two methods: all numbers stand in the page itself.
(() => {
  const stored = document.getElementById("pairs");
  if (!stored) return;
  const { methods, pairs, permutations } = JSON.parse(stored.textContent);
  const [first, second] = ["a", "b"].map((id) => document.getElementById(id));
  const known = new Map(methods.map((m) => [m.name, m]));
  const of = new Map();
  for (const pair of pairs) of.set(JSON.stringify([pair.a, pair.b]), pair);

  const number = (x) => (x === null ? "–" : x.toFixed(3));
  const signed = (x) => (x === null ? "–" : `${x < 0 ? "−" : "+"}${Math.abs(x).toFixed(3)}`);
  const chance = (p) => (p === null ? "–" : p < 0.001 ? "<0.001" : p.toFixed(3));

  function difference(a, b) {
    const there = of.get(JSON.stringify([a, b]));
    if (there) return there;
    const back = of.get(JSON.stringify([b, a]));
    if (!back) return null;
    const minus = (x) => (x === null ? null : -x);
    return { ...back, difference: minus(back.difference), low: minus(back.high), high: minus(back.low) };
  }

  function meaning(a, b, pair) {
    if (!pair) return "Choose two different methods.";
    if (pair.difference === null) return `The two cannot be compared with these data: ${pair.reason}.`;
    const size = `${signed(pair.difference)} (95 % interval ${signed(pair.low)} to ${signed(pair.high)})`;
    const unknown = pair.reason ? ` Unknown: ${pair.reason}.` : "";
    const text = `C-index of ${a.title} minus that of ${b.title}: ${size}.${unknown}`;
    if (pair.detectable === null) return text;
    return `${text} A cohort like this detects a true difference of ${number(pair.detectable)} four times in five.`;
  }

  function show() {
    const [a, b] = [first, second].map((field) => known.get(field.value));
    const pair = difference(a.name, b.name);
    document.getElementById("meaning").textContent = meaning(a, b, pair);
    const rows = [
      [`C of ${a.title}`, number(a.c)],
      [`C of ${b.title}`, number(b.c)],
      ["C by fold", a.folds.map((c, k) => `${number(c)} / ${number(b.folds[k])}`).join(", ")],
    ];
    if (pair) {
      rows.push(
        ["Difference", signed(pair.difference)],
        ["95 % interval (paired bootstrap)", `${signed(pair.low)} to ${signed(pair.high)}`],
        ["Standard error (jackknife)", number(pair.se)],
        ["p (jackknife)", chance(pair.p)],
        ["Holm p over all pairs", chance(pair.p_holm)],
        ["p (bootstrap)", chance(pair.p_bootstrap)],
        [`p (rank swap, ${permutations.toLocaleString("en")} permutations)`, chance(pair.p_permutation)],
        ["Smallest detectable difference", number(pair.detectable)],
      );
    }
    const body = document.getElementById("comparison").tBodies[0];
    body.replaceChildren(
      ...rows.map(([name, text]) => {
        const row = document.createElement("tr");
        const head = document.createElement("th");
        const cell = document.createElement("td");
        head.scope = "row";
        head.textContent = name;
        cell.textContent = text;
        row.append(head, cell);
        return row;
      }),
    );
  }

  // the pair stands in the address (#a=...&b=...), so that it can be sent and returned to
  function choose() {
    const wanted = new URLSearchParams(location.hash.slice(1));
    for (const field of [first, second]) if (known.has(wanted.get(field.id))) field.value = wanted.get(field.id);
    show();
  }

  function changed() {
    history.replaceState(null, "", `#${new URLSearchParams({ a: first.value, b: second.value })}`);
    show();
  }

  first.addEventListener("change", changed);
  second.addEventListener("change", changed);
  document.getElementById("swap").addEventListener("click", () => {
    [first.value, second.value] = [second.value, first.value];
    changed();
  });
  window.addEventListener("hashchange", choose);
  choose();
})();
