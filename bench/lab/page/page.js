// page.js: draws the results that the page carries: facts, a summary, a chart and a table of each
// measure. Text goes into the page as text only.
'use strict';

const results = JSON.parse(document.getElementById('results').textContent);
const page = document.getElementById('page');
const colors = { coir: '#d9601a', yardstick: '#8b98a6', lua: '#4f7fb5', other: '#9fb8d3' };
const label = (name) => results.labels[name] || name;

function add(parent, tag, text = '', className = '') {
  const element = document.createElement(tag);
  element.textContent = text;
  if (className) element.className = className;
  parent.append(element);
  return element;
}

// Cells are texts, or [text, class].
function addTable(head, rows) {
  const table = add(page, 'table');
  const addRow = (cells, tag, className) => {
    const row = add(table, 'tr', '', className);
    for (const cell of cells) add(row, tag, ...[cell].flat());
  };
  if (head) addRow(head, 'th');
  for (const row of rows) addRow(row.cells || row, 'td', row.className);
}

// With three significant digits, or all before the point.
function format(value) {
  const size = Math.abs(value);
  const digits = size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3;
  return value.toLocaleString('en',
    { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

const short = (ratio) => ratio.toFixed(ratio >= 0.1 ? 2 : 3);
const ratioOf = (row) => (row && row.ratio ? row.ratio.median : null);
const named = (row) => `${label(row.name)} ${short(ratioOf(row))}`;

// One line of the summary: where coir stands among those that were measured with it.
function standing(workload, measure) {
  const ours = measure.rows.find((row) => row.name === 'coir');
  if (ratioOf(ours) === null) return null;
  const others = measure.rows.filter((row) => row !== ours && ratioOf(row) !== null);
  const ahead = others.filter((row) => ratioOf(row) > ratioOf(ours));
  const lua = others.find((row) => results.lua.includes(row.name));
  return [
    `${workload.title}: ${measure.title}`,
    [short(ratioOf(ours)), 'number'],
    label(workload.yardstick),
    lua ? named(lua) : '–',
    ahead.length ? [ahead.map(named).join(', '), 'loss'] : ['nobody', 'win'],
    [`${others.length - ahead.length} of ${others.length}`, 'number'],
  ];
}

function addSummary() {
  add(page, 'h2', 'Where coir stands');
  const rows = results.workloads.flatMap((workload) =>
    workload.measures.map((measure) => standing(workload, measure)).filter(Boolean));
  addTable(['workload', ['coir', 'number'], 'yardstick = 1.00', 'best other Lua runtime',
    'who is ahead of coir', ['coir is ahead of', 'number']], rows);
}

function addMachine() {
  add(page, 'h2', 'The machine and the run');
  const { machine, versions } = results;
  const peers = Object.entries(versions).filter(([, version]) => version)
    .map(([name, version]) => `${label(name)} ${version}`).join('; ');
  addTable(null, [
    ...Object.entries(machine),
    ['peers', peers],
    ['run', `${results.minutes} minutes${results.quick ? ', --quick: too short to trust' : ''}`
      + (results.interrupted ? ', interrupted: what was complete is here' : '')],
  ]);
}

// Draws the quartiles on the bars, the numbers behind them, and the line of the yardstick.
const marks = {
  id: 'marks',
  afterDatasetsDraw(chart, _arguments, options) {
    const { ctx, scales: { x }, chartArea } = chart;
    ctx.save();
    ctx.strokeStyle = '#1d2733';
    ctx.fillStyle = '#1d2733';
    ctx.font = '12px system-ui, sans-serif';
    ctx.textBaseline = 'middle';
    ctx.setLineDash([4, 3]);
    ctx.strokeRect(x.getPixelForValue(1), chartArea.top, 0, chartArea.height);
    ctx.setLineDash([]);
    chart.getDatasetMeta(0).data.forEach((bar, i) => {
      const { ratio } = options.rows[i];
      const [low, high] = [x.getPixelForValue(ratio.low), x.getPixelForValue(ratio.high)];
      ctx.strokeRect(low, bar.y, Math.max(high - low, 0), 0);
      ctx.fillText(short(ratio.median), Math.max(high, bar.x) + 6, bar.y);
    });
    ctx.restore();
  },
};

function addCanvas(height) {
  const box = add(page, 'div', '', 'chart');
  box.style.height = `${height}px`;
  return add(box, 'canvas');
}

function colorOf(row, workload) {
  if (row.name === 'coir') return colors.coir;
  if (row.name === workload.yardstick) return colors.yardstick;
  return results.lua.includes(row.name) ? colors.lua : colors.other;
}

function addRatioChart(workload, measure) {
  const rows = measure.rows.filter((row) => ratioOf(row) !== null);
  const largest = Math.max(1, ...rows.map((row) => Math.max(row.ratio.high, ratioOf(row))));
  new Chart(addCanvas(50 + 26 * rows.length), {
    type: 'bar',
    plugins: [marks],
    data: {
      labels: rows.map((row) => label(row.name)),
      datasets: [{ data: rows.map(ratioOf), barPercentage: 0.75,
        backgroundColor: rows.map((row) => colorOf(row, workload)) }],
    },
    options: {
      indexAxis: 'y', animation: false, responsive: true, maintainAspectRatio: false,
      scales: { x: { min: 0, suggestedMax: largest * 1.1,
        title: { display: true, text: 'ratio, higher is better' } } },
      plugins: { legend: { display: false }, marks: { rows } },
    },
  });
}

const quantiles = ['p50', 'p90', 'p99', 'p99.9', 'max'];

function addLatencyChart(workload) {
  add(page, 'h3', 'latency by quantile, lower is better');
  const names = Object.keys(workload.figures);
  const palette = ['#8b98a6', '#4f7fb5', '#5aa469', '#a569bd', '#c0a030', '#3aa6a6', '#b35a6a',
    '#6b7a3a', '#1d2733'];
  new Chart(addCanvas(320), {
    type: 'line',
    data: {
      labels: quantiles,
      datasets: names.map((name, i) => ({
        label: label(name), borderWidth: name === 'coir' ? 4 : 2,
        data: quantiles.map((quantile) => workload.figures[name][`${quantile}_us`]),
        borderColor: name === 'coir' ? colors.coir : palette[i % palette.length],
      })),
    },
    options: { animation: false, responsive: true, maintainAspectRatio: false,
      scales: { y: { type: 'logarithmic', title: { display: true, text: 'µs' } } } },
  });
}

function addFigures(workload, measure) {
  addTable(['', ['ratio', 'number'], ['quartiles', 'number'], [`cost, ${measure.unit}`, 'number']],
    measure.rows.map(({ name, ratio, cost }) => ({
      className: name === 'coir' ? 'coir' : '',
      cells: [label(name), [ratio ? ratio.median.toFixed(3) : '–', 'number'],
        [ratio ? `${ratio.low.toFixed(3)} to ${ratio.high.toFixed(3)}` : '–', 'number'],
        [format(cost.median), 'number']],
    })));
}

function addNotes(workload) {
  const notes = Object.entries({ ...workload.failed, ...workload.skipped })
    .map(([name, reason]) => `Not measured: ${label(name)}: ${reason}.`);
  for (const [name, count] of Object.entries(workload.counts)) {
    notes.push(`${label(name)} with ${format(count)} instead of ${format(workload.count)}.`);
  }
  const rounds = `Rounds: ${workload.rounds}; repeated for noise: ${workload.repeated}; noisy `
    + `even so: ${workload.noisy}.`;
  for (const note of [workload.limits, rounds, ...notes]) add(page, 'p', note, 'note');
}

function addWorkload(workload) {
  add(page, 'h2', workload.title);
  for (const measure of workload.measures) {
    add(page, 'h3', measure.title);
    addRatioChart(workload, measure);
    addFigures(workload, measure);
  }
  const latencies = Object.values(workload.figures).every((figures) => 'p99.9_us' in figures);
  if (workload.load.rate && latencies) addLatencyChart(workload);
  addNotes(workload);
}

function addCounts({ release, rows }) {
  add(page, 'h2', 'Instructions and system calls for one request');
  add(page, 'p', 'Counted, so they repeat; the kernel’s instructions are not among them. Beside '
    + `them the counts of the last release (${release || 'none kept'}).`);
  addTable(['', 'contestant', 'what', ['now', 'number'], ['last release', 'number']],
    rows.map((row) => [row.name, label(row.contestant), row.what,
      ['count' in row ? row.count.toLocaleString('en') : row.problem, 'number'],
      [row.released === null ? '–' : row.released.toLocaleString('en'), 'number']]));
}

addSummary();
addMachine();
results.workloads.forEach(addWorkload);
if (results.counts) addCounts(results.counts);
