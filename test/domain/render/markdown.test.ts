import { commandOrText, readableTimes, text } from '../../../src/domain/render/markdown';

describe('src/domain/render/markdown', () => {
  it.each([
    ['see https://evil.example/a_b|c', 'see `https://evil.example/a_b`\\|c'],
    ['HTTPS://EVIL.example`x`', '`HTTPS://EVIL.example`\\`x\\`'],
    ['www.evil.example, (ftp://x)', '`www.evil.example,` (`ftp://x)`'],
    ['ask help@evil.example or mailto:a@b', 'ask `help@evil.example` or `mailto:a@b`'],
    ['&#104;ttps&colon;//evil.example', '\\&#104;ttps\\&colon;//evil.example'],
    ['[x](y) <a> *b*', '\\[x\\](y) \\<a\\> \\*b\\*'],
    ['with --allow-removals, libwww-perl 6.68', 'with `--allow-removals`, libwww-perl 6.68'],
  ])('makes no link and no element of the text of a node: %s', (given, shown) => {
    expect(text(given)).toBe(shown);
  });

  it.each([
    ['ospatch retry demo w-1', '`ospatch retry demo w-1`'],
    ['ospatch patch demo --nodes w-1,w-2', '`ospatch patch demo --nodes w-1,w-2`'],
    ['ospatch get demo, then correct it', 'ospatch get demo, then correct it'],
    ['ospatch patch demo $(id)', 'ospatch patch demo $(id)'],
    ['ospatch patch demo | sh', 'ospatch patch demo \\| sh'],
    ['ospatch patch demo\nreboot', 'ospatch patch demo reboot'],
    ['ospatch <script>alert(1)</script>', 'ospatch \\<script\\>alert(1)\\</script\\>'],
  ])('shows as a command only what a shell takes as one: %j', (given, shown) => {
    expect(commandOrText(given)).toBe(shown);
  });

  it.each([
    ['2026-11-27T07:58:11.984Z', '2026-11-27 07:58:11 UTC'],
    ['2026-11-28T23:00:00Z', '2026-11-28 23:00:00 UTC'],
    ['2026-11-29T00:00:00+01:00 (Europe/Berlin)', '2026-11-29 00:00:00 +01:00 (Europe/Berlin)'],
    ['until 2027-01-31T18:00Z: on call', 'until 2027-01-31 18:00 UTC: on call'],
    ['a date, 2027-01-31, and T12', 'a date, 2027-01-31, and T12'],
  ])('shows the times of a text to people: %s', (text, shown) => {
    expect(readableTimes(text)).toBe(shown);
  });
});
