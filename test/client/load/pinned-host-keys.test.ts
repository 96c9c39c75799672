import { pinnedPlaces, replacePinnedKeys } from '../../../src/client/load/pinned-host-keys';
import { keyPair } from '../../ssh/support';

const [OLD, NEW, OTHER] = [keyPair().public, keyPair().public, keyPair().public];
const [OLD_RSA, NEW_RSA] = [keyPair('rsa').public, keyPair('rsa').public];

const machine = { cluster: 'demo', host: '10.0.0.1', port: 22, keys: [NEW] };

function spec(nodes: string, more = ''): string {
  return `name: demo # the first\n${more}nodes:\n${nodes}---\nname: other\nnodes: [{name: x, host: 10.0.0.1, hostKeys: ["${OLD}"]}]\n`;
}

describe('src/client/load/pinned-host-keys', () => {
  test.each([
    [
      'a flow list',
      (keys: string[]) =>
        `  - {name: w-1, host: 10.0.0.1, hostKeys: [${keys.map((k) => `"${k}"`).join(', ')}]} # rack 4\n`,
    ],
    [
      'a block list',
      (keys: string[]) =>
        `  - name: w-1\n    host: 10.0.0.1\n    hostKeys: # from the console\n${keys.map((k) => `      - ${k}\n`).join('')}`,
    ],
  ])('replaces the key in %s, and nothing else', (_, nodes) => {
    const text = spec(nodes([OLD, `@revoked ${OTHER}`].slice(0, 1)));
    expect(replacePinnedKeys(text, machine)).toBe(spec(nodes([NEW])));
    expect(replacePinnedKeys(spec(nodes([OLD_RSA, OLD])), machine)).toBe(spec(nodes([NEW])));
    expect(replacePinnedKeys(spec(nodes([OLD_RSA, OLD])), { ...machine, keys: [NEW, NEW_RSA] })).toBe(
      spec(nodes([NEW_RSA, NEW])),
    );
  });

  test('keeps entries with a marker', () => {
    const list = (key: string): string =>
      spec(`  - {name: w-1, host: 10.0.0.1, hostKeys: ["${key}", '@revoked ${OTHER}']}\n`);
    expect(replacePinnedKeys(list(OLD), machine)).toBe(list(NEW));
  });

  test('finds a node by its name and the port of the cluster, and jump hosts of the cluster and of nodes', () => {
    const jump = `jump: [{host: 10.0.0.1, port: 2222, hostKeys: ["${OLD}"]}]`;
    const text = spec(`  - {name: 10.0.0.1, hostKeys: ["${OLD}"], ssh: {${jump}}}\n`, `ssh: {port: 2222, ${jump}}\n`);
    const at = { cluster: 'demo', host: '10.0.0.1', port: 2222 };
    expect(pinnedPlaces(text, at)).toEqual([
      'ssh.jump[0].hostKeys',
      'nodes[0].ssh.jump[0].hostKeys',
      'nodes[0].hostKeys',
    ]);
    const [first = '', second = ''] = text.split('---');
    expect(replacePinnedKeys(text, { ...at, keys: [NEW] })).toBe(`${first.replaceAll(OLD, NEW)}---${second}`);
    expect(pinnedPlaces(text, { ...at, port: 22 })).toEqual([]);
  });

  test('refuses an anchor that another machine uses, and says what to write', () => {
    const text = spec(
      `  - {name: w-1, host: 10.0.0.1, hostKeys: &k ["${OLD}"]}\n  - {name: w-2, host: 10.0.0.2, hostKeys: *k}\n`,
    );
    expect(() => replacePinnedKeys(text, machine)).toThrow('nodes[0].hostKeys cannot be changed');
  });
});
