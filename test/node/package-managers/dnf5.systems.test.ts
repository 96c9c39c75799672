import { describeDnf } from './dnf-suite';

describeDnf('src/node/package-managers/dnf on a real node with dnf5', {
  command: 'dnf5',
  node: { suite: 'sid', rpm: 'dnf5' },
});
