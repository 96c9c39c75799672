import '../support/slow-suite';
import { describeSystems } from './system-suite';

const BOTH = ['regex', 'wildcard'] as const;

/** Its updates belong to no release and are rejected, so only those of the lab are applied. */
const SID = { suite: 'sid', updates: 'none' } as const;

describeSystems([
  { name: 'bullseye', title: 'Debian 11', node: { suite: 'bullseye' }, rules: ['wildcard'] },
  { name: 'bookworm', title: 'Debian 12', rules: BOTH },
  { name: 'trixie', title: 'Debian 13', node: { suite: 'trixie' }, rules: BOTH },
  { name: 'sid', title: 'Debian sid that calls itself 14', node: SID, release: '14', rules: BOTH },
  {
    name: 'sid-rs',
    title: 'Debian sid that calls itself 14, with sudo-rs, uutils and bash',
    release: '14',
    node: { ...SID, userland: { sudo: 'sudo-rs', coreutils: 'uutils', shell: 'bash' } },
    rules: ['sudo-rs'],
  },
  {
    name: 'trixie-rs',
    title: 'Debian 13 with sudo-rs and uutils',
    node: { suite: 'trixie', userland: { sudo: 'sudo-rs', coreutils: 'uutils' } },
    rules: ['sudo-rs'],
  },
  {
    name: 'busybox',
    title: 'Debian 12 with busybox',
    node: { userland: { coreutils: 'busybox', shell: 'busybox' } },
    rules: BOTH,
  },
]);
