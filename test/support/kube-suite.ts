/** Suites that talk to an API server: the longest test drains 200 pods on a machine that is busy with another. */
const LONGEST_TEST_MS = 300_000;

jest.setTimeout(LONGEST_TEST_MS);
