const shared = {
  rootDir: __dirname,
  testEnvironment: '<rootDir>/test/support/node-environment.js',
  resolver: '<rootDir>/test/support/resolver.js',
  moduleNameMapper: { '^@kubernetes/client-node$': '<rootDir>/test/support/client-node.js' },
  transform: {
    '^.+\\.ts$': ['@swc/jest', { jsc: { parser: { syntax: 'typescript' }, target: 'es2022' }, sourceMaps: 'inline' }],
  },
};

/** Suites that need more than Node.js, by folder or file name; everything else is a unit test. */
const slow = {
  ...shared,
  // A project's own testTimeout is ignored when it is selected by name.
  setupFilesAfterEnv: ['<rootDir>/test/support/slow-suite.ts'],
};

const KUBERNETES_NODES = '\\.kube-nodes\\.test\\.ts$';

module.exports = {
  // Two processors shared with other work are enough for every unit test in this time.
  testTimeout: 20_000,
  // By default jest leaves one processor to itself, which is half of the two that CI has.
  maxWorkers: '100%',
  testSequencer: '<rootDir>/test/support/longest-first.js',
  projects: [
    {
      ...shared,
      displayName: 'unit',
      testMatch: ['<rootDir>/test/**/*.test.ts'],
      testPathIgnorePatterns: [
        '/node_modules/',
        '/test/(workflows|replay|upgrade|e2e|kubernetes|aws|packages)/',
        '\\.(node|fault|kube|kube-nodes|long-kube-nodes|systems|temporal|monitoring|stack)\\.test\\.ts$',
      ],
    },
    {
      // These wait for a simulated server most of the time.
      ...shared,
      setupFilesAfterEnv: ['<rootDir>/test/support/kube-suite.ts'],
      displayName: 'simulated',
      testMatch: ['<rootDir>/test/{kubernetes,aws}/**/*.test.ts'],
      testPathIgnorePatterns: ['/node_modules/', '\\.kube\\.test\\.ts$'],
    },
    {
      ...slow,
      displayName: 'workflows',
      testMatch: ['<rootDir>/test/workflows/**/*.test.ts', '<rootDir>/test/security/**/*.temporal.test.ts'],
    },
    { ...slow, displayName: 'replay', testMatch: ['<rootDir>/test/replay/**/*.test.ts'] },
    // With the real programs that read what ospatch shows.
    { ...slow, displayName: 'monitoring', testMatch: ['<rootDir>/test/**/*.monitoring.test.ts'] },
    { ...slow, displayName: 'upgrade', testMatch: ['<rootDir>/test/upgrade/**/*.test.ts'] },
    { ...slow, displayName: 'record', testMatch: ['<rootDir>/test/replay/**/*.record.ts'] },
    {
      ...slow,
      displayName: 'node',
      testMatch: ['<rootDir>/test/**/*.node.test.ts'],
      testPathIgnorePatterns: ['/node_modules/', '/test/(workflows|replay|e2e|faults)/'],
    },
    {
      ...shared,
      setupFilesAfterEnv: ['<rootDir>/test/support/kube-suite.ts'],
      displayName: 'kubernetes',
      testMatch: ['<rootDir>/test/{kubernetes,tools}/**/*.kube.test.ts'],
    },
    {
      ...slow,
      displayName: 'e2e',
      testMatch: ['<rootDir>/test/e2e/**/*.test.ts'],
      testPathIgnorePatterns: ['/node_modules/', KUBERNETES_NODES],
    },
    // Every command of the pages; `make test-docs`.
    { ...slow, displayName: 'docs', testMatch: ['<rootDir>/test/docs/**/*.stack.test.ts'] },
    // Every system that ospatch claims to patch; `node` has a quick choice of it.
    { ...slow, displayName: 'systems', testMatch: ['<rootDir>/test/**/*.systems.test.ts'] },
    // What users install, on machines that have nothing of it.
    { ...slow, displayName: 'packages', testMatch: ['<rootDir>/test/packages/**/*.packages.test.ts'] },
    // A control plane and real nodes at it.
    { ...slow, displayName: 'kubernetes-nodes', testRegex: [KUBERNETES_NODES] },
    { ...slow, displayName: 'faults', testMatch: ['<rootDir>/test/faults/**/*.fault.test.ts'] },
    {
      // Those of `kubernetes-nodes` that are faults, and those that take too long for `make test`.
      ...slow,
      displayName: 'kubernetes-faults',
      testMatch: [
        '<rootDir>/test/faults/**/*.{kube-nodes,long-kube-nodes}.test.ts',
        '<rootDir>/test/e2e/kubernetes.kube-nodes.test.ts',
      ],
    },
  ],
};
