import '../support/slow-suite';
import { describeSystems } from './system-suite';

/** Alpine's own packages are in no repository of the lab, so that only the lab's are pending. */
describeSystems([
  {
    name: 'alpine',
    title: 'Alpine 3.23',
    node: { system: 'alpine', updates: 'none' },
    rules: ['regex', 'wildcard', 'doas'],
  },
]);
