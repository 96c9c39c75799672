// Runs a command on a virtual terminal and records its screen as an SVG picture.
// Usage: record-terminal.js --out FILE [--columns N] [--from TEXT] [--to TEXT] -- COMMAND...
// --from and --to select the first and last line of the picture by a text in them.
const { spawnSync } = require('node:child_process');
const { mkdirSync, writeFileSync } = require('node:fs');
const path = require('node:path');
const { parseArgs } = require('node:util');
const { Screen } = require('./terminal-screen');

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    out: { type: 'string' },
    columns: { type: 'string', default: '120' },
    from: { type: 'string' },
    to: { type: 'string' },
  },
});
if (values.out === undefined || positionals.length === 0) {
  console.error('usage: record-terminal.js --out FILE [--columns N] [--from TEXT] [--to TEXT] -- COMMAND...');
  process.exit(2);
}

const quoted = positionals.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(' ');
const onTerminal = `stty cols ${values.columns} rows 50; exec ${quoted}`;
const result = spawnSync('script', ['-qefc', onTerminal, '/dev/null'], {
  stdio: ['ignore', 'pipe', 'inherit'],
  env: { ...process.env, TERM: 'xterm-256color', FORCE_COLOR: '1' },
  maxBuffer: 64 * 1024 * 1024,
});
if (result.status !== 0) {
  process.stderr.write(result.stdout);
  console.error(`error: the command exited with code ${result.status}, so no picture was made`);
  process.exit(1);
}

const screen = new Screen(Number(values.columns));
screen.write(result.stdout.toString('utf8'));
writePicture(cut(screen.lines()));

function cut(lines) {
  const text = lines.map((line) => line.map((cell) => cell.char).join(''));
  const from = values.from === undefined ? 0 : text.findIndex((line) => line.includes(values.from));
  const to = values.to === undefined ? text.length - 1 : text.findLastIndex((line) => line.includes(values.to));
  if (from < 0 || to < from) throw new Error('the output does not contain the lines named by --from and --to');
  return lines.slice(from, to + 1);
}

function writePicture(lines) {
  const [charWidth, lineHeight, padding, bar] = [8.4, 19, 16, 34];
  const width = Math.ceil(Number(values.columns) * charWidth + 2 * padding);
  const height = lines.length * lineHeight + 2 * padding + bar;
  const rows = lines.map((line, index) =>
    drawLine(line, padding, bar + padding + (index + 0.75) * lineHeight, charWidth),
  );
  const dots = ['#ff5f57', '#febc2e', '#28c840'].map(
    (colour, index) => `<circle cx="${20 + index * 20}" cy="17" r="6" fill="${colour}"/>`,
  );
  const svg = [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">`,
    // Chromium takes xml:space from the text itself only, and from no group around it.
    '<style>text { white-space: pre }</style>',
    `<rect width="${width}" height="${height}" rx="8" fill="#16181d"/>`,
    ...dots,
    `<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="14" xml:space="preserve">`,
    ...rows.filter(Boolean),
    '</g>',
    '</svg>',
    '',
  ].join('\n');
  mkdirSync(path.dirname(values.out), { recursive: true });
  writeFileSync(values.out, svg);
  console.log(`${values.out}: ${lines.length} lines`);
}

/** One text element per line, one span per run of cells with the same style. */
function drawLine(cells, x, y, charWidth) {
  const spans = [];
  for (let start = 0; start < cells.length;) {
    let end = start + 1;
    while (end < cells.length && cells[end].style === cells[start].style) end += 1;
    const text = cells
      .slice(start, end)
      .map((cell) => cell.char)
      .join('');
    const place = `x="${(x + start * charWidth).toFixed(1)}" textLength="${((end - start) * charWidth).toFixed(1)}"`;
    if (text.trim() !== '') spans.push(`<tspan ${place} ${cells[start].style}>${escape(text)}</tspan>`);
    start = end;
  }
  return spans.length === 0 ? '' : `<text y="${y.toFixed(1)}">${spans.join('')}</text>`;
}

function escape(text) {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
